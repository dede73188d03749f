"""One new day on a year of a shop: against building all of it, against DuckDB, and what safety costs.

A full build is the same command on the same raw exports with an empty lake: both load, build, audit and
publish. The night's protocol is what a script that writes the same files bare does not do: waiting for the
disk, taking the lease, committing, writing the release and the run's record. Its cost is counted too high
rather than too low: all waiting for the disk counts, though others compute meanwhile.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.bench.csv_to_bronze import fsync_timer
from tests.bench.duck_day import day_script, state_script
from tests.bench.entries import Entry, compared, seconds_compared
from tests.bench.lakes import copy_of
from tests.bench.marts import (
    environment,
    fingerprint,
    last_night,
    once,
    parquet_files,
    project_of,
    run_id,
    selection,
    shop,
)
from tests.bench.measure import Side, alternate, base_environment

BAR_FULL = 0.05
BAR_DUCKDB = 1.0
BAR_PROTOCOL = 1.1


def run(setup: Any, folder: Path, night: date) -> list[str]:
    models = selection(project_of(folder).models)
    command = ["run", "--night", str(night), "--select", models, "--format", "json"]
    return [str(setup.buho), "--project", str(folder), *command]


def given(lake: Path) -> dict[str, str]:
    return {**environment(), "BUHO_LAKE": str(lake)}


def lake_before(setup: Any, folder: Path, night: date) -> Path:
    """The shop's lake at the night before the last: deliveries dated after a night wait for theirs."""
    lake = setup.work / f"day-{setup.customers}-before"
    done = setup.work / f"day-{setup.customers}-{fingerprint(setup)}.complete"
    return once(lake, done, run(setup, folder, night - timedelta(days=1)), given(lake))


def database(setup: Any, folder: Path, before: Path) -> Path:
    """The peer's tables as they stand before the day."""
    file = setup.work / f"day-{setup.customers}.duckdb"
    file.unlink(missing_ok=True)
    project = project_of(folder)
    script = setup.work / "day-state.sql"
    script.write_text(state_script(project, parquet_files(before, project)))
    subprocess.run([setup.duckdb, str(file), "-batch", "-bail", "-f", str(script)], check=True)
    return file


def peer_day(setup: Any, folder: Path, before: Path, night: date) -> Side:
    state, copy = database(setup, folder, before), setup.work / "day-run.duckdb"
    script = setup.work / "day.sql"
    script.write_text(day_script(project_of(folder), folder / "raw", night))

    def fresh() -> None:
        copy.with_name(copy.name + ".wal").unlink(missing_ok=True)
        shutil.copyfile(state, copy)

    command = [setup.duckdb, str(copy), "-batch", "-bail", "-f", str(script)]
    return Side(command, base_environment(), fresh)


@dataclass
class FullBuild:
    """The same command on an empty lake, run as often as the day, and what of it was the protocol."""

    setup: Any
    folder: Path
    night: date
    lake: Path
    bare: list[float] = field(default_factory=list)

    def measure(self) -> Side:
        library, report = fsync_timer(self.setup.work), self.setup.work / "fsync.txt"
        wrapped = {**given(self.lake), "LD_PRELOAD": str(library), "FSYNC_REPORT": str(report)}
        command = run(self.setup, self.folder, self.night)
        side = Side(command, wrapped, lambda: shutil.rmtree(self.lake, ignore_errors=True))
        for _ in range(self.setup.runs):
            sample = side.run()
            calls, waited = report.read_text().split()
            protocol = sample.seconds - self.worked(run_id(sample)) + float(waited)
            print(f"full build: {sample.seconds:.1f} s; protocol {protocol:.3f} s, {calls} fsync {waited} s")
            self.bare.append(sample.seconds - protocol)
        return side

    def worked(self, run_id: str) -> float:
        """Seconds in the phases that read, compute and audit."""
        show = [
            str(self.setup.buho),
            "--project",
            str(self.folder),
            "runs",
            "show",
            run_id,
            "--format",
            "json",
        ]
        shown = json.loads(subprocess.run(show, env=given(self.lake), capture_output=True, check=True).stdout)
        return sum(seconds for phase, seconds in shown["phases"].items() if phase != "publish")


def entries(setup: Any) -> list[Entry]:
    folder = shop(setup)
    night = last_night(folder)
    before, lake = lake_before(setup, folder, night), setup.work / "day-run"
    one = Side(run(setup, folder, night), given(lake), lambda: copy_of(before, lake))
    theirs = peer_day(setup, folder, before, night)
    alternate(one, theirs, setup.runs)
    building = FullBuild(setup, folder, night, lake)
    full = building.measure()
    return [
        compared("new_day_vs_full_build", one, full, BAR_FULL, "full build"),
        compared("new_day", one, theirs, BAR_DUCKDB),
        seconds_compared("protocol_cost", full.seconds, building.bare, BAR_PROTOCOL, peer="bare writing"),
    ]
