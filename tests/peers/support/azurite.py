"""Azure's own emulator of its blob storage, for as long as a test needs it."""

import base64
import hashlib
import hmac
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate

from tests.peers.support.unavailable import UnavailableError

# The emulator's account is the same everywhere, and so is its key: documented, no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
CONTAINER = "conformance"
VERSION = "2023-11-03"
STARTS_WITHIN_S = 60
HOW = "`make stores` installs it (it needs npm) for `make test`; else set BUHO_AZURITE to an azurite-blob"


def find() -> str:
    command = os.environ.get("BUHO_AZURITE")
    if command and os.access(command, os.X_OK):
        return os.path.abspath(command)
    raise UnavailableError(f"azurite is not installed: {HOW}")


@contextmanager
def azurite_server() -> Iterator[tuple[str, dict[str, str]]]:
    command = find()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        place = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        process = subprocess.Popen([command, *arguments, *place], stdout=subprocess.DEVNULL, cwd=folder)
        try:
            endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
            create_container(process, endpoint)
            yield (
                f"az://{CONTAINER}/lake",
                {
                    "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
                    "AZURE_STORAGE_ACCOUNT_KEY": KEY,
                    "AZURE_STORAGE_ENDPOINT": endpoint,
                    "AZURE_ALLOW_HTTP": "true",
                },
            )
        finally:
            process.terminate()
            process.wait(timeout=30)


def create_container(process: subprocess.Popen[bytes], endpoint: str) -> None:
    """The first request is tried until the server listens: it does not say when."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        if process.poll() is not None:
            raise UnavailableError(f"azurite ended with {process.returncode} before it listened")
        try:
            urllib.request.urlopen(create_request(endpoint), timeout=10).close()
            return
        except urllib.error.HTTPError as refused:
            raise RuntimeError(refused.read().decode()) from refused
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def create_request(endpoint: str) -> urllib.request.Request:
    """A signed `Create Container`: the only thing that the product cannot do itself."""
    date = formatdate(usegmt=True)
    headers = f"x-ms-date:{date}\nx-ms-version:{VERSION}\n"
    resource = f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    to_sign = "PUT\n" + "\n" * 11 + headers + resource
    signature = hmac.new(base64.b64decode(KEY), to_sign.encode(), hashlib.sha256).digest()
    return urllib.request.Request(
        f"{endpoint}/{CONTAINER}?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": VERSION,
            "Content-Length": "0",
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
        },
    )
