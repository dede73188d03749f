"""A run that is at work for as long as a test wants: its raw location takes connections and says nothing."""

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.support import tiny
from tests.peers.support.binary import Buho

ENDS_WITHIN_S = 30


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(ENDS_WITHIN_S)
        yield server


@contextmanager
def at_work(buho: Buho, night: str) -> Iterator[subprocess.Popen[str]]:
    """A run of a night, killed if it is still there at the end."""
    with subprocess.Popen(
        buho.command("run", "--night", night, "--format", "json"),
        env=buho.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        try:
            yield run
        finally:
            if run.poll() is None:
                run.kill()


@contextmanager
def run_at_work(
    buho: Buho, project: Path, server: socket.socket, lake: Path
) -> Iterator[subprocess.Popen[str]]:
    """A run that has begun to read, and so holds the lake."""
    at = buho.at(project, raw="s3://exports/raw", lake=lake).with_environment(
        AWS_ENDPOINT=f"http://127.0.0.1:{server.getsockname()[1]}",
        AWS_ALLOW_HTTP="true",
        AWS_ACCESS_KEY_ID="anyone",
        AWS_SECRET_ACCESS_KEY="anything",
        AWS_REGION="eu-west-1",
    )
    with at_work(at, tiny.NIGHT) as run:
        connection, _ = server.accept()
        with connection:
            yield run
