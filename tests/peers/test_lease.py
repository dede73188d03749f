"""Two runs of one lake: one works, the other says who does."""

import os
import pty
import re
import socket
import subprocess
from pathlib import Path

from tests.peers.support import tiny
from tests.peers.support.binary import Buho
from tests.peers.support.silent import ENDS_WITHIN_S, run_at_work, silent_server

AT_ONCE = 8


def test_a_second_run_ends_with_4_and_says_who_holds_the_lake(buho: Buho, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    at = buho.at(project, lake=lake)
    with silent_server() as server, run_at_work(buho, project, server, lake) as holder:
        refused = at.night(tiny.NIGHT).expect(4)
        assert f"process {holder.pid} " in refused.said
        assert "buho runs unlock" in refused.said
        assert at("sql", "select count(*) from ops.runs").expect(0)
        unasked = at("run", "--format", "json").expect(4).result
        assert unasked["run_id"] is None
        assert unasked["night"] is not None, "it was worked out"
        assert re.search(rf"held by .*process {holder.pid} .*would end with 4", at("doctor").said)
    assert not list((lake / "_buho" / "releases").glob("*"))


def test_a_run_that_was_killed_does_not_stand_in_the_way(buho: Buho, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    with silent_server() as server, run_at_work(buho, project, server, lake) as holder:
        holder.kill()
        holder.communicate(timeout=ENDS_WITHIN_S)
        at = buho.at(project, lake=lake)
        at.night(tiny.NIGHT).expect(0)
    assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)


def test_a_run_at_work_is_listed_and_one_that_was_killed_too_before_and_after_the_next(
    buho: Buho, tmp_path: Path
):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    at = buho.at(project, lake=lake)
    with silent_server() as server, run_at_work(buho, project, server, lake) as holder:
        [running] = at.runs()
        assert (running["status"], running["process"]) == ("running", str(holder.pid))
        holder.kill()
        holder.communicate(timeout=ENDS_WITHIN_S)
        [died] = at.runs()
        assert died["status"] == "died"
        assert all(died[key] == running[key] for key in ("run_id", "started_at", "process"))
        assert (died["night"], died["release"], died["host"]) == (tiny.NIGHT, None, socket.gethostname())
        shown = at("runs", "show", died["run_id"]).expect(0).stdout
        assert f"process {holder.pid} on {died['host']} is gone without a word" in shown
        at.night(tiny.NIGHT).expect(0)
    done, recorded = at.runs()
    assert (done["status"], recorded) == ("done", died)
    told = at.rows("select status, message from ops.runs order by status")
    assert [row["status"] for row in told] == ["died", "done"]
    assert f"process {holder.pid} " in told[0]["message"]


def test_a_person_can_take_the_lake_from_a_run_that_hangs(buho: Buho, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    at = buho.at(project, lake=lake)
    with silent_server() as server, run_at_work(buho, project, server, lake) as holder:
        asked = at("runs", "unlock").expect(2)
        assert f"process {holder.pid} " in asked.said
        at.night(tiny.NIGHT).expect(4)
        at("runs", "unlock", "--yes").expect(0)
        at.night(tiny.NIGHT).expect(0)
    assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)


def answered(at: Buho, answer: bytes) -> tuple[str, str]:
    """What `buho runs unlock` says where somebody answers: on standard output, and on the terminal."""
    ours, theirs = pty.openpty()
    command, variables = at.command("runs", "unlock"), at.variables()
    with subprocess.Popen(
        command, env=variables, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as asking:
        os.close(theirs)
        os.write(ours, answer)
        said, _ = asking.communicate(timeout=ENDS_WITHIN_S)
    assert asking.returncode == 0
    asked = os.read(ours, 4096).decode()
    os.close(ours)
    return said, asked


def test_on_a_terminal_unlock_asks_and_anything_but_yes_leaves_the_lake_as_it_is(buho: Buho, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    at = buho.at(project, lake=lake)
    with silent_server() as server, run_at_work(buho, project, server, lake) as holder:
        said, asked = answered(at, b"\n")
        assert f"process {holder.pid} " in said
        assert "Take the lake from that run?" in asked
        assert "left as it is" in said
        at.night(tiny.NIGHT).expect(4)
        said, _ = answered(at, b"y\n")
        assert "done: the next run takes over" in said
        at.night(tiny.NIGHT).expect(0)


def test_of_many_runs_at_once_none_does_the_work_of_another(buho: Buho, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    at = buho.at(project, lake=lake)
    command = at.command("run", "--night", tiny.NIGHT, "--format", "json")
    runs = [
        subprocess.Popen(
            command, env=at.variables(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for _ in range(AT_ONCE)
    ]
    stories = [run.communicate(timeout=10 * ENDS_WITHIN_S)[1] for run in runs]
    codes = sorted(run.returncode for run in runs)
    # One takes the deliveries in; who came after it ended found nothing to do, the others were refused.
    assert set(codes) <= {0, 4}, stories
    assert 0 in codes, stories
    assert len(list((lake / "_buho" / "releases").iterdir())) == 1
    assert at.rows("select count(*) as n from bronze.good")[0]["n"] in (2, "2")
