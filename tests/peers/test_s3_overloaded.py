"""Nights on an S3 server that refuses, loses answers, is late and breaks off: the tables of a quiet disk.

`BUHO_KILLS_SEED` repeats a choice of faults, as far as the order of requests does.
"""

import os
from datetime import date
from pathlib import Path

import pytest

from tests.peers.support import kills, seen
from tests.peers.support.binary import Buho
from tests.peers.support.s3 import Overloaded, Server, s3_server, served

SEED = int(os.environ.get("BUHO_KILLS_SEED", date.today().toordinal()))
BUCKET = "overloaded"
NIGHTS = kills.NIGHTS[:4]
# Of ten requests one.
CHANCE = 1 / 10
# A run whose request was refused more often than its client asks ends with 3, and is started again.
ATTEMPTS, RETRY = 3, 3


def run_until_done(at: Buho, night: str) -> list[int]:
    """The exit codes on the way there."""
    codes = []
    for _ in range(ATTEMPTS):
        codes.append(at.night(night).expect(0, RETRY).code)
        if codes[-1] == 0:
            return codes
    raise AssertionError(f"{night} ended {ATTEMPTS} times with {RETRY}")


@pytest.mark.timeout(600)
def test_on_an_overloaded_server_the_nights_are_those_of_a_quiet_disk(
    buho: Buho, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    project = kills.make_project(tmp_path / "project")
    quiet = seen.on_disk(kills.run_nights(buho.at(project), tmp_path / "quiet", NIGHTS))
    with s3_server() as running:
        running.create_bucket(BUCKET)
        overloaded = Overloaded(running.application, CHANCE, SEED)
        with served(overloaded) as endpoint:
            server = Server(endpoint, running.application)
            at = buho.at(project, lake=f"s3://{BUCKET}/lake").with_environment(**server.environment)
            codes = [run_until_done(at, night) for night in NIGHTS]
        lake = seen.on_server(running, BUCKET, "lake", tmp_path / "copies")
        with capsys.disabled():
            said = ", ".join(f"{number} {kind}" for kind, number in sorted(overloaded.injected.items()))
            print(f"\nseed {SEED}: {said}; nights ended with {codes}")
        assert seen.newest(lake) == seen.newest(quiet)
        assert seen.quarantine(lake) == seen.quarantine(quiet)
        assert lake.release(lake.releases()[-1])["night"] == NIGHTS[-1]
        for source in ("good", "bad"):
            delivered = kills.raw_rows(project, source, NIGHTS[-1])
            assert seen.places_of_rows(lake, source) == delivered, source
    assert set(overloaded.injected) == set(Overloaded.KINDS)
