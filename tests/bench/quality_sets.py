"""The seven sets of `make bench-model-quality`: where they are, what is their label, what is no feature."""

import csv
import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np

from tests.peers.support.places import ROOT

DATA = ROOT.parent / "shared" / "data"
POSITIVE = ("yes", "1", "true")
FIRST_DAY = date(2012, 1, 1)


@dataclass(frozen=True)
class Column:
    """Numbers with NaN for what is missing, or text with None."""

    name: str
    values: np.ndarray

    @property
    def is_text(self) -> bool:
        return self.values.dtype == object


@dataclass(frozen=True)
class Table:
    name: str
    columns: list[Column]
    target: np.ndarray


@dataclass(frozen=True)
class Source:
    name: str
    path: str
    label: str
    ids: tuple[str, ...] = ()
    separator: str = ","
    distinct: bool = False
    made: tuple[tuple[str, Callable[[str], str]], ...] = ()


def days(text: str) -> str:
    return str((datetime.strptime(text, "%d-%m-%Y").date() - FIRST_DAY).days)


SOURCES = (
    Source("telco", "telco-churn/Telco-Customer-Churn.csv.gz", "Churn", ("customerID",)),
    Source(
        "bank-10k", "bank-churn-10k/Churn_Modelling.csv.gz", "Exited", ("RowNumber", "CustomerId", "Surname")
    ),
    Source("telecom-5000", "telecom-churn-5000/mlc_churn.csv.gz", "churn", ("rownames",)),
    Source("iranian", "iranian-churn/Customer_Churn.csv.gz", "Churn", distinct=True),
    Source(
        "online-shoppers",
        "online-shoppers-12330/online_shoppers_intention.csv.gz",
        "Revenue",
        separator=";",
    ),
    Source(
        "marketing-campaign",
        "marketing-campaign-2240/marketing_campaign.tsv.gz",
        "Response",
        ("ID",),
        "\t",
        made=(("Dt_Customer", days),),
    ),
    Source("bank-marketing", "bank-marketing/bank_market_full_45211.csv.gz", "y", ("Cust_num", "duration")),
)


def column(name: str, cells: list[str]) -> Column:
    known = [cell for cell in cells if cell]
    try:
        numbers = {cell: float(cell) for cell in set(known)}
    except ValueError:
        return Column(name, np.array([cell or None for cell in cells], dtype=object))
    return Column(name, np.array([numbers.get(cell, np.nan) for cell in cells]))


def load(source: Source, root: Path = DATA) -> Table:
    with gzip.open(root / source.path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file, delimiter=source.separator) if row]
    header, rows = rows[0], rows[1:]
    if source.distinct:
        rows = [list(row) for row in dict.fromkeys(tuple(row) for row in rows)]
    cells = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    target = np.array([cell.lower() in POSITIVE for cell in cells.pop(source.label)], dtype=float)
    for name in source.ids:
        del cells[name]
    for name, make in source.made:
        cells[name] = [make(cell) for cell in cells[name]]
    return Table(source.name, [column(name, values) for name, values in cells.items()], target)
