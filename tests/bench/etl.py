"""`make bench-etl`: what a night costs, against DuckDB doing the same work on the same machine.

Medians of alternating runs on two processors, caches warm, process start included. Writes the entries,
prints their table; a missing entry fails, a missed bar is said and kept.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import csv_to_bronze, marts, memory, night
from tests.bench.entries import EXPECTED, Entry, check_names, expected_names, table, write
from tests.bench.measure import RunError, keep_to_two_cpus
from tests.peers.support.binary import find_binary
from tests.peers.support.places import ROOT

Part = Callable[[Any], list[Entry]]
PARTS: dict[str, Part] = {
    "csv": csv_to_bronze.entries,
    "marts": marts.entries,
    "memory": memory.entries,
    "night": night.entries,
}


@dataclass(frozen=True)
class Setup:
    """What every part needs."""

    buho: Path
    duckdb: str
    work: Path
    runs: int
    customers: int
    rows: int


def arguments(said: str | None, parts: Collection[str], out: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=said)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "bench" / "work")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", nargs="*", choices=sorted(parts), default=sorted(parts))
    return parser.parse_args()


def set_up(given: argparse.Namespace) -> Setup:
    buho = find_binary()
    if buho is None:
        sys.exit("no binary to measure: `make release`, or set BUHO_BIN")
    beside = Path(sys.executable).with_name("duckdb")
    duckdb = str(beside) if beside.exists() else shutil.which("duckdb")
    if duckdb is None:
        sys.exit("no duckdb to compare with: `make venv`")
    given.work.mkdir(parents=True, exist_ok=True)
    return Setup(buho, duckdb, given.work.resolve(), given.runs, given.customers, given.rows)


def run(said: str | None, parts: dict[str, Part], out: Path, expected: Path) -> None:
    """Measures the parts that were asked for, writes and prints their entries, says what was missed."""
    given = arguments(said, parts, out)
    setup = set_up(given)
    keep_to_two_cpus()
    found: list[Entry] = []
    for part in given.only:
        print(f"== {part}", file=sys.stderr)
        try:
            found += parts[part](setup)
        except RunError as error:
            sys.exit(str(error))
    write(found, given.out)
    print(table(found))
    print(f"\n{given.out}: {len(found)} entries, {os.cpu_count()} processors, medians of {setup.runs}")
    if set(given.only) == set(parts):
        check_names(found, expected_names(expected), expected)
    for entry in found:
        if entry.missed:
            at = "failed" if entry.ratio is None else f"at {entry.ratio:.2f} of {entry.peer}"
            print(f"bar missed: {entry.name} {at}, bar {entry.bar}")


if __name__ == "__main__":
    run(__doc__, PARTS, ROOT / "target" / "bench" / "etl.json", EXPECTED)
