"""The demo's exports alone, with a history as long as it is asked for."""

import csv
import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.peers.support.binary import Buho

LAST_NIGHT = date(2026, 6, 30)


def first_order(shop: Path) -> date:
    days = []
    for file in (shop / "raw" / "orders").glob("*.csv.gz"):
        with gzip.open(file, "rt", newline="", encoding="latin-1") as lines:
            days += [row["ordered_at"][:10] for row in csv.DictReader(lines)]
    # What was planted as dirt is not all a day.
    return min(date.fromisoformat(day) for day in days if day[:2] == "20" and len(day) == 10)


@pytest.mark.parametrize("days", [90, 700])
def test_exports_alone_have_the_history_that_is_asked_for_and_no_night_is_run(
    buho: Buho, tmp_path: Path, days: int
):
    shop = tmp_path / "shop"
    sizes = ["--customers", "300", "--days", str(days), "--exports-only"]
    said = buho("demo", "--dir", str(shop), *sizes).expect(0).stdout
    assert "rows written to" in said
    assert not (shop / "lake").exists()
    begins = LAST_NIGHT - timedelta(days=days - 1)
    assert begins <= first_order(shop) <= begins + timedelta(days=14)


def test_exports_alone_are_a_project_whose_first_night_is_still_to_be_run(buho: Buho, tmp_path: Path):
    shop = tmp_path / "shop"
    sizes = ["--customers", "50", "--nights", "2", "--seed", "1"]
    said = buho("demo", "--dir", str(shop), "--exports-only", *sizes).expect(0)
    assert "50 customers, seed 1" in said.stdout
    assert (shop / "buho.toml").exists()
    assert any((shop / "raw").rglob("*2026-06-30*"))
    planned = buho.at(shop)("plan", "--night", "2026-06-30").expect(0)
    assert "marts.executive_daily" in planned.stdout
