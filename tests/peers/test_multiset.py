"""The comparison that the differential test stands on must itself see a difference."""

import duckdb
import pytest

from tests.peers.support.multiset import difference

COLUMNS = {"id": "VARCHAR", "value": "DOUBLE"}


def compared(ours: str, theirs: str) -> str | None:
    connection = duckdb.connect()
    for name, rows in (("ours", ours), ("theirs", theirs)):
        connection.execute(
            f"create table {name} as select cast(id as varchar) as id, cast(value as double) as value"
            f" from (values {rows}) as t (id, value)"
        )
    return difference(connection, "ours", "theirs", COLUMNS)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("('a', 1.0), ('b', 2.0)", "('b', 2.0), ('a', 1.0)"),
        ("('a', 1.0)", "('a', 1.0000000001)"),
        ("('a', null), (null, 1.0)", "(null, 1.0), ('a', null)"),
        ("('a', 'nan')", "('a', 'nan')"),
        ("('a', 1.0), ('a', 2.0)", "('a', 2.0000000001), ('a', 1.0000000001)"),
    ],
)
def test_the_same_rows_in_any_order_are_the_same_within_the_tolerance(ours: str, theirs: str):
    assert compared(ours, theirs) is None


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("('a', 1.0)", "('a', 1.0), ('a', 1.0)"),
        ("('a', 1.0)", "('b', 1.0)"),
        ("('a', 1.0)", "('a', 1.00000001)"),
        ("('a', null)", "('a', 0.0)"),
        ("('a', 0.0)", "('a', 1e-12)"),
    ],
)
def test_a_row_too_many_another_value_and_a_null_are_differences(ours: str, theirs: str):
    assert compared(ours, theirs) is not None
