"""What a DuckDB user would write for one more day: append it, merge it, build again what it changed.

The state is a database of native tables, which DuckDB changes in place. What is kept by key is deleted and
inserted by key; what is kept by day is built again for as many windows as its yml looks back on; the rest is
built whole, as in the engine. Nothing is audited, and readers see tables change one by one.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tests.bench.duck_script import (
    DATE_IN_NAME,
    SETTINGS,
    Reader,
    bound,
    empty_bronze,
    ordered,
    schemas,
    viewed,
)
from tests.peers.support.project import Model, SqlProject


@dataclass(frozen=True)
class DayReader(Reader):
    """The delivery of one night."""

    night: date

    @property
    def glob(self) -> str:
        return DATE_IN_NAME.sub(lambda found: self.night.strftime(found[1]), self.contract.spec["path"])


def state_script(project: SqlProject, inputs: dict[str, list[str]]) -> str:
    """The tables as they stand before the day, from the Parquet files of the lake."""
    parts = [SETTINGS, schemas([*project.models, *project.bronze])]
    for name, files in inputs.items():
        if name in project.models and project.models[name].is_view:
            continue
        listed = ", ".join(f"'{file}'" for file in files)
        parts.append(f"create table {name} as select * from read_parquet([{listed}]);\n")
    for contract in project.contracts.values():
        if contract.table not in inputs:
            parts.append(empty_bronze(contract))
    return "".join(parts)


def day_script(project: SqlProject, raw: Path, night: date) -> str:
    parts = [SETTINGS]
    for contract in project.contracts.values():
        reader = DayReader(contract, raw, night)
        if reader.found:
            parts.append(f"insert into {contract.table} by name\n{reader.query(night)};\n")
    parts += [built(model, night) for model in ordered(project)]
    return "".join(parts)


def built(model: Model, night: date) -> str:
    kind = model.spec.get("materialized", "table")
    if kind == "view":
        return viewed(model.name, bound(model, night))
    if kind == "merge":
        return merged(model, night)
    if kind == "incremental":
        return windows(model, night)
    return f"create or replace table {model.name} as\n{bound(model, night)};\n"


def merged(model: Model, night: date) -> str:
    query = bound(model, night, (night, night + timedelta(days=1)))
    same = " and ".join(f"{model.name}.{key} = delta.{key}" for key in model.spec["key"])
    return (
        f"create or replace temp table delta as\n{query};\n"
        f"delete from {model.name} using delta where {same};\n"
        f"insert into {model.name} by name select * from delta;\n"
    )


def windows(model: Model, night: date) -> str:
    spec = model.spec["incremental"]
    start = first_window(night, spec.get("window", "day"), spec.get("lookback", 3))
    end = night + timedelta(days=1)
    return (
        f"delete from {model.name} where {spec['time']} >= date '{start}';\n"
        f"insert into {model.name} by name\n{bound(model, night, (start, end))};\n"
    )


def first_window(night: date, length: str, lookback: int) -> date:
    if length == "day":
        return night - timedelta(days=lookback)
    # What a month still changes is in it or in the one before.
    return (night.replace(day=1) - timedelta(days=1)).replace(day=1)
