"""Order lines as CSV, the same bytes for the same seed: 58 bytes a row."""

from pathlib import Path

import duckdb

ROWS = 10_000_000
SEED = 20_260_131

# A hash of row, column and seed stands in for chance, so that threads do not matter.
LINES = """
with numbered as (
    select
        i,
        hash(i, {seed}, 1) as h1,
        hash(i, {seed}, 2) as h2,
        hash(i, {seed}, 3) as h3,
        hash(i, {seed}, 4) as h4,
        hash(i, {seed}, 5) as h5
    from range({rows}) as r (i)
)
select
    10000000 + i // 3 as order_id,
    i % 3 + 1 as line_number,
    printf('P%05d', h1 % 20000) as product_id,
    1 + h2 % 4 as quantity,
    cast((99 + h3 % 19900) / 100 as decimal(18, 2)) as unit_price,
    timestamp '2026-01-01 00:00:00' + to_seconds(cast(h4 % 2592000 as bigint)) as ordered_at,
    printf('C%05d', h5 % 100000) as customer_id,
    case h5 % 10 when 0 then 'phone' when 1 then 'app' else 'web' end as channel
from numbered
"""


def order_lines(path: Path, rows: int = ROWS, seed: int = SEED) -> Path:
    """Writes the file unless it is there; the name carries what it depends on."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        query = LINES.format(rows=rows, seed=seed)
        duckdb.sql(f"copy ({query}) to '{part}' (format csv, header true)")
        part.rename(path)
    return path
