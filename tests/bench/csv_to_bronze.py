"""A big CSV to a committed bronze table: contract, lineage columns and fsync included."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.bench import generate
from tests.bench.entries import Entry, compared, limited
from tests.bench.measure import Side, alternate, base_environment, folder_mb

LIMIT_MB = 1024 * 1024 * 1024 / 1e6
NIGHT = "2026-01-31"
FILE = f"order_lines/order_lines_{NIGHT}.csv"
SETTINGS = """name = "bench"
raw = "raw"
lake = "lake"
time_zone = "Europe/Madrid"
currency = "EUR"
packs = []
threads = 2
"""
COLUMNS = {
    "order_id": "BIGINT",
    "line_number": "INTEGER",
    "product_id": "VARCHAR",
    "quantity": "INTEGER",
    "unit_price": "DECIMAL(18,2)",
    "ordered_at": "TIMESTAMP",
    "customer_id": "VARCHAR",
    "channel": "VARCHAR",
}
CONTRACT = """description: Order lines.
path: "order_lines/order_lines_{date:%Y-%m-%d}.csv"
delivery: append
event_time: ordered_at
columns:
"""


def project(folder: Path, rows: int) -> Path:
    (folder / "sql" / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "buho.toml").write_text(SETTINGS)
    columns = "".join(
        f'  - {{ name: {name}, type: "{kind}", required: true }}\n' for name, kind in COLUMNS.items()
    )
    (folder / "sql" / "sources" / "order_lines.yml").write_text(CONTRACT + columns)
    generate.order_lines(folder / "raw" / FILE, rows)
    return folder


def peer_query(raw: Path, out: Path) -> str:
    types = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    return (
        "set threads = 2; set preserve_insertion_order = false;"
        f" copy (select * from read_csv('{raw}', auto_detect = false, header = true, delim = ',',"
        f" quote = '\"', escape = '\"', columns = {{{types}}}))"
        f" to '{out}' (format parquet, compression zstd, compression_level 1);"
    )


def check_rows(setup: Any, folder: Path, rows: int) -> None:
    """A fast wrong answer is no answer."""
    query = "select count(*) as n from bronze.order_lines"
    command = [setup.buho, "--project", folder, "sql", query, "--format", "csv"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if int(said[-1]) != rows:
        sys.exit(f"bronze.order_lines holds {said[-1]} rows, the file {rows}")


def fsync_timer(work: Path) -> Path:
    """The library that wraps the system's fsync."""
    library, source = work / "fsync_timer.so", Path(__file__).with_name("fsync_timer.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def fsync_seconds(setup: Any, command: list[str], work: Path) -> tuple[int, float]:
    """One more run, not measured otherwise, with the system's fsync wrapped."""
    library, report = fsync_timer(work), work / "fsync.txt"
    environment = {**base_environment(), "LD_PRELOAD": str(library), "FSYNC_REPORT": str(report)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    calls, seconds = report.read_text().split()
    return int(calls), float(seconds)


def entries(setup: Any) -> list[Entry]:
    folder = project(setup.work / f"csv-{setup.rows}", setup.rows)
    raw, lake, out = folder / "raw" / FILE, folder / "lake", folder / "peer.parquet"
    print(f"    {raw.name}: {setup.rows} rows, {raw.stat().st_size / 1e6:.0f} MB", file=sys.stderr)
    command = [str(setup.buho), "--project", str(folder), "run", "--night", NIGHT, "--format", "json"]
    ours = Side(command, base_environment(), lambda: shutil.rmtree(lake, ignore_errors=True))
    theirs = Side(
        [setup.duckdb, "-batch", "-c", peer_query(raw, out)],
        base_environment(),
        lambda: out.unlink(missing_ok=True),
    )
    alternate(ours, theirs, setup.runs)
    check_rows(setup, folder, setup.rows)
    shutil.rmtree(lake)
    calls, seconds = fsync_seconds(setup, command, setup.work)
    print(f"csv_to_bronze: {calls} fsync calls took {seconds:.3f} s together, within the time above")
    print(f"csv_to_bronze: {folder_mb(lake):.0f} MB of Parquet, the peer's {os.stat(out).st_size / 1e6:.0f}")
    return [
        compared("csv_to_bronze", ours, theirs, 1.0),
        limited("csv_to_bronze_peak_memory", ours.peak_mb, round(LIMIT_MB, 1)),
    ]
