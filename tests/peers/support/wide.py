"""Projects with an ML node over many columns, or over many rows."""

import random
from pathlib import Path

from tests.peers.support.tiny import write_model

NIGHT = "2026-01-31"
SETTINGS = 'raw = "raw"\nlake = "lake"\ntime_zone = "UTC"\ncurrency = "EUR"\npacks = []\n'
ENTITY = {"name": "customer_id", "type": "VARCHAR"}
KEYS = [ENTITY, {"name": "night", "type": "DATE"}]


def write_settings(folder: Path, name: str) -> None:
    (folder / "raw").mkdir(parents=True)
    (folder / "buho.toml").write_text(f'name = "{name}"\n{SETTINGS}')


def write_source(folder: Path, name: str, columns: dict[str, str], lines: list[str]) -> None:
    """A source of one file, and its contract."""
    given = "".join(f"  - {{ name: {column}, type: {kind} }}\n" for column, kind in columns.items())
    contract = f"description: Rows.\npath: {name}.csv\nformat: {{ type: csv }}\ndelivery: append\ncolumns:\n"
    sources = folder / "sql" / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    (sources / f"{name}.yml").write_text(contract + given)
    (folder / "raw" / f"{name}.csv").write_text("\n".join([",".join(columns), *lines]) + "\n")


def write_node(folder: Path, label: str, candidate: str, more: str = "") -> None:
    """An ML node that learns of one night, and is judged on other customers."""
    indented = label.strip().replace("\n", "\n  ")
    node = f"""description: Who leaves.
kind: classifier
entity: customer_id
spine: features.spine
features: features.customer_night
label: |
  {indented}
snapshots: {{ count: 1 }}
split: {{ by: entity }}
candidates: [{candidate}]
output: ml.churn_scores
{more}"""
    (folder / "sql" / "ml").mkdir()
    (folder / "sql" / "ml" / "churn.yml").write_text(node)


def write_features(folder: Path, sql: str, columns: list[str], kind: str) -> None:
    """The spine of all customers, and features of it."""
    spine = "select customer_id, cast($night as date) as night from staging.customers\n"
    keyed = {"key": ["customer_id", "night"], "columns": KEYS}
    write_model(folder, "features.spine", spine, keyed)
    features = KEYS + [{"name": name, "type": kind} for name in columns]
    write_model(folder, "features.customer_night", sql, {**keyed, "columns": features})


def write_wide(folder: Path, columns: int, rows: int) -> Path:
    """Customers with so many columns, of which the first tells who leaves."""
    write_settings(folder, "wide")
    names = [f"c{number:04}" for number in range(columns)]
    chance = random.Random(7)
    lines = []
    for row in range(rows):
        churned = int(chance.random() < 0.4)
        values = [chance.random() + (churned if place == 0 else 0) for place in range(columns)]
        lines.append(f"k{row},{churned}," + ",".join(f"{value:.3f}" for value in values))
    source = {"customer_id": "VARCHAR", "churned": "INTEGER", **dict.fromkeys(names, "DOUBLE")}
    write_source(folder, "wide", source, lines)
    staged = [ENTITY, {"name": "churned", "type": "INTEGER"}]
    staged += [{"name": name, "type": "DOUBLE"} for name in names]
    sql = f"select customer_id, churned, {', '.join(names)}\nfrom bronze.wide\n"
    view = {"key": ["customer_id"], "materialized": "view", "columns": staged}
    write_model(folder, "staging.customers", sql, view)
    join = "from features.spine as s\nleft join staging.customers as c on c.customer_id = s.customer_id\n"
    chosen = ", ".join(f"c.{name}" for name in names)
    write_features(folder, f"select s.customer_id, s.night, {chosen}\n{join}", names, "DOUBLE")
    forest = "{ family: forest, set: { trees: 5, depth: 3, min_rows: 5, column_share: 1, folds: 2 } }"
    label = f"select s.customer_id, s.night, c.churned as label\n{join}"
    write_node(folder, label, forest, "gate: { min_rows: 50, min_each_class: 5 }\n")
    return folder


def write_many(folder: Path, numbers: int, times: int, more: str = "") -> Path:
    """`numbers` times `numbers` times `times` customers, of a short file; those who visit more leave more."""
    write_settings(folder, "many")
    write_source(folder, "numbers", {"n": "BIGINT"}, [str(number) for number in range(numbers)])
    name = "concat(cast(a.n as varchar), '-', cast(b.n as varchar), '-', cast(c.n as varchar))"
    sql = f"""select {name} as customer_id
from bronze.numbers as a
cross join bronze.numbers as b
cross join bronze.numbers as c
where c.n < {times}
"""
    write_model(folder, "staging.customers", sql, {"materialized": "view", "columns": [ENTITY]})
    columns = ["orders", "visits", "returns"]
    parts = [f"cast(split_part(customer_id, '-', {place}) as bigint)" for place in (1, 2, 3)]
    chosen = ", ".join(f"{part} as {name}" for part, name in zip(parts, columns, strict=True))
    write_features(folder, f"select customer_id, night, {chosen}\nfrom features.spine\n", columns, "BIGINT")
    orders, visits, returns = parts
    label = f"""select customer_id, night,
  case when ({orders} * 37 + {returns} * 17) % 100 < 20 + {visits} * 60 / {numbers} then 1 else 0 end as label
from features.spine"""
    write_node(folder, label, "{ family: logistic, set: { folds: 2 } }", f"reasons: {{ count: 1 }}\n{more}")
    return folder
