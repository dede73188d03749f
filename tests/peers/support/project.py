"""A project's SQL as files: contracts and models, the standard ones and those that override them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.peers.support.places import STANDARD_SQL

LINEAGE = (
    ("_file", "VARCHAR"),
    ("_record", "BIGINT"),
    ("_delivery", "BIGINT"),
    ("_night", "DATE"),
)
# The C reader is ten times as fast; both are safe.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SOURCES = "staging.stg_buho__sources"
NOT_MODELS = {"sources", "metrics", "alerts", "reports"}
PARAMETER = re.compile(r"\$(\w+)")
TABLE_NAME = re.compile(r"\b([a-z_]+)\.([a-z_][a-z0-9_]*)\b")
COMMENT_OR_TEXT = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)


@dataclass(frozen=True)
class Contract:
    name: str
    file: Path
    spec: dict[str, Any]

    @property
    def table(self) -> str:
        return self.spec.get("table", f"bronze.{self.name}")

    @property
    def columns(self) -> dict[str, str]:
        """Types by column, in order, as the bronze table has them."""
        own = {column["name"]: column["type"] for column in self.spec["columns"]}
        return {**own, **dict(LINEAGE)}

    @property
    def event_time(self) -> str | None:
        return self.spec.get("event_time")


@dataclass(frozen=True)
class Model:
    name: str
    sql_file: Path
    sql: str
    spec: dict[str, Any]

    @property
    def columns(self) -> dict[str, str]:
        return {column["name"]: column["type"] for column in self.spec["columns"]}

    @property
    def is_view(self) -> bool:
        return self.spec.get("materialized", "table") == "view"

    @property
    def inputs(self) -> set[str]:
        """Names in the text that look like tables; those that are none are harmless."""
        text = COMMENT_OR_TEXT.sub(" ", self.sql).lower()
        return {f"{layer}.{table}" for layer, table in TABLE_NAME.findall(text)}

    @property
    def parameters(self) -> set[str]:
        """What the text asks for: `night`, `window_start`, `window_end`."""
        return set(PARAMETER.findall(COMMENT_OR_TEXT.sub(" ", self.sql).lower()))

    @property
    def latest_by(self) -> tuple[list[str], list[str]] | None:
        """Of a table by key: the key, and the columns of which the greatest values win."""
        if self.spec.get("materialized") != "merge":
            return None
        merge = self.spec["merge"]
        return self.spec["key"], [merge["time"], *merge.get("newest", [])]


@dataclass(frozen=True)
class SqlProject:
    contracts: dict[str, Contract]
    models: dict[str, Model]

    @property
    def bronze(self) -> dict[str, Contract]:
        return {contract.table: contract for contract in self.contracts.values()}


def load(project: Path | None = None) -> SqlProject:
    """The standard files, then the project's own, which replace them by name."""
    contracts: dict[str, Contract] = {}
    models: dict[str, Model] = {}
    for root in (STANDARD_SQL, *([project / "sql"] if project else [])):
        for file in sorted(root.glob("sources/*.yml")):
            contracts[file.stem] = Contract(file.stem, file, read_yaml(file))
        for file in sorted(root.glob("*/**/*.sql")):
            layer = file.relative_to(root).parts[0]
            if layer not in NOT_MODELS:
                name = f"{layer}.{file.stem}"
                spec = read_yaml(file.with_suffix(".yml"))
                models[name] = Model(name, file, file.read_text(), spec)
    models.setdefault(SOURCES, sources(contracts))
    return SqlProject(contracts, models)


def sources(contracts: dict[str, Contract]) -> Model:
    """The view of what contracts declare, as the engine makes it."""
    declared = {name: contract.spec.get("data_begins") for name, contract in contracts.items()}
    days = {name: f"date '{day}'" if day else "cast(null as date)" for name, day in declared.items()}
    rows = [f"('{name}', {day})" for name, day in days.items()]
    sql = f"select source, data_begins from (values {', '.join(rows)}) as declared (source, data_begins)"
    columns = [{"name": "source", "type": "VARCHAR"}, {"name": "data_begins", "type": "DATE"}]
    return Model(SOURCES, Path(SOURCES), sql, {"materialized": "view", "columns": columns})


def read_yaml(file: Path) -> dict[str, Any]:
    return yaml.load(file.read_text(), Loader=LOADER)
