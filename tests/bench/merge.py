"""Rows merged by key into a big table, against DuckDB reading, merging and writing the same Parquet.

Ours is the whole night: the delivery is loaded into bronze too, audits ask for the key of all rows, and
everything is committed and released. Delta-rs's own merge changes the same table, in a process that may take
16 GiB; where it does not end within them there is nothing to compare with.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import deltalake

from tests.bench import delta_rs_merge
from tests.bench.csv_to_bronze import SETTINGS
from tests.bench.entries import Entry, compared, limited
from tests.bench.lakes import copy_of
from tests.bench.marts import environment, node_seconds, peer, run_id
from tests.bench.measure import RunError, Side, alternate, base_environment

BASE_ROWS = 50_000_000
CHANGED_ROWS = 1_000_000
# Keys rise with time: the last month of a year.
RECENT_SHARE = 12
FIRST, NEXT = "2026-01-30", "2026-01-31"
LIMIT_MB = 1024 * 1024 * 1024 / 1e6
BAR_DUCKDB = 1.0
BAR_DELTA_RS = 0.5
MEMORY = "512MiB"
TABLE = "core.items"
COLUMNS = {"id": "BIGINT", "customer_id": "BIGINT", "status": "VARCHAR", "amount": "DECIMAL(18,2)"}
CONTRACT = """description: Items.
path: "items/items_{date:%Y-%m-%d}.parquet"
format: { type: parquet }
delivery: append
columns:
"""
STAGED = "select id, customer_id, status, amount, _night as delivered_on from bronze.items\n"
MERGED = """select id, customer_id, status, amount, delivered_on
from staging.stg_items
where delivered_on >= $window_start and delivered_on < $window_end
"""


def columns(more: dict[str, str]) -> str:
    lines = [f'  - {{ name: {name}, type: "{kind}" }}\n' for name, kind in {**COLUMNS, **more}.items()]
    return "columns:\n" + "".join(lines)


def project(folder: Path) -> None:
    for path, text in {
        "buho.toml": SETTINGS,
        "sql/sources/items.yml": CONTRACT.removesuffix("columns:\n") + columns({}),
        "sql/staging/stg_items.sql": STAGED,
        "sql/staging/stg_items.yml": "materialized: view\n" + columns({"delivered_on": "DATE"}),
        "sql/core/items.sql": MERGED,
        "sql/core/items.yml": "materialized: merge\nmerge: { time: delivered_on }\nkey: [id]\nsort: [id]\n"
        + columns({"delivered_on": "DATE"}),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def generate(setup: Any, file: Path, rows: int, key: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    query = (
        f"copy (select cast({key} as bigint) as id, cast(i * 7919 % 1000003 as bigint) as customer_id,"
        " case i % 4 when 0 then 'open' when 1 then 'paid' when 2 then 'sent' else 'returned' end as status,"
        f" cast(i % 100000 as decimal(18, 2)) / 100 as amount from range({rows}) as numbers (i))"
        f" to '{file}' (format parquet, compression zstd);"
    )
    subprocess.run([setup.duckdb, "-batch", "-c", query], check=True)


def base(setup: Any) -> Path:
    """The project with its first night run; kept between runs of the benchmark."""
    folder = setup.work / f"merge-{BASE_ROWS}"
    done = folder / ".complete"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        project(folder)
        generate(setup, folder / "raw" / "items" / f"items_{FIRST}.parquet", BASE_ROWS, "i")
        command = [str(setup.buho), "--project", str(folder), "run", "--night", FIRST]
        subprocess.run(command, env=environment(), check=True, stdout=sys.stderr)
        (folder / "lake").rename(folder / "lake-before")
        done.touch()
    return folder


def peer_script(files: list[str], delta: Path, out: Path) -> str:
    names = ", ".join(COLUMNS)
    listed = ", ".join(f"'{file.removeprefix('file://')}'" for file in files)
    return (
        ".timer on\nset threads = 2; set preserve_insertion_order = false;\n"
        f"copy (with base as (select * from read_parquet([{listed}])),"
        f" delta as (select {names}, date '{NEXT}' as delivered_on from read_parquet('{delta}'))"
        " select * from base where not exists (select 1 from delta where delta.id = base.id)"
        f" union all select * from delta) to '{out / 'merged.parquet'}'"
        " (format parquet, compression zstd, compression_level 1);\n"
    )


def one(setup: Any, folder: Path, name: str, key: str) -> list[Entry]:
    delta = folder / "raw" / "items" / f"items_{NEXT}.parquet"
    generate(setup, delta, CHANGED_ROWS, key)
    before = folder / "lake-before"
    ours = night(setup, folder)
    files = deltalake.DeltaTable(str(before / "core" / "items")).file_uris()
    out = setup.work / "peer-merge"
    theirs = peer(setup, name, peer_script(files, delta, out), out)
    alternate(ours, theirs, setup.runs)
    left = deltalake.DeltaTable(str(folder / "lake" / "core" / "items")).file_uris()
    kept = len({Path(file).name for file in left} & {Path(file).name for file in files})
    alone = node_seconds(setup, folder, run_id(ours.samples[-1]))[TABLE]
    print(f"{name}: {kept} of {len(files)} files stay; {alone:.2f} s of the last run were the merge itself")
    return [
        compared(name, ours, theirs, BAR_DUCKDB),
        limited(f"{name}_peak_memory", ours.peak_mb, round(LIMIT_MB, 1)),
        *against_delta_rs(setup, folder, name, delta),
    ]


def night(setup: Any, folder: Path) -> Side:
    """One more night on the lake as it was before."""
    command = [str(setup.buho), "--project", str(folder), "run", "--night", NEXT, "--format", "json"]
    given = {**environment(), "BUHO_MEMORY": MEMORY}
    return Side(command, given, lambda: copy_of(folder / "lake-before", folder / "lake"))


def against_delta_rs(setup: Any, folder: Path, name: str, delta: Path) -> list[Entry]:
    """The same delivery merged into the same table by delta-rs; no entry where that does not end."""
    copy = setup.work / "delta-rs-merge"
    table = folder / "lake-before" / "core" / "items"
    script = Path(delta_rs_merge.__file__)
    command = [sys.executable, str(script), str(copy), str(delta), NEXT]
    theirs = Side(command, base_environment(), lambda: copy_of(table, copy))
    ours = night(setup, folder)
    try:
        alternate(ours, theirs, setup.runs)
    except RunError as error:
        print(f"{name}: delta-rs's merge failed within 16 GiB (peak {error.peak_mb:.0f} MB): {error}")
        return []
    return [compared(f"{name}_delta_rs", ours, theirs, BAR_DELTA_RS, "delta-rs")]


def entries(setup: Any) -> list[Entry]:
    folder = base(setup)
    spread = f"i * {BASE_ROWS // CHANGED_ROWS}"
    recent = BASE_ROWS // RECENT_SHARE
    last = f"{BASE_ROWS - recent} + i * {recent // CHANGED_ROWS}"
    return [*one(setup, folder, "merge_spread", spread), *one(setup, folder, "merge_recent", last)]
