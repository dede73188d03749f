"""The marts of a shop with a million customers, from the same Parquet files, each written as Parquet.

A single mart: the seconds of its node (plan, query, Parquet, statistics) against those of the peer's COPY,
each alone in its process. The sum: two whole processes from start to end. Ours is `buho run --select` of all
marts, so besides the marts it reads the state of the lake, plans, audits what it built, commits every
table, writes a release and waits for the disk, of which the peer's script does nothing; what each phase took
is printed. Marts that read what models learnt are measured with the models: no SQL engine learns.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import deltalake

from tests.bench.duck_script import marts_script
from tests.bench.entries import Entry, compared, seconds_compared
from tests.bench.measure import Sample, Side, alternate, base_environment, median
from tests.peers.support.lake import tables
from tests.peers.support.project import Model, SqlProject, load

NIGHTS = 1
SEED = 1
BAR_SUM = 1.0
BAR_ONE = 1.3
BAR_FROM_S = 0.25
RUN_TIME = re.compile(r"^Run Time \(s\): real (\d+\.\d+)", re.MULTILINE)


def shop(setup: Any) -> Path:
    """The demo's exports at full size; kept between runs of the benchmark."""
    return demo(setup, f"shop-{setup.customers}")


def exports(setup: Any, days: int) -> Path:
    """The exports of the same shop with another history."""
    return demo(setup, f"exports-{setup.customers}-{days}", "--days", days)


def demo(setup: Any, name: str, *more: Any) -> Path:
    folder = setup.work / name
    sizes = ["--customers", setup.customers, "--nights", NIGHTS, "--seed", SEED, *more]
    command = [str(setup.buho), "demo", "--dir", str(folder), "--exports-only", *map(str, sizes)]
    return once(folder, folder / ".complete", command)


def shop_with_lake(setup: Any) -> Path:
    """The exports, and a lake beside them in which all that a SQL engine can build was built once."""
    folder = shop(setup)
    command = run_command(setup, folder, last_night(folder), selection(project_of(folder).models))
    once(folder / "lake", folder / f".built-{fingerprint(setup)}", command)
    return folder


def once(made: Path, done: Path, command: list[str], given: dict[str, str] | None = None) -> Path:
    """Runs what makes a folder, unless it was made."""
    if not done.exists():
        shutil.rmtree(made, ignore_errors=True)
        print(f"    {' '.join(command)}", file=sys.stderr)
        subprocess.run(command, env=given or environment(), check=True, stdout=sys.stderr)
        done.touch()
    return made


def fingerprint(setup: Any) -> str:
    """Another binary may build other tables: its lake is made anew."""
    found = setup.buho.stat()
    return f"{found.st_size}-{int(found.st_mtime)}"


def environment() -> dict[str, str]:
    return {**base_environment(), "BUHO_THREADS": "2", "NO_COLOR": "1"}


def project_of(folder: Path) -> SqlProject:
    """What a SQL engine builds: what models learn from, but not what reads what they learnt."""
    project = load(folder if (folder / "sql").is_dir() else None)
    known = {*project.models, *project.bronze}

    def is_sql(name: str) -> bool:
        if name.startswith("ml.") and name not in known:
            return False
        model = project.models.get(name)
        return model is None or all(is_sql(read) for read in model.inputs - {name})

    models = {name: model for name, model in project.models.items() if is_sql(name)}
    return SqlProject(project.contracts, models)


def behind(project: SqlProject, marts: list[Model]) -> SqlProject:
    """The marts and the models that they are made of."""
    found: dict[str, Model] = {}
    waiting = list(marts)
    while waiting:
        model = waiting.pop()
        if model.name not in found:
            found[model.name] = model
            waiting += [project.models[name] for name in model.inputs if name in project.models]
    return SqlProject(project.contracts, found)


def selection(models: Iterable[str]) -> str:
    return " ".join(sorted(models))


def last_night(folder: Path) -> date:
    """The last night that the exports are for."""
    return date.fromisoformat(json.loads((folder / "truth" / "law.json").read_text())["last_night"])


def asked(setup: Any, folder: Path, query: str) -> list[dict[str, Any]]:
    command = [str(setup.buho), "--project", str(folder), "sql", query, "--format", "json"]
    text = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True).stdout
    text = text.strip()
    return json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def parquet_files(lake: Path, project: SqlProject) -> dict[str, list[str]]:
    """The files of every table's newest version: what both engines read."""
    found = {}
    for name, folder in tables(lake).items():
        if name in project.models or name in project.bronze:
            found[name] = deltalake.DeltaTable(str(folder)).file_uris()
    return found


def run_command(setup: Any, folder: Path, night: date, select: str) -> list[str]:
    run = ["run", "--night", str(night), "--select", select, "--full-refresh", "--format", "json"]
    return [str(setup.buho), "--project", str(folder), *run]


def peer(setup: Any, name: str, script: str, out: Path) -> Side:
    file = setup.work / f"{name}.sql"
    file.write_text(script)

    def fresh() -> None:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)

    return Side([setup.duckdb, "-batch", "-bail", "-f", str(file)], base_environment(), fresh)


def node_seconds(setup: Any, folder: Path, run: str) -> dict[str, float]:
    query = f"select node, seconds from ops.nodes where run_id = '{run}'"
    return {row["node"]: float(row["seconds"]) for row in asked(setup, folder, query)}


def phases(setup: Any, folder: Path, ours: Side) -> dict[str, float]:
    """Medians of the seconds of a run's phases; the rest is start, plan, record and end of the process."""
    command = [str(setup.buho), "--project", str(folder), "runs", "show", "--format", "json"]
    found: dict[str, list[float]] = {}
    for sample in ours.samples:
        shown = subprocess.run(
            [*command, run_id(sample)], env=environment(), capture_output=True, text=True, check=True
        )
        within: dict[str, float] = json.loads(shown.stdout)["phases"]
        for phase, seconds in {**within, "rest": sample.seconds - sum(within.values())}.items():
            found.setdefault(phase, []).append(seconds)
    return {phase: median(seconds) for phase, seconds in found.items()}


def run_id(sample: Sample) -> str:
    return str(json.loads(sample.stdout.strip().splitlines()[-1])["run_id"])


def one_mart(setup: Any, folder: Path, night: date, model: Model, script: str) -> Entry:
    """One mart alone, so that it has both processors; the node's own seconds against the query's."""
    ours = Side(run_command(setup, folder, night, model.name), environment())
    theirs = peer(setup, model.name, script, setup.work / "peer-marts")
    alternate(ours, theirs, setup.runs)
    mine = [node_seconds(setup, folder, run_id(sample))[model.name] for sample in ours.samples]
    other = [float(RUN_TIME.findall(sample.stdout)[-1]) for sample in theirs.samples]
    slow = max(*mine, *other) > BAR_FROM_S
    peaks = (ours.peak_mb, theirs.peak_mb)
    return seconds_compared(entry_name(model), mine, other, BAR_ONE if slow else None, peaks)


def entry_name(model: Model) -> str:
    return model.name.replace("marts.", "mart_")


def entries(setup: Any) -> list[Entry]:
    folder = shop_with_lake(setup)
    night, project = last_night(folder), project_of(folder)
    marts = [model for name, model in sorted(project.models.items()) if name.startswith("marts.")]
    project = behind(project, marts)
    out = setup.work / "peer-marts"
    inputs = parquet_files(folder / "lake", project)
    found = []
    for model in marts:
        print(f"    {model.name}", file=sys.stderr)
        script = marts_script(project, inputs, [model], out, night)
        found.append(one_mart(setup, folder, night, model, script))
    ours = Side(run_command(setup, folder, night, selection(model.name for model in marts)), environment())
    theirs = peer(setup, "marts", marts_script(project, inputs, marts, out, night), out)
    alternate(ours, theirs, setup.runs)
    parts = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in phases(setup, folder, ours).items())
    print(f"marts_sum: of the time above {parts}")
    return [*found, compared("marts_sum", ours, theirs, BAR_SUM)]
