"""What a DuckDB user would write for the same night: typed Parquet, then the models, then the marts."""

import csv
import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.peers.support.duck import FIRST_DAY, LAST_DAY
from tests.peers.support.project import Contract, Model, SqlProject

PARQUET = "format parquet, compression zstd, compression_level 1"
SETTINGS = "set threads = 2;\nset preserve_insertion_order = false;\n"
PARAMETER = re.compile(r"\$(night|window_start|window_end)\b")
DATE_IN_NAME = re.compile(r"\{date:([^}]*)\}")
READERS = {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}


def bound(model: Model, night: date, window: tuple[date, date] = (FIRST_DAY, LAST_DAY)) -> str:
    """The model's text with its parameters filled in: COPY and CREATE VIEW take none."""
    values = {"night": night, "window_start": window[0], "window_end": window[1]}
    return PARAMETER.sub(lambda found: f"date '{values[found[1]]}'", model.sql).strip().rstrip(";")


def copied(query: str, path: Path) -> str:
    return f"copy (\n{query}\n) to '{path}' ({PARQUET});\n"


def viewed(name: str, query: str) -> str:
    return f"create or replace view {name} as\n{query};\n"


def schemas(names: Iterable[str]) -> str:
    layers = sorted({name.split(".")[0] for name in names})
    return "".join(f"create schema if not exists {layer};\n" for layer in layers)


def ordered(project: SqlProject) -> list[Model]:
    """Models after the models they read."""
    done: dict[str, Model] = {}

    def visit(name: str) -> None:
        if name in done or name not in project.models:
            return
        model = project.models[name]
        for needed in sorted(model.inputs - {name}):
            visit(needed)
        done[name] = model

    for name in project.models:
        visit(name)
    return list(done.values())


def one_mark_a_digit(found: re.Match[str]) -> str:
    """A strftime pattern as a glob: `%Y-%m-%d` is `????-??-??`."""
    return re.sub(r"%.", "??", found[1].replace("%Y", "????"))


@dataclass(frozen=True)
class Reader:
    """A contract as arguments of DuckDB's readers. Bad rows are passed by: that is its quarantine."""

    contract: Contract
    raw: Path

    @property
    def form(self) -> dict[str, object]:
        return self.contract.spec.get("format", {})

    @property
    def kind(self) -> str:
        return str(self.form.get("type", "csv"))

    @property
    def glob(self) -> str:
        return DATE_IN_NAME.sub(one_mark_a_digit, self.contract.spec["path"])

    @property
    def found(self) -> bool:
        return any(self.raw.glob(self.glob))

    def in_file(self) -> list[dict[str, str]]:
        """The contract's columns that the first file has; the others are NULL."""
        columns = [{"from": column["name"], **column} for column in self.contract.spec["columns"]]
        first = next(iter(sorted(self.raw.glob(self.glob))))
        if self.kind != "csv":
            return columns
        opened = gzip.open if first.suffix == ".gz" else open
        with opened(first, "rt", encoding="utf-8-sig", errors="replace") as file:
            names = next(csv.reader(file, delimiter=str(self.form.get("delimiter", ","))))
        return [column for column in columns if column["from"] in names]

    def arguments(self) -> str:
        pairs = ", ".join(f"'{column['from']}': '{column['type']}'" for column in self.in_file())
        given = [f"'{self.raw / self.glob}'", "filename = true"]
        if self.kind == "csv":
            given += [f"types = {{{pairs}}}", *self.csv_arguments()]
        elif self.kind == "jsonl":
            given += ["format = 'newline_delimited'", f"columns = {{{pairs}}}", "ignore_errors = true"]
        else:
            given.append("union_by_name = true")
        return ", ".join(given)

    def csv_arguments(self) -> list[str]:
        form = self.form
        quote = str(form.get("quote", '"')).replace("'", "''")
        given = [
            f"header = {str(form.get('header', True)).lower()}",
            f"delim = '{form.get('delimiter', ',')}'",
            f"quote = '{quote}'",
            "store_rejects = true",
        ]
        if form.get("decimal_comma"):
            given.append("decimal_separator = ','")
        for word, key in (("dateformat", "date_formats"), ("timestampformat", "timestamp_formats")):
            if form.get(key):
                given.append(f"{word} = '{form[key][0]}'")
        words = dict.fromkeys(["", *form.get("null_words", [])])
        given.append("nullstr = [" + ", ".join(f"'{word}'" for word in words) + "]")
        return given

    def columns(self) -> str:
        present = {column["name"]: column["from"] for column in self.in_file()}
        parts = []
        for column in self.contract.spec["columns"]:
            name, kind = column["name"], column["type"]
            value = f'"{present[name]}"' if name in present else "null"
            parts.append(f"cast({value} as {kind}) as {name}")
        return ",\n    ".join(parts)

    def query(self, night: date) -> str:
        day = "cast(regexp_extract(filename, '(\\d{4}-\\d{2}-\\d{2})', 1) as date)"
        dated = DATE_IN_NAME.search(self.contract.spec["path"])
        nights = f"coalesce({day}, date '{night}')" if dated else f"date '{night}'"
        return (
            f"select\n    {self.columns()},\n    filename as _file,\n    row_number() over () as _record,\n"
            f"    cast({nights} - date '2000-01-01' as bigint) as _delivery,\n    {nights} as _night\n"
            f"from {READERS[self.kind]}({self.arguments()})"
        )


def empty_bronze(contract: Contract) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in contract.columns.items())
    return f"create table {contract.table} ({columns});\n"


def bronze_script(project: SqlProject, raw: Path, out: Path, night: date) -> str:
    """Every source to Parquet, and a view that shows what the night may see."""
    parts = []
    for contract in project.contracts.values():
        reader = Reader(contract, raw)
        if not reader.found:
            parts.append(empty_bronze(contract))
            continue
        file = out / f"{contract.table}.parquet"
        seen = f"_night <= date '{night}'"
        if contract.event_time:
            event = contract.event_time
            seen += f" and ({event} is null or cast({event} as date) <= date '{night}')"
        parts.append(copied(reader.query(night), file))
        parts.append(viewed(contract.table, f"select * from read_parquet('{file}') where {seen}"))
    return "".join(parts)


def models_script(project: SqlProject, out: Path, night: date) -> str:
    parts = []
    for model in ordered(project):
        if model.is_view:
            parts.append(viewed(model.name, bound(model, night)))
        else:
            file = out / f"{model.name}.parquet"
            parts.append(copied(bound(model, night), file))
            parts.append(viewed(model.name, f"select * from read_parquet('{file}')"))
    return "".join(parts)


def night_script(project: SqlProject, raw: Path, out: Path, night: date) -> str:
    """The whole night."""
    names = [*project.models, *project.bronze]
    return (
        SETTINGS
        + schemas(names)
        + bronze_script(project, raw, out, night)
        + models_script(project, out, night)
    )


def marts_script(
    project: SqlProject, inputs: dict[str, list[str]], marts: list[Model], out: Path, night: date
) -> str:
    """The marts alone, from the Parquet files of the tables that the lake holds."""
    parts = [SETTINGS, schemas([*project.models, *project.bronze])]
    for contract in project.contracts.values():
        if contract.table not in inputs:
            parts.append(empty_bronze(contract))
    for name, files in inputs.items():
        listed = ", ".join(f"'{file}'" for file in files)
        parts.append(viewed(name, f"select * from read_parquet([{listed}])"))
    for model in ordered(project):
        if model.is_view and model.name not in inputs:
            parts.append(viewed(model.name, bound(model, night)))
    parts.append(".timer on\n")
    parts += [copied(bound(model, night), out / f"{model.name}.parquet") for model in marts]
    return "".join(parts)
