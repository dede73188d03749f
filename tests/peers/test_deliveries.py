"""A delivery is loaded once, known by path and content; a corrected one replaces its own rows only."""

from pathlib import Path

import pytest

from tests.peers.support.binary import Buho
from tests.peers.support.tiny import HEADER, NIGHT, deliver, total_of, write_project

DAY_1, DAY_2 = "2026-01-29", NIGHT


def rows(*amounts: str) -> bytes:
    lines = (f"{n},{DAY_1},{amount},,\n" for n, amount in enumerate(amounts))
    return (HEADER + "".join(lines)).encode()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


def test_a_corrected_delivery_replaces_its_own_rows_and_nothing_else(buho: Buho, project: Path):
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00", "2.00"))
    deliver(project, f"bad/bad_{DAY_2}.csv", rows("10.00"))
    at = buho.at(project)
    at.night(NIGHT).expect(0)
    assert total_of(at, "bad") == (3, "13.00")
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00", "2.00", "4.00"))
    again = at.night(NIGHT).expect(0).result
    assert total_of(at, "bad") == (4, "17.00")
    assert again["rows"]["ingested"] == 3


def test_the_same_content_under_another_date_is_loaded_and_its_twin_named(buho: Buho, project: Path):
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00"))
    deliver(project, f"bad/bad_{DAY_2}.csv", rows("1.00"))
    at = buho.at(project)
    outcome = at.night(NIGHT).expect(0)
    assert total_of(at, "bad") == (2, "2.00")
    assert f"bad_{DAY_1}.csv" in outcome.said
    assert f"bad_{DAY_2}.csv" in outcome.said


def test_the_same_content_is_skipped_where_the_contract_says_so(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project", more={"duplicates": "skip"})
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00"))
    deliver(project, f"bad/bad_{DAY_2}.csv", rows("1.00"))
    at = buho.at(project)
    at.night(NIGHT).expect(0)
    assert total_of(at, "bad") == (1, "1.00")


def test_a_delivery_dated_after_the_night_waits(buho: Buho, project: Path):
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00"))
    deliver(project, "bad/bad_2026-01-31.csv", rows("10.00"))
    at = buho.at(project)
    at.night(NIGHT).expect(0)
    assert total_of(at, "bad") == (1, "1.00")
    at.night("2026-01-31").expect(0)
    assert total_of(at, "bad") == (2, "11.00")


def test_plan_says_what_would_run_and_changes_nothing(buho: Buho, project: Path):
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00"))
    at = buho.at(project)
    said = at("plan", "--night", NIGHT).expect(0).said
    assert "marts.bad_total" in said
    assert not (project / "lake" / "bronze").exists()


def test_every_quarantined_row_is_said_and_kept_until_its_delivery_is_corrected(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project", more={"tolerance": 0.5})
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00", "two"))
    at = buho.at(project)
    assert at.night(NIGHT).expect(0).result["rows"]["quarantined"] == 1
    held = "select raw from ops.quarantine where status = 'held'"
    assert [row["raw"] for row in at.rows(held)] == [f"1,{DAY_1},two,,"]
    deliver(project, f"bad/bad_{DAY_1}.csv", rows("1.00", "2.00"))
    at.night(NIGHT).expect(0)
    assert at.rows(held) == []
    assert total_of(at, "bad") == (2, "3.00")
