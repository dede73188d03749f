"""Disks that are full, buckets that may only be read, clocks that jump, logs that were cut short."""

import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.peers.support import seen, tiny
from tests.peers.support.binary import Buho
from tests.peers.support.clock import Clock, make_clock
from tests.peers.support.s3 import s3_server
from tests.peers.support.silent import ENDS_WITHIN_S, run_at_work, silent_server

ROWS = 60_000
HOURS_5 = 5 * 3600
DAY_S = 24 * 3600
# A holder renews every ten seconds; a lease that looks stale is watched for twenty.
RENEWS_WITHIN_S = 40


@contextmanager
def small_disk(folder: Path, kib: int) -> Iterator[Path]:
    """A disk in memory of a size, as root mounts it."""
    folder.mkdir()
    size = f"size={kib}k"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk takes the right to mount one: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def grow(disk: Path, kib: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kib}k", disk], check=True)


def test_a_full_disk_is_worth_a_retry_and_the_next_run_heals(buho: Buho, tmp_path: Path):
    """The disk ends at another step each time: from the first object to the last table."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    project = tiny.write_project(tmp_path / "project")
    spec = {"columns": tiny.columns("id", "day", "amount", "ratio", "note")}
    tiny.write_model(
        project, "marts.bad_lines", "select id, day, amount, ratio, note from staging.bad_rows\n", spec
    )
    rows = "".join(f"{n},{tiny.NIGHT},{n % 1000}.25,0.{n % 97},{uuid.uuid4().hex}\n" for n in range(ROWS))
    tiny.deliver(project, f"bad/bad_{tiny.NIGHT}.csv", (tiny.HEADER + rows).encode())
    reference = buho.at(project)
    reference.night(tiny.NIGHT).expect(0)
    with small_disk(tmp_path / "disk", 4) as disk:
        at = buho.at(project, lake=disk / "lake")
        failures = 0
        for kib in (4, 32, 64, 512, 2048, 3072, 4096, 5120, 6144, 1 << 16):
            grow(disk, kib)
            outcome = at.night(tiny.NIGHT).expect(0, 3)
            if outcome.code == 0:
                break
            failures += 1
            assert "No space left on device" in outcome.said, outcome
            assert re.search(r"the disk is full: make room", outcome.said), outcome
        assert failures > 3
        outcome.expect(0)
        # Every run that held the lake is listed, also where the disk had no room for its record.
        held = [json.loads(link.read_text()) for link in (disk / "lake" / "_buho" / "lease").glob("*.json")]
        runs = {run["run_id"]: run["status"] for run in at.runs()}
        assert {link["holder"]["run_id"] for link in held} == set(runs)
        assert {"done"} < set(runs.values())
        ours, theirs = seen.on_disk(disk / "lake"), seen.on_disk(project / "lake")
        assert seen.newest(ours) == seen.newest(theirs)
        # A night that could write a part published that, and said so; the last release has all of it.
        last = [seen.release_rows(lake, lake.releases()[-1]) for lake in (ours, theirs)]
        assert last[0] == last[1]


def test_a_raw_bucket_that_may_only_be_read_is_enough(buho: Buho, tmp_path: Path):
    project = tiny.write_project(tmp_path / "project", {"null_words": ["n/a"]})
    bucket = f"raw-{uuid.uuid4().hex}"
    tiny.deliver(project, f"bad/bad_{tiny.NIGHT}.csv", tiny.GOOD.encode())
    with s3_server() as open_server:
        open_server.create_bucket(bucket)
        open_server.upload(project / "raw", bucket, "raw")
    # The same objects behind a server that takes no write to that bucket.
    with s3_server(read_only=bucket) as server:
        at = buho.at(project, raw=f"s3://{bucket}/raw").with_environment(**server.environment)
        at.night(tiny.NIGHT).expect(0)
        assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)
        at("doctor").expect(0)
        at("quarantine", "replay", "bad").expect(0)
        refused = buho.at(project, lake=f"s3://{bucket}/lake").with_environment(**server.environment)
        assert bucket in refused.night(tiny.NIGHT).expect(2).said


def links(lake: Path) -> list[str]:
    return sorted(path.name for path in (lake / "_buho" / "lease").glob("*.json"))


def wait_for_a_renewal(lake: Path) -> None:
    before, deadline = len(links(lake)), time.monotonic() + RENEWS_WITHIN_S
    while len(links(lake)) == before:
        assert time.monotonic() < deadline, "the lease is not renewed"
        time.sleep(0.1)


def assert_kept(buho: Buho, project: Path, lake: Path, clock: Clock, jumps: list[int]) -> None:
    """A holder whose clock jumps keeps the lake against a run whose clock is right, and gives it back."""
    other = buho.at(project, lake=lake)
    with silent_server() as server, run_at_work(clock.of(buho), project, server, lake) as holder:
        for jump in jumps:
            clock.set(jump)
            wait_for_a_renewal(lake)
            refused = other.night(tiny.NIGHT).expect(4)
            assert f"process {holder.pid} " in refused.said
            assert holder.poll() is None
        holder.terminate()
        _, story = holder.communicate(timeout=ENDS_WITHIN_S)
        assert holder.returncode == 143, story
    last = lake / "_buho" / "lease" / links(lake)[-1]
    assert '"step":"give_back"' in last.read_text()
    other.night(tiny.NIGHT).expect(0)
    assert tiny.total_of(other, "good") == (2, tiny.GOOD_TOTAL)


@pytest.mark.timeout(300)
def test_a_clock_that_jumps_neither_loses_the_lease_nor_lets_it_be_stolen(buho: Buho, tmp_path: Path):
    def case(name: str, jumps: list[int]) -> None:
        project = tiny.write_project(tmp_path / name)
        assert_kept(buho, project, tmp_path / name / "lake", make_clock(tmp_path / name), jumps)

    with ThreadPoolExecutor(2) as pool:
        cases = [pool.submit(case, "ahead", [HOURS_5]), pool.submit(case, "behind", [-HOURS_5])]
        for done in cases:
            done.result()


def test_a_run_whose_record_is_cut_short_is_no_run_that_never_was(buho: Buho, tmp_path: Path):
    project = tiny.write_project(tmp_path / "project")
    at = buho.at(project)
    assert "no run yet" in at("runs", "show").expect(2).said
    for night in (tiny.NIGHT, "2026-01-31"):
        at.night(night).expect(0)
    first, last = sorted((project / "lake" / "_buho" / "runs").glob("*.json"))
    last.write_bytes(last.read_bytes()[:50])
    shown = at("runs", "show").expect(0)
    assert first.stem in shown.stdout
    assert last.name in shown.stderr
    first.write_bytes(b"{")
    refused = at("runs", "show").expect(2)
    assert "no run yet" not in refused.said
    assert "cannot be read" in refused.said


@pytest.mark.parametrize("torn", [b"", b"not json", 0.5], ids=["empty", "garbage", "half"])
def test_a_release_that_is_torn_is_told_with_the_way_out_and_hides_no_other(
    buho: Buho, tmp_path: Path, torn: bytes | float
):
    project = tiny.write_project(tmp_path / "project")
    tiny.deliver(project, f"bad/bad_{tiny.NIGHT}.csv", tiny.GOOD.encode())
    at = buho.at(project)
    at.night(tiny.NIGHT).expect(0)
    tiny.deliver(project, "good/good_2026-01-31.csv", b"id,day,amount\nc,2026-01-31,4.00\n")
    at.night("2026-01-31").expect(0)
    lake = seen.on_disk(project / "lake")
    before = seen.release_rows(lake, "2026-01-31-000001")
    file = project / "lake" / "_buho" / "releases" / "2026-01-31-000001.json"
    whole = file.read_bytes()
    file.write_bytes(torn if isinstance(torn, bytes) else whole[: int(torn * len(whole))])
    way_out = f"or remove it: readers get {tiny.NIGHT}.1 then, and `buho run --night 2026-01-31`"
    for refused in (
        at.night("2026-01-31").expect(1),
        at("sql", "select 1").expect(1),
        at("doctor").expect(2),
        listed := at("releases", "list", "--format", "json").expect(1),
    ):
        assert str(file).lstrip("/") in refused.said, refused
        assert way_out in refused.said, refused
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(row["release"], row["damaged"], row.get("fresh")) for row in rows] == [
        ("2026-01-31.1", True, None),
        (f"{tiny.NIGHT}.1", False, len(before)),
    ]
    assert at.rows("select count(*) as n from marts.good_total", "--release", f"{tiny.NIGHT}.1")
    file.unlink()
    assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)
    at("doctor").expect(0)
    at.night("2026-01-31").expect(0)
    assert seen.release_rows(lake, "2026-01-31-000001") == before
    assert tiny.total_of(at, "good") == (3, "7.75")


def test_a_shop_whose_runs_and_exports_both_stopped_is_not_told_that_all_is_well(buho: Buho, tmp_path: Path):
    expected = {"expect": {"every": "1 day", "by": "06:00", "missing": "hold"}}
    project = tiny.write_project(tmp_path / "project", more=expected)
    at = buho.at(project)
    began = datetime(2026, 1, 31, 8, tzinfo=UTC)

    def on_day(number: int) -> Buho:
        return make_clock(tmp_path, int(began.timestamp() - time.time()) + number * DAY_S).of(at)

    nights = [str((began + timedelta(days=number - 1)).date()) for number in range(3)]
    for number, night in enumerate(nights):
        tiny.deliver(project, f"bad/bad_{night}.csv", f"id,day,amount\n{number},{night},1.00\n".encode())
        on_day(number)("run", "--format", "json").expect(0)
    assert [run["night"] for run in at.runs()] == nights[::-1]
    assert "A night can run" in on_day(2)("doctor").expect(0).stdout
    missed = on_day(12)("doctor").expect(2).stdout
    assert "✗ source bad" in missed
    assert f"the last delivery is of {nights[-1]}" in missed
    way_out = ("backfill", "--from", "2026-02-02", "--to", "2026-02-11")
    assert f"no night was run for 10 days, the last was {nights[-1]}" in missed
    assert f"`buho {' '.join(way_out)}`" in missed
    # Who asks of a night has that night's deliveries looked for.
    asked = on_day(12)("doctor", "--night", nights[-1]).expect(0).stdout
    assert "no night was run" not in asked


@pytest.mark.parametrize("table", ["bronze/good", "marts/good_total"])
@pytest.mark.parametrize("kept", [0, 40, 0.5], ids=["empty", "begun", "half"])
def test_a_log_whose_last_entry_is_torn_is_told_with_the_way_out(
    buho: Buho, tmp_path: Path, table: str, kept: float
):
    project = tiny.write_project(tmp_path / "project")
    at = buho.at(project)
    at.night(tiny.NIGHT).expect(0)
    tiny.deliver(project, "good/good_2026-01-31.csv", b"id,day,amount\nc,2026-01-31,4.00\n")
    at.night("2026-01-31").expect(0)
    entry = sorted((project / "lake" / table / "_delta_log").glob("*.json"))[-1]
    whole = entry.read_bytes()
    entry.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    tiny.deliver(project, "good/good_2026-02-01.csv", b"id,day,amount\nd,2026-02-01,8.00\n")
    refused = at.night("2026-02-01").expect(1)
    assert str(entry).lstrip("/") in refused.said
    assert "cut short or damaged" in refused.said
    assert "remove it, and `buho run --full-refresh` writes that version again" in refused.said
    entry.unlink()
    at.night("2026-02-01", "--full-refresh").expect(0)
    assert tiny.total_of(at, "good") == (4, "15.75")
    lake = seen.on_disk(project / "lake")
    places = {(f"good/good_{day}.csv", 1): 1 for day in (tiny.NIGHT, "2026-01-31", "2026-02-01")}
    assert seen.places_of_rows(lake, "good") == {**places, (f"good/good_{tiny.NIGHT}.csv", 2): 1}
