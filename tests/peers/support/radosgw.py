"""Ceph's S3 gateway over a cluster of one in memory, for as long as a test needs it. It checks secrets.

Debian's packages `radosgw`, `ceph-mon` and `ceph-osd` have all that is started here; nothing is configured
outside a temporary folder.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import boto3

from tests.peers.support.unavailable import UnavailableError

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool")
HOW = "`apt-get install radosgw ceph-mon ceph-osd` has it"
KEY, SECRET, BUCKET = "buho-test", "buho-test-secret", "conformance"
STARTS_WITHIN_S = 120

CONFIGURATION = """[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon}]
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
osd objectstore = memstore
memstore device bytes = 2147483648
osd crush chooseleaf type = 0
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
keyring = {folder}/keyring
mon data = {folder}/mon
osd data = {folder}/osd
osd journal = {folder}/journal
rgw data = {folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:{http}
rgw enable ops log = false
rgw enable usage log = false
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def radosgw_server() -> Iterator[tuple[str, dict[str, str]]]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise UnavailableError(f"{', '.join(missing)} cannot be found: {HOW}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster(folder, stack)
        cluster.start()
        endpoint = f"http://127.0.0.1:{cluster.http}"
        environment = {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "default",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true",
        }
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="default",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}/lake", environment


class Cluster:
    """One monitor, one store in memory, one gateway."""

    def __init__(self, folder: Path, stack: ExitStack):
        self.folder = folder
        self.stack = stack
        self.fsid = str(uuid.uuid4())
        self.mon, self.http = free_port(), free_port()
        self.conf = folder / "ceph.conf"
        self.conf.write_text(
            CONFIGURATION.format(folder=folder, fsid=self.fsid, mon=self.mon, http=self.http)
        )

    def do(self, program: str, *arguments: str) -> str:
        command = [program, "-c", str(self.conf), *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=STARTS_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise UnavailableError(f"`{' '.join(command)}` does not end") from late
        if done.returncode != 0:
            raise UnavailableError(
                f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr[-500:]}"
            )
        return done.stdout

    def serve(self, program: str, *arguments: str) -> None:
        log = self.stack.enter_context((self.folder / f"{program}.out").open("w"))
        process = subprocess.Popen(
            [program, "-c", str(self.conf), "-f", *arguments], stdout=log, stderr=log, env=os.environ
        )
        self.stack.callback(process.wait, timeout=30)
        self.stack.callback(process.kill)

    def start(self) -> None:
        keyring, monmap = str(self.folder / "keyring"), str(self.folder / "monmap")
        address = f"[v2:127.0.0.1:{self.mon}]"
        capabilities = [part for daemon in ("mon", "osd", "mgr") for part in ("--cap", daemon, "allow *")]
        for name in ("mon.", "client.admin", "osd.0", "client.rgw"):
            create = [] if Path(keyring).exists() else ["--create-keyring"]
            self.do("ceph-authtool", keyring, *create, "--gen-key", "-n", name, *capabilities)
        self.do("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", address, monmap)
        (self.folder / "mon").mkdir()
        self.do("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self.serve("ceph-mon", "-i", "a")
        store = str(uuid.uuid4())
        self.do("ceph", "osd", "new", store)
        (self.folder / "osd").mkdir()
        self.do("ceph-osd", "-i", "0", "--mkfs", "--no-mon-config", "--osd-uuid", store)
        self.serve("ceph-osd", "-i", "0")
        user = ["--uid=test", "--display-name=test", f"--access-key={KEY}", f"--secret={SECRET}"]
        self.do("radosgw-admin", "-n", "client.rgw", "user", "create", *user)
        self.serve("radosgw", "-n", "client.rgw")
        self.wait()

    def wait(self) -> None:
        """The gateway does not say when it listens; asked without a key, it answers."""
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.http}/", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError as reason:
                if time.monotonic() > deadline:
                    raise UnavailableError(f"radosgw does not listen: {reason}") from reason
                time.sleep(0.2)
