"""A shop's exports as they would have been on a past night: nothing that happened later, no later state."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Row = dict[str, Any]
Keep = Callable[[Row], Row | None]


def by_event(raw: Path, target: Path, night: str) -> Path:
    """Rewrites the exports that features read, one delivery each, dated on the night."""
    orders: set[str] = set()

    def known(row: Row, column: str) -> bool:
        return row[column][:10] <= night

    def order(row: Row) -> Row | None:
        if not known(row, "ordered_at"):
            return None
        orders.add(row["order_id"])
        # What became of it was not known, so a feature that looks at the status shows itself.
        return {**row, "status": "pending"}

    def cart(row: Row) -> Row | None:
        if not known(row, "created_at"):
            return None
        late = row["converted_at"] is None or not known(row, "converted_at")
        return {**row, "converted_at": None, "order_id": None, "updated_at": None} if late else row

    def customer(row: Row) -> Row | None:
        return row if row["registered_at"] in {"", "NULL"} or known(row, "registered_at") else None

    rewrite_csv(raw, target, "orders", night, order)
    rewrite_csv(raw, target, "order_items", night, lambda row: row if row["order_id"] in orders else None)
    rewrite_csv(raw, target, "customers", night, customer)
    rewrite_csv(raw, target, "refunds", night, lambda row: row if known(row, "refunded_at") else None)
    rewrite_csv(raw, target, "messages", night, lambda row: row if known(row, "occurred_at") else None)
    rewrite_csv(raw, target, "products", night, lambda row: row, files=1)
    rewrite_jsonl(raw, target, "carts", night, cart)
    cut_parquet(raw, target, "sessions", night)
    return target


def deliveries(raw: Path, source: str) -> list[Path]:
    return sorted((raw / source).iterdir())


def place(target: Path, source: str, night: str, ending: str) -> Path:
    (target / source).mkdir(parents=True, exist_ok=True)
    return target / source / f"{source}_{night}{ending}"


def whole_rows(file: Path) -> Iterable[Row]:
    """The rows of a CSV file that its planted dirt did not garble."""
    text = gzip.decompress(file.read_bytes()).decode(errors="replace")
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        if None not in row and None not in row.values() and "�" not in "".join(row.values()):
            yield row


def rewrite_csv(
    raw: Path, target: Path, source: str, night: str, keep: Keep, files: int | None = None
) -> None:
    given = (row for file in deliveries(raw, source)[:files] for row in whole_rows(file))
    rows = [kept for row in given if (kept := keep(row))]
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    place(target, source, night, ".csv.gz").write_bytes(gzip.compress(out.getvalue().encode()))


def json_rows(file: Path) -> Iterable[Row]:
    for line in gzip.decompress(file.read_bytes()).decode(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(row, dict) and isinstance(row.get("created_at"), str) and "converted_at" in row:
            yield row


def rewrite_jsonl(raw: Path, target: Path, source: str, night: str, keep: Keep) -> None:
    rows = [kept for file in deliveries(raw, source) for row in json_rows(file) if (kept := keep(row))]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    place(target, source, night, ".jsonl.gz").write_bytes(gzip.compress(text.encode()))


def cut_parquet(raw: Path, target: Path, source: str, night: str) -> None:
    table = pa.concat_tables(pq.read_table(file) for file in deliveries(raw, source))
    days = pc.strftime(table["started_at"], format="%Y-%m-%d")
    pq.write_table(table.filter(pc.less_equal(days, night)), place(target, source, night, ".parquet"))
