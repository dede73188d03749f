"""Strangers read the lake with nothing of ours in between, and see the same sums."""

from decimal import Decimal
from pathlib import Path

import deltalake
import polars
import pyarrow.compute as pc
import pytest

from tests.peers.conftest import Night
from tests.peers.support.lake import duckdb_with_delta, tables

PROJECTS = ["online_retail", "complete_journey", "demo"]

# One number a table: rows for all, and money where the table has it.
MONEY = {
    "core.fct_order_items": "gross_amount",
    "core.fct_refunds": "amount",
    "marts.customer_value": "gross_revenue",
    "marts.revenue_daily": "gross_revenue",
}

# The sum of no rows is NULL to some and 0 to others.
NOTHING = Decimal(0)


def money_of(name: str, columns: list[str]) -> str | None:
    column = MONEY.get(name)
    return column if column in columns else None


def by_duckdb(folder: Path, column: str | None) -> tuple[int, Decimal]:
    total = f"sum({column})" if column else "null"
    query = f"select count(*), {total} from delta_scan('{folder}')"
    count, money = duckdb_with_delta().execute(query).fetchone()
    return count, money or NOTHING


def by_polars(folder: Path, column: str | None) -> tuple[int, Decimal]:
    frame = polars.scan_delta(str(folder)).collect()
    return frame.height, (frame[column].sum() if column else None) or NOTHING


def by_deltalake(folder: Path, column: str | None) -> tuple[int, Decimal]:
    table = deltalake.DeltaTable(str(folder)).to_pyarrow_table()
    return table.num_rows, (pc.sum(table[column]).as_py() if column else None) or NOTHING


@pytest.mark.parametrize("nights", PROJECTS, indirect=True)
def test_every_table_has_the_same_rows_and_sums_in_duckdb_polars_and_deltalake(nights: Night):
    found = tables(nights.lake)
    assert {"marts.customer_value", "core.fct_orders"} <= set(found), sorted(found)
    for name, folder in found.items():
        columns = [field.name for field in deltalake.DeltaTable(str(folder)).schema().fields]
        column = money_of(name, columns)
        seen = {reader.__name__: reader(folder, column) for reader in (by_duckdb, by_polars, by_deltalake)}
        assert len(set(seen.values())) == 1, f"{name}: {seen}"


@pytest.mark.parametrize("nights", PROJECTS, indirect=True)
def test_our_own_reader_agrees_with_strangers_on_every_mart(nights: Night):
    for name, folder in tables(nights.lake).items():
        if name.startswith("marts."):
            ours = nights.buho.rows(f"select count(*) as n from {name}")[0]["n"]
            assert int(ours) == by_duckdb(folder, None)[0], name


@pytest.mark.parametrize("nights", PROJECTS, indirect=True)
def test_the_money_columns_that_are_summed_exist(nights: Night):
    """Guards the test above: a renamed column would silently turn sums into row counts."""
    found = tables(nights.lake)
    for name, column in MONEY.items():
        fields = [field.name for field in deltalake.DeltaTable(str(found[name])).schema().fields]
        assert column in fields, f"{name} has {fields}"
