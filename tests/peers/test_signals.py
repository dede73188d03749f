"""A run that is told to stop, while it waits for storage that never answers."""

import json
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.peers.support import tiny
from tests.peers.support.binary import Buho
from tests.peers.support.silent import ENDS_WITHIN_S, run_at_work, silent_server

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("sent", CODES, ids=lambda sent: sent.name)
def test_a_signal_ends_a_run_with_its_own_code_and_gives_the_lake_back(
    buho: Buho, tmp_path: Path, sent: signal.Signals
):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    with silent_server() as server, run_at_work(buho, project, server, lake) as run:
        run.send_signal(sent)
        said, story = run.communicate(timeout=ENDS_WITHIN_S)
    assert run.returncode == CODES[sent], story
    assert f"stopped by {sent.name}" in story
    assert "run the same command again" in story
    assert "panicked" not in story
    assert not list((lake / "_buho" / "releases").glob("*"))
    last = sorted((lake / "_buho" / "lease").iterdir())[-1]
    assert '"step":"give_back"' in last.read_text()
    [stopped] = buho.at(project, lake=lake).runs()
    assert (stopped["status"], stopped["night"], stopped["phase"]) == ("stopped", tiny.NIGHT, "ingest")
    assert stopped["process"] == str(run.pid)
    result = json.loads(said.splitlines()[-1])
    assert (result["run_id"], result["night"]) == (stopped["run_id"], tiny.NIGHT)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("run", "--night", tiny.NIGHT), 1),
        (("run", "--night", tiny.NIGHT, "--format", "json"), 1),
        (("run", "--night", tiny.NIGHT, "--select", "nothing", "--format", "json"), 2),
        (("backfill", "--from", tiny.NIGHT, "--to", tiny.NIGHT), 1),
        (("quarantine", "replay", "bad"), 1),
        (("doctor",), 2),
        (("plan", "--night", tiny.NIGHT), 0),
    ],
    ids=lambda value: "_".join(value) if isinstance(value, tuple) else str(value),
)
def test_a_reader_that_has_gone_takes_no_failure_with_it(
    buho: Buho, tmp_path: Path, command: tuple[str, ...], code: int
):
    project = tiny.write_project(tmp_path / "project")
    (project / "raw" / "bad" / f"bad_{tiny.NIGHT}.csv").write_text("day\n2026-01-30\n")
    at = buho.at(project)
    if command[0] == "quarantine":
        at.night(tiny.NIGHT).expect(1)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            at.command(*command),
            env=at.variables(),
            stdin=subprocess.DEVNULL,
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=at.timeout_s,
            text=True,
            check=False,
        )
    assert done.returncode == code, done.stderr
    assert "panicked" not in done.stderr


RUN = ("run", "--night", tiny.NIGHT)


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (RUN, "bronze.committed:TERM"),
        (RUN, "nodes.audited:INT"),
        (RUN, "tables.announced:TERM"),
        (RUN, "table.committed:3:INT"),
        (RUN, "tables.committed:TERM"),
        (RUN, "release.written:TERM"),
        (RUN, "ops.appended:INT"),
        (("maintain",), "maintain.release_dropped:TERM"),
        (("maintain",), "maintain.vacuumed:INT"),
        (("backfill", "--from", "2026-01-28", "--to", tiny.NIGHT), "table.committed:2:TERM"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_signal_at_any_step_ends_the_command_and_gives_the_lake_back(
    buho: Buho, tmp_path: Path, command: tuple[str, ...], at: str
):
    project = tiny.write_project(tmp_path / "project")
    with (project / "buho.toml").open("a") as settings:
        settings.write("keep_nights = 1\nkeep_months = 1\n")
    plain, expected = buho.at(project), (2, tiny.GOOD_TOTAL)
    if command == ("maintain",):
        plain.night(tiny.NIGHT).expect(0)
        tiny.deliver(project, "good/good_2026-01-31.csv", b"id,day,amount\nc,2026-01-31,1.00\n")
        plain.night("2026-01-31").expect(0)
        expected = (3, "4.75")
    told = plain.with_environment(BUHO_FAILPOINT=at)(*command)
    told.expect(CODES[signal.Signals[f"SIG{at.rsplit(':', 1)[1]}"]])
    last = sorted((project / "lake" / "_buho" / "lease").iterdir())[-1]
    assert '"step":"give_back"' in last.read_text()
    plain(*command).expect(0)
    assert tiny.total_of(plain, "good") == expected


def test_the_same_command_goes_on_after_a_signal(buho: Buho, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    with silent_server() as server, run_at_work(buho, project, server, lake) as run:
        run.terminate()
        run.communicate(timeout=ENDS_WITHIN_S)
    at = buho.at(project, lake=lake)
    at.night(tiny.NIGHT).expect(0)
    assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)


def test_a_run_may_open_as_many_files_as_the_system_gives(buho: Buho, tmp_path: Path):
    """Each spilled batch has a file of its own, and 1,024 is the usual limit to start with."""
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with silent_server() as server, run_at_work(buho, project, server, lake) as run:
            soft, hard = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
            run.terminate()
            run.communicate(timeout=ENDS_WITHIN_S)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (soft, hard) == (before[1], before[1])
