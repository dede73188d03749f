"""DuckDB in the engine's place: the same SQL on the same tables of the lake."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from tests.peers.support.lake import duckdb_with_delta, tables
from tests.peers.support.project import Model, SqlProject

# All windows there are: what was built window by window has to be what one window gives.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 1, 1)


@dataclass
class DuckPeer:
    """Runs a project's models on a lake. Tables are read from the lake, views are run as they are."""

    project: SqlProject
    lake: Path
    night: date
    connection: duckdb.DuckDBPyConnection = field(default_factory=duckdb_with_delta)
    known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.stored = tables(self.lake)
        names = {*self.project.models, *self.project.bronze, *self.stored}
        for schema in sorted({name.split(".")[0] for name in names} | {"theirs", "ours"}):
            self.connection.execute(f"create schema if not exists {schema}")

    def result(self, model: Model) -> str:
        """Runs the model's text unchanged; names a table with its rows in the types of the yml."""
        for name in sorted(model.inputs):
            self.provide(name)
        plain = "theirs." + model.name.replace(".", "__")
        self.run(f"create or replace temp table answer as {model.sql}", model)
        columns = casts(model.columns)
        query = f"select {columns} from answer{latest(model)}"
        self.connection.execute(f"create or replace table {plain} as {query}")
        return plain

    def published(self, model: Model, file: Path | None = None) -> str:
        """What the engine published: the Delta table, or a Parquet file that holds a view's rows."""
        name = "ours." + model.name.replace(".", "__")
        scan = f"delta_scan('{self.stored[model.name]}')" if file is None else f"'{file}'"
        columns = casts(model.columns)
        self.connection.execute(f"create or replace table {name} as select {columns} from {scan}")
        return name

    def provide(self, name: str) -> None:
        """Makes an input readable under its own name."""
        if name in self.known:
            return
        if name in self.project.bronze:
            self.provide_bronze(name)
        elif name in self.project.models:
            self.provide_model(self.project.models[name])
        elif name in self.stored:
            # What a model learns has no SQL: its rows are read as they were published.
            self.connection.execute(f"create view {name} as select * from delta_scan('{self.stored[name]}')")
        else:
            return
        self.known.add(name)

    def provide_bronze(self, name: str) -> None:
        contract = self.project.bronze[name]
        if name not in self.stored:
            columns = ", ".join(f"{column} {kind}" for column, kind in contract.columns.items())
            self.connection.execute(f"create table {name} ({columns})")
            return
        seen = [f"_night <= date '{self.night}'"]
        if contract.event_time:
            event = contract.event_time
            seen.append(f"({event} is null or cast({event} as date) <= date '{self.night}')")
        scan = f"delta_scan('{self.stored[name]}')"
        self.connection.execute(f"create view {name} as select * from {scan} where {' and '.join(seen)}")

    def provide_model(self, model: Model) -> None:
        if not model.is_view:
            scan = f"delta_scan('{self.stored[model.name]}')"
            self.connection.execute(f"create view {model.name} as select * from {scan}")
            return
        for name in sorted(model.inputs):
            self.provide(name)
        # A view of DuckDB takes no parameters, so the rows are kept instead.
        self.run(f"create table {model.name} as {model.sql}", model)

    def run(self, statement: str, model: Model) -> None:
        values = {"night": self.night, "window_start": FIRST_DAY, "window_end": LAST_DAY}
        asked = {name: values[name] for name in model.parameters}
        self.connection.execute(statement.rstrip().rstrip(";"), asked or None)


def latest(model: Model) -> str:
    """Of the rows of each key the latest delivery's: what the engine keeps of a table by key."""
    if model.latest_by is None:
        return ""
    key, newest = model.latest_by
    order = ", ".join(f"{name} desc nulls last" for name in newest)
    return f" qualify rank() over (partition by {', '.join(key)} order by {order}) = 1"


def casts(columns: dict[str, str]) -> str:
    return ", ".join(f'cast("{name}" as {kind}) as "{name}"' for name, kind in columns.items())
