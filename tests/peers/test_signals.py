"""A run that is told to stop, while it waits for storage that never answers."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.support import tiny
from tests.peers.support.binary import Buho

ENDS_WITHIN_S = 30
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """Takes connections and says nothing: an accepted one tells that the run has begun to read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(ENDS_WITHIN_S)
        yield server


def started(buho: Buho, project: Path, server: socket.socket, lake: Path) -> subprocess.Popen[str]:
    at = buho.at(project, raw="s3://exports/raw", lake=lake).with_environment(
        AWS_ENDPOINT=f"http://127.0.0.1:{server.getsockname()[1]}",
        AWS_ALLOW_HTTP="true",
        AWS_ACCESS_KEY_ID="anyone",
        AWS_SECRET_ACCESS_KEY="anything",
        AWS_REGION="eu-west-1",
    )
    command = at.command("run", "--night", tiny.NIGHT)
    return subprocess.Popen(
        command,
        env=at.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("sent", CODES, ids=lambda sent: sent.name)
def test_a_signal_ends_a_run_with_its_own_code_and_says_how_to_go_on(
    buho: Buho, silent_server: socket.socket, tmp_path: Path, sent: signal.Signals
):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    with started(buho, project, silent_server, lake) as run:
        connection, _ = silent_server.accept()
        run.send_signal(sent)
        _, story = run.communicate(timeout=ENDS_WITHIN_S)
        connection.close()
    assert run.returncode == CODES[sent], story
    assert "run the same command again" in story
    assert "panicked" not in story
    assert not list((lake / "_buho" / "releases").glob("*"))


def test_the_same_command_goes_on_after_a_signal(buho: Buho, silent_server: socket.socket, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    with started(buho, project, silent_server, lake) as run:
        connection, _ = silent_server.accept()
        run.terminate()
        run.communicate(timeout=ENDS_WITHIN_S)
        connection.close()
    at = buho.at(project, lake=lake)
    at.night(tiny.NIGHT).expect(0)
    assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)
