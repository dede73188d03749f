"""The smallest project: two sources, `good` and `bad`, and a mart on each.

What happens to one source must not touch the other, so every test of a bad delivery or a mistake starts here.
"""

from pathlib import Path

import yaml

from tests.peers.support.binary import Buho

NIGHT = "2026-01-30"
HEADER = "id,day,amount,ratio,note\n"
GOOD = "id,day,amount\na,2026-01-30,1.25\nb,2026-01-30,2.50\n"
GOOD_TOTAL = "3.75"

ROWS_SQL = "select id, day, amount, ratio, note from bronze.{source}\n"
TOTAL_SQL = """select
    count(*) as lines,
    cast(sum(amount) as decimal(18, 2)) as total
from staging.{source}_rows
"""
COLUMNS = [
    {"name": "id", "type": "VARCHAR", "required": True},
    {"name": "day", "type": "DATE", "required": True},
    {"name": "amount", "type": "DECIMAL(18,2)", "required": True},
    {"name": "ratio", "type": "DOUBLE"},
    {"name": "note", "type": "VARCHAR"},
]


def contract(source: str, form: dict[str, object], more: dict[str, object]) -> dict[str, object]:
    return {
        "description": f"Rows of the {source} source.",
        "path": f"{source}/{source}_{{date:%Y-%m-%d}}*.csv*",
        "format": {"type": "csv", **form},
        "delivery": "append",
        "key": ["id"],
        "columns": COLUMNS,
        **more,
    }


def columns(*names: str) -> list[dict[str, object]]:
    return [{"name": column["name"], "type": column["type"]} for column in COLUMNS if column["name"] in names]


def write_model(project: Path, name: str, sql: str, spec: dict[str, object]) -> None:
    """`layer.model` as a user writes it: the SQL and the yml beside it."""
    layer, model = name.split(".")
    folder = project / "sql" / layer
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{model}.sql").write_text(sql)
    described = {"description": f"Model {name}.", "grain": "as its SQL says", **spec}
    (folder / f"{model}.yml").write_text(yaml.safe_dump(described, sort_keys=False))


def write_project(
    folder: Path, form: dict[str, object] | None = None, more: dict[str, object] | None = None
) -> Path:
    """Two sources and a mart on each; `form` and `more` go into the contract of `bad`."""
    sources = folder / "sql" / "sources"
    sources.mkdir(parents=True)
    settings = 'name = "bad-input"\nraw = "raw"\nlake = "lake"\n'
    (folder / "buho.toml").write_text(
        settings + 'time_zone = "Europe/Madrid"\ncurrency = "EUR"\npacks = []\n'
    )
    totals = [{"name": "lines", "type": "BIGINT"}, {"name": "total", "type": "DECIMAL(18,2)"}]
    for source in ("good", "bad"):
        special = source == "bad"
        spec = contract(source, (form or {}) if special else {}, (more or {}) if special else {})
        (sources / f"{source}.yml").write_text(yaml.safe_dump(spec, sort_keys=False))
        rows = {"materialized": "view", "columns": columns("id", "day", "amount", "ratio", "note")}
        write_model(folder, f"staging.{source}_rows", ROWS_SQL.format(source=source), rows)
        write_model(folder, f"marts.{source}_total", TOTAL_SQL.format(source=source), {"columns": totals})
        (folder / "raw" / source).mkdir(parents=True)
    (folder / "raw" / "good" / f"good_{NIGHT}.csv").write_text(GOOD)
    return folder


def deliver(project: Path, file: str, content: bytes) -> Path:
    path = project / "raw" / file
    path.write_bytes(content)
    return path


def total_of(buho: Buho, source: str) -> tuple[int, str | None]:
    row = buho.rows(f"select lines, cast(total as varchar) as total from marts.{source}_total")[0]
    return int(row["lines"]), row["total"]
