"""Releases from outside: what changed, going back, keeping one."""

import json
from pathlib import Path

import deltalake
import pytest

from tests.peers.support import tiny
from tests.peers.support.binary import Buho

NEXT_NIGHT = "2026-01-31"


@pytest.fixture
def two_nights(buho: Buho, tmp_path: Path) -> Buho:
    project = tiny.write_project(tmp_path / "project")
    at = buho.at(project)
    at.night(tiny.NIGHT).expect(0)
    second = "id,day,amount\nc,2026-01-31,10.00\n"
    (project / "raw" / "good" / f"good_{NEXT_NIGHT}.csv").write_text(second)
    at.night(NEXT_NIGHT).expect(0)
    return at


def test_diff_tells_the_rows_and_totals_that_moved(two_nights: Buho):
    said = two_nights("releases", "diff", tiny.NIGHT, "--format", "json").expect(0)
    tables = {table["table"]: table for table in json.loads(said.stdout)}
    assert set(tables) == {"marts.good_total"}
    assert tables["marts.good_total"]["totals"] == [
        {"column": "total", "measure": "sum", "before": "3.75", "after": "13.75"}
    ]


def test_diff_counts_rows_that_changed_in_any_of_many_columns_and_shows_what_moved(
    buho: Buho, tmp_path: Path
):
    project = tiny.write_project(tmp_path / "project")
    flags = [f"is_{number}" for number in range(60)]
    sql = "select id, day, note, amount > 2 as is_big, amount, ratio"
    sql += ", cast(case when ratio > 1 then 2 else 1 end as bigint) as pieces"
    sql += "".join(f", ratio > {number} as {flag}" for number, flag in enumerate(flags))
    columns = [*tiny.columns("id", "day", "note", "amount"), {"name": "is_big", "type": "BOOLEAN"}]
    columns += [{"name": "ratio", "type": "DOUBLE"}, {"name": "pieces", "type": "BIGINT", "unit": "pieces"}]
    columns += [{"name": flag, "type": "BOOLEAN"} for flag in flags]
    spec = {"key": ["id", "day"], "columns": columns}
    tiny.write_model(project, "marts.good_rows", f"{sql} from staging.good_rows\n", spec)
    at = buho.at(project)
    lines = [
        "a,2026-01-30,1.00,5.5,x",
        "b,2026-01-30,1.00,5.5,x",
        "c,2026-01-30,1.00,5.5,x",
        "d,2026-01-30,1.00,5.5,",
    ]
    good = project / "raw" / "good" / f"good_{tiny.NIGHT}.csv"
    good.write_text(tiny.HEADER + "\n".join(lines) + "\n")
    at.night(tiny.NIGHT).expect(0)
    # One keeps all, one has another flag, one another text, one is gone, and one comes.
    lines = [
        "a,2026-01-30,1.00,5.5,x",
        "b,2026-01-30,1.00,0.5,x",
        "c,2026-01-30,1.00,5.5,",
        "e,2026-01-30,1.00,5.5,x",
    ]
    good.write_text(tiny.HEADER + "\n".join(lines) + "\n")
    at.night(tiny.NIGHT).expect(0)
    said = at("releases", "diff", f"{tiny.NIGHT}.1", f"{tiny.NIGHT}.2", "--format", "json").expect(0)
    found = {table["table"]: table for table in json.loads(said.stdout)}["marts.good_rows"]
    assert (found["added"], found["removed"], found["changed"]) == (1, 1, 2)
    assert found["totals"] == [
        {"column": "pieces", "measure": "sum", "before": "8", "after": "7"},
        {"column": "ratio", "measure": "mean", "before": "5.5", "after": "4.25"},
    ]


def test_a_rollback_is_a_new_release_that_strangers_see_too(two_nights: Buho):
    assert tiny.total_of(two_nights, "good") == (3, "13.75")
    two_nights("releases", "rollback", tiny.NIGHT).expect(0)
    assert tiny.total_of(two_nights, "good") == (2, tiny.GOOD_TOTAL)
    assert two_nights.project is not None
    table = deltalake.DeltaTable(str(two_nights.project / "lake" / "marts" / "good_total"))
    assert str(table.to_pyarrow_table().to_pylist()[0]["total"]) == tiny.GOOD_TOTAL
    listed = two_nights("releases", "list", "--format", "json").expect(0).stdout.splitlines()
    assert [json.loads(line)["release"] for line in listed] == [
        f"{NEXT_NIGHT}.2",
        f"{NEXT_NIGHT}.1",
        f"{tiny.NIGHT}.1",
    ]


def test_after_a_rollback_the_next_run_builds_from_what_was_delivered(two_nights: Buho):
    two_nights("releases", "rollback", tiny.NIGHT).expect(0)
    two_nights.night(NEXT_NIGHT).expect(0)
    assert tiny.total_of(two_nights, "good") == (3, "13.75")


def test_after_a_rollback_plan_and_run_say_what_is_built_forward_from_it(two_nights: Buho):
    told = f"release {NEXT_NIGHT}.2 is a rollback to {tiny.NIGHT}.1"
    assert "rollback" not in two_nights("plan", "--night", NEXT_NIGHT).expect(0).stdout
    two_nights("releases", "rollback", tiny.NIGHT).expect(0)
    planned = two_nights("plan", "--night", NEXT_NIGHT).expect(0).stdout
    assert told in planned
    assert "build marts.good_total" in planned
    story = two_nights.night(NEXT_NIGHT).expect(0).said
    assert told in story
    assert f"rebuilt from what {tiny.NIGHT}.1 had: marts.good_total" in story
    again = two_nights.night(NEXT_NIGHT).expect(0).said
    assert "rollback" not in again
    listed = two_nights("releases", "list", "--format", "json").expect(0).stdout.splitlines()
    restored = {row["release"]: row["restores"] for row in map(json.loads, listed)}
    assert restored == {
        f"{NEXT_NIGHT}.3": None,
        f"{NEXT_NIGHT}.2": f"{tiny.NIGHT}.1",
        f"{NEXT_NIGHT}.1": None,
        f"{tiny.NIGHT}.1": None,
    }


def test_rolling_back_to_what_readers_see_is_refused(two_nights: Buho):
    refused = two_nights("releases", "rollback", NEXT_NIGHT).expect(2)
    assert "already" in refused.said


def test_a_pin_is_shown_and_taken_back(two_nights: Buho):
    def pinned() -> dict[str, bool]:
        listed = two_nights("releases", "list", "--format", "json").expect(0).stdout.splitlines()
        return {row["release"]: row["pinned"] for row in map(json.loads, listed)}

    two_nights("releases", "pin", tiny.NIGHT, "--reason", "year's end").expect(0)
    assert pinned() == {f"{NEXT_NIGHT}.1": False, f"{tiny.NIGHT}.1": True}
    two_nights("releases", "unpin", tiny.NIGHT).expect(0)
    assert not any(pinned().values())


def test_an_unknown_release_is_named_with_those_there_are(two_nights: Buho):
    said = two_nights("releases", "show", "2026-01-30.9").expect(2).said
    assert f"{tiny.NIGHT}.1" in said


def test_releases_are_listed_and_kept_while_the_sql_is_broken(two_nights: Buho):
    assert two_nights.project is not None
    (two_nights.project / "sql" / "marts" / "good_total.sql").write_text("select nothing from nowhere\n")
    two_nights.night(NEXT_NIGHT).expect(2)
    assert NEXT_NIGHT in two_nights("releases", "list").expect(0).stdout
    two_nights("releases", "pin", tiny.NIGHT).expect(0)
    two_nights("releases", "show", tiny.NIGHT).expect(0)
