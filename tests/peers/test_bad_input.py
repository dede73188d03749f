"""Bad input stops one source at most, and what is said about it is enough to mend it."""

import os
import re
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from tests.peers.bad_inputs import ALL, CLEAN, CLEAN_TOTAL, FILE, Case
from tests.peers.support.binary import Buho, Outcome
from tests.peers.support.tiny import (
    GOOD_TOTAL,
    HEADER,
    NIGHT,
    columns,
    deliver,
    total_of,
    write_model,
    write_project,
)


def assert_good_went_on(buho: Buho) -> None:
    assert total_of(buho, "good") == (2, GOOD_TOTAL)


def assert_said(outcome: Outcome, *patterns: str) -> None:
    for pattern in patterns:
        assert re.search(pattern, outcome.said), f"nothing said matches {pattern!r}\n{outcome}"


def assert_quarantine(buho: Buho, case: Case) -> None:
    rows = buho.rows(
        "select file, record, line, column_name, reason, raw from ops.quarantine order by record"
    )
    assert len(rows) == len(case.quarantine), rows
    for row, held in zip(rows, case.quarantine, strict=True):
        assert row["file"] == case.file
        assert (int(row["record"]), int(row["line"])) == (held.record, held.line), row
        assert row["column_name"] == held.column, row
        assert re.search(held.reason, row["reason"]), row
        if held.raw is not None:
            assert row["raw"] == held.raw


@pytest.mark.parametrize("case", ALL, ids=str)
def test_bad_input(case: Case, buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project", case.format, case.contract)
    deliver(project, case.file, case.content)
    at = buho.at(project)
    outcome = at.night(NIGHT).expect(case.code)
    assert_said(outcome, *case.says)
    assert_good_went_on(at)
    if case.quarantine:
        assert_quarantine(at, case)
    if case.rows is not None:
        assert total_of(at, "bad") == (case.rows, case.total)
    if case.code == 1:
        assert outcome.result["status"] == "partial", outcome.result
        assert outcome.result["failed"]["node"], outcome.result


def test_a_source_that_failed_is_loaded_once_it_is_delivered_again(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    at = buho.at(project)
    deliver(project, FILE, CLEAN.replace("amount", "sum").encode())
    at.night(NIGHT).expect(1)
    deliver(project, FILE, CLEAN.encode())
    at.night(NIGHT).expect(0)
    assert total_of(at, "bad") == (2, CLEAN_TOTAL)


def test_a_directory_where_a_file_should_be_is_named(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    (project / "raw" / "bad" / "bad_2026-01-30.csv").mkdir()
    (project / "raw" / "bad" / "bad_2026-01-30.csv" / "part-0").write_text(CLEAN)
    at = buho.at(project)
    outcome = at.night(NIGHT).expect(0, 1)
    assert_said(outcome, r"bad_2026-01-30\.csv", r"directory|folder")
    assert_good_went_on(at)


def test_an_empty_bucket_is_a_night_without_exports(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    shutil.rmtree(project / "raw")
    (project / "raw").mkdir()
    outcome = buho.at(project).night(NIGHT).expect(0)
    assert outcome.result["rows"]["ingested"] == 0
    assert_said(outcome, r"no export|no file|empty|nothing")


def test_a_raw_location_that_does_not_exist_is_said_before_anything_runs(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    outcome = buho.at(project, raw=tmp_path / "nowhere").night(NIGHT).expect(2, 3)
    assert_said(outcome, r"nowhere", r"raw|BUHO_RAW")


def test_duplicate_keys_are_kept_and_an_audit_names_them(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    deliver(project, FILE, (CLEAN + "2,2026-01-30,20.25,0.25,again\n").encode())
    audits = [{"unique": ["id"], "severity": "error"}]
    spec = {"columns": columns("id", "amount"), "audits": audits}
    write_model(project, "marts.bad_lines", "select id, amount from staging.bad_rows\n", spec)
    at = buho.at(project)
    outcome = at.night(NIGHT).expect(1)
    assert_said(outcome, r"marts\.bad_lines", r"unique", r"\bid\b")
    assert total_of(at, "bad") == (3, "51.00")
    assert_good_went_on(at)


def test_a_file_that_grows_while_it_is_read_is_in_the_end_there_once(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    rows = "".join(f"{n},2026-01-30,1.00,0.5,row\n" for n in range(300_000))
    path = deliver(project, FILE, (HEADER + rows).encode())
    stop = threading.Event()

    def grow() -> int:
        added = 0
        with path.open("a") as file:
            while not stop.is_set() and added < 200_000:
                file.write(f"x{added},2026-01-30,1.00,0.5,late\n")
                file.flush()
                added += 1
        return added

    counts: list[int] = []
    writer = threading.Thread(target=lambda: counts.append(grow()))
    writer.start()
    at = buho.at(project)
    try:
        first = at.night(NIGHT).expect(0, 1)
    finally:
        stop.set()
        writer.join()
    if first.code == 1:
        assert_said(first, r"bad_2026-01-30\.csv", r"changed", r"deliver")
    assert_good_went_on(at)
    at.night(NIGHT).expect(0)
    assert total_of(at, "bad")[0] == 300_000 + counts[0]


def test_a_file_without_permission_is_named(shared_binary: Path, tmp_path: Path):
    """Root may read everything, so there the binary runs as nobody."""
    project = write_project(tmp_path / "project")
    path = deliver(project, FILE, CLEAN.encode())
    path.chmod(0)
    runner: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root reads everything, and there is no setpriv to be somebody else")
        runner = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        open_up(tmp_path)
    command = [*runner, str(shared_binary), "--project", str(project), "run", "--night", NIGHT]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=300, check=False
    )
    outcome = Outcome(tuple(command), done.returncode, done.stdout, done.stderr)
    # The rest of the night went out.
    outcome.expect(1)
    assert_said(outcome, r"bad_2026-01-30\.csv", r"[Pp]ermission|right|denied")
    path.chmod(0o644)
    assert_good_went_on(Buho(shared_binary).at(project))


def open_up(folder: Path) -> None:
    """Lets another user reach and write a test's folder."""
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == os.geteuid() and parent.parts[1:2] == ("tmp",) and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o777)
