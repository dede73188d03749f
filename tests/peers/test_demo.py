"""The demo's exports alone, with a history as long as it is asked for."""

import csv
import gzip
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.peers.support.binary import Buho
from tests.peers.support.clock import make_clock

LAST_NIGHT = date(2026, 6, 30)


def first_order(shop: Path) -> date:
    days = []
    for file in (shop / "raw" / "orders").glob("*.csv.gz"):
        with gzip.open(file, "rt", newline="", encoding="latin-1") as lines:
            days += [row["ordered_at"][:10] for row in csv.DictReader(lines)]
    # What was planted as dirt is not all a day.
    return min(date.fromisoformat(day) for day in days if day[:2] == "20" and len(day) == 10)


def drop_column(file: Path, column: str) -> None:
    with gzip.open(file, "rt", newline="", encoding="latin-1") as lines:
        rows = list(csv.DictReader(lines))
    kept = [name for name in rows[0] if name != column]
    with gzip.open(file, "wt", newline="", encoding="latin-1") as out:
        writer = csv.DictWriter(out, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


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


def test_the_doctor_finds_nothing_to_mend_in_exports_that_end_long_ago_and_says_which_night_it_looked_at(
    buho: Buho, tmp_path: Path
):
    shop = tmp_path / "shop"
    buho("demo", "--dir", str(shop), "--exports-only", "--customers", "300").expect(0)
    # At noon, when every delivery of the night before is overdue: at one in the morning none is.
    noon = datetime.now(UTC).replace(hour=12, minute=0)
    at = make_clock(tmp_path, int(noon.timestamp() - time.time())).of(buho.at(shop))
    looked = at("doctor").expect(0).stdout
    assert f"as of {LAST_NIGHT}" in looked
    assert "doctor --night" in looked
    # Who asks for a night of which nothing came is told what is missing.
    missed = at("doctor", "--night", str(LAST_NIGHT + timedelta(days=2))).expect(2).stdout
    assert "✗ source orders " in missed
    assert f"the last delivery is of {LAST_NIGHT}" in missed
    # Nights that are run without deliveries are those of a shop whose exports stopped.
    yesterday = str(noon.date() - timedelta(days=1))
    at("ingest", "--night", yesterday).expect(1)
    assert "✗ source orders " in at("doctor").expect(2).stdout


NO_MODELS = ["--select", "+revenue_daily"]
REVENUE = "select cast(max(day) as varchar) as day, sum(net_revenue) as net from marts.revenue_daily"


def test_orders_that_lose_their_status_do_not_go_out_and_those_that_never_had_one_do(
    buho: Buho, tmp_path: Path
):
    shop = tmp_path / "shop"
    buho("demo", "--dir", str(shop), "--exports-only", "--customers", "300", "--days", "90").expect(0)
    at = buho.at(shop)
    at.night(str(LAST_NIGHT - timedelta(days=1)), *NO_MODELS).expect(0)
    before = at.rows(REVENUE)
    last = shop / "raw" / "orders" / f"orders_{LAST_NIGHT}.csv.gz"
    drop_column(last, "status")
    failed = at.night(str(LAST_NIGHT), *NO_MODELS).expect(1).result["failed"]
    assert failed["node"] == "bronze.orders"
    for part in (last.name, "`status`", "dropped_columns: warn", "sql/sources/orders.yml"):
        assert part in failed["message"], failed
    assert at.rows(REVENUE) == before

    for file in last.parent.glob("*.csv.gz"):
        if file != last:
            drop_column(file, "status")
    never = buho.at(shop, lake=tmp_path / "other")
    never.night(str(LAST_NIGHT), *NO_MODELS).expect(0)
    assert never.rows(REVENUE)[0]["day"] == str(LAST_NIGHT)
