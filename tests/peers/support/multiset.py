"""Are two tables the same multiset of rows, DOUBLE within a relative tolerance?"""

import math
from collections.abc import Sequence
from typing import Any

import duckdb

RELATIVE = 1e-9
SHOWN = 5
Row = tuple[Any, ...]


def difference(
    connection: duckdb.DuckDBPyConnection, ours: str, theirs: str, columns: dict[str, str]
) -> str | None:
    """None when both hold the same rows, else a few of the rows that only one of them has."""
    floats = [name for name, kind in columns.items() if kind.upper() in {"DOUBLE", "FLOAT"}]
    only_ours = rows_left(connection, ours, theirs, columns)
    only_theirs = rows_left(connection, theirs, ours, columns)
    if floats:
        places = [list(columns).index(name) for name in floats]
        only_ours, only_theirs = pair_off(only_ours, only_theirs, places)
    if not only_ours and not only_theirs:
        return None
    counts = [connection.execute(f"select count(*) from {t}").fetchone()[0] for t in (ours, theirs)]
    lines = [f"{counts[0]} rows from buho, {counts[1]} from DuckDB; columns {', '.join(columns)}"]
    for who, rows in (("buho", only_ours), ("DuckDB", only_theirs)):
        lines += [f"  {len(rows)} only from {who}:", *(f"    {row}" for row in rows[:SHOWN])]
    return "\n".join(lines)


def rows_left(
    connection: duckdb.DuckDBPyConnection, one: str, other: str, columns: dict[str, str]
) -> list[Row]:
    names = ", ".join(f'"{name}"' for name in columns)
    query = f"select {names} from {one} except all select {names} from {other}"
    return connection.execute(query).fetchall()


def pair_off(ours: list[Row], theirs: list[Row], floats: Sequence[int]) -> tuple[list[Row], list[Row]]:
    """Removes pairs that are equal but for rounding in their DOUBLE columns."""
    waiting: dict[Row, list[Row]] = {}
    for row in theirs:
        waiting.setdefault(exact_part(row, floats), []).append(row)
    left = []
    for row in ours:
        candidates = waiting.get(exact_part(row, floats), [])
        match = next((other for other in candidates if close(row, other, floats)), None)
        if match is None:
            left.append(row)
        else:
            candidates.remove(match)
    return left, [row for rows in waiting.values() for row in rows]


def exact_part(row: Row, floats: Sequence[int]) -> Row:
    return tuple(str(value) for place, value in enumerate(row) if place not in floats)


def close(one: Row, other: Row, floats: Sequence[int]) -> bool:
    return all(same(one[place], other[place]) for place in floats)


def same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=0.0)
