"""The table of bad inputs: what is delivered, how the night ends, what is said about it.

Every case is delivered to the source `bad`, beside a source `good` whose night must go on. `says` are
patterns that must be found, in any order, in what the run said: what is wrong, where, what to do.
"""

import bz2
import gzip
import io
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from tests.peers.support.tiny import HEADER

ROW_1 = "1,2026-01-30,10.50,0.5,one\n"
ROW_2 = "2,2026-01-30,20.25,0.25,two\n"
CLEAN = HEADER + ROW_1 + ROW_2
CLEAN_TOTAL = "30.75"
FILE = "bad/bad_2026-01-30.csv"

# Enough good rows that one bad row stays below the default tolerance of 1 %.
MANY = "".join(f"{n},2026-01-30,1.00,0.5,row\n" for n in range(100, 400))
MANY_ROWS = 300


@dataclass(frozen=True)
class Quarantined:
    """One row of ops.quarantine, as exact as the file allows."""

    record: int
    line: int
    column: str | None
    reason: str
    raw: str | None = None


@dataclass(frozen=True)
class Case:
    """One bad delivery and the promise about it."""

    name: str
    content: bytes
    code: int = 1
    says: tuple[str, ...] = ()
    file: str = FILE
    rows: int | None = None
    total: str | None = None
    quarantine: tuple[Quarantined, ...] = ()
    contract: dict[str, object] = field(default_factory=dict)
    format: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def text(value: str) -> bytes:
    return value.encode()


def with_one_bad_row(row: str) -> bytes:
    """The bad row is record 2, on line 3, with clean ones around it."""
    return text(HEADER + ROW_1 + row + ROW_2 + MANY)


def one_bad_row(name: str, row: str, column: str | None, reason: str, **more: object) -> Case:
    """A row that does not fit goes to quarantine, the others go to bronze, the night is done."""
    held = Quarantined(record=2, line=3, column=column, reason=reason, raw=row.rstrip("\n"))
    total = f"{30.75 + MANY_ROWS:.2f}"
    content = with_one_bad_row(row)
    return Case(name, content, 0, (), rows=MANY_ROWS + 2, total=total, quarantine=(held,), **more)


def parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


PACKED = gzip.compress(text(HEADER + MANY * 50))

WHOLE_FILES = [
    # A shop that sold nothing may send nothing, but a broken upload looks the same: it is said.
    Case("empty_file", b"", 0, (r"bad_2026-01-30\.csv", r"empty|no rows"), rows=0),
    Case("header_only", text(HEADER), 0, rows=0),
    Case(
        "missing_required_column",
        text("id,day,ratio,note\n1,2026-01-30,0.5,one\n"),
        1,
        (r"bad_2026-01-30\.csv", r"amount", r"ratio", r"correct|contract"),
    ),
    Case(
        "missing_optional_column_is_null",
        text("id,day,amount\n1,2026-01-30,10.50\n"),
        0,
        rows=1,
        total="10.50",
    ),
    Case(
        "swapped_columns_are_found_by_name",
        text("amount,id,note,ratio,day\n10.50,1,one,0.5,2026-01-30\n"),
        0,
        rows=1,
        total="10.50",
    ),
    Case(
        "swapped_columns_without_a_header_do_not_fit",
        text("2026-01-30,1,10.50,0.5,one\n2026-01-30,2,10.50,0.5,two\n"),
        1,
        (r"bad_2026-01-30\.csv", r"day", r"tolerat", r"ops\.quarantine|contract"),
        format={"header": False},
    ),
    Case(
        "a_column_too_many_in_the_header_is_passed_by",
        text("id,day,amount,ratio,note,colour\n1,2026-01-30,10.50,0.5,one,red\n"),
        0,
        rows=1,
        total="10.50",
    ),
    Case(
        "a_column_named_twice",
        text("id,day,amount,amount,note\n1,2026-01-30,10.50,11,one\n"),
        1,
        (r"bad_2026-01-30\.csv", r"amount", r"2 times|twice", r"name"),
    ),
    Case(
        "more_bad_rows_than_tolerated",
        text(HEADER + ROW_1 + "2,yesterday,20.25,0.25,two\n"),
        1,
        (r"bad_2026-01-30\.csv", r"1 of 2", r"day", r"ops\.quarantine|contract"),
        quarantine=(Quarantined(2, 3, "day", r"DATE|date", "2,yesterday,20.25,0.25,two"),),
    ),
    Case("byte_order_mark", b"\xef\xbb\xbf" + text(CLEAN), 0, rows=2, total=CLEAN_TOTAL),
    Case("utf_16_with_byte_order_mark", CLEAN.encode("utf-16"), 0, rows=2, total=CLEAN_TOTAL),
    Case(
        "utf_16_without_byte_order_mark",
        CLEAN.encode("utf-16-le"),
        1,
        (r"bad_2026-01-30\.csv", r"UTF-16|utf-16|NUL|encoding"),
    ),
    Case(
        "utf_16_as_the_contract_says",
        CLEAN.encode("utf-16-le"),
        0,
        rows=2,
        total=CLEAN_TOTAL,
        format={"encoding": "utf-16le"},
    ),
    Case(
        "windows_1252_as_the_contract_says",
        (HEADER + "1,2026-01-30,10.50,0.5,ca\xf1a\n").encode("windows-1252"),
        0,
        rows=1,
        total="10.50",
        format={"encoding": "windows-1252"},
    ),
    Case(
        "decimal_comma_as_the_contract_says",
        text('id;day;amount;ratio;note\n1;2026-01-30;1.234,56;0,5;"a;b"\n'),
        0,
        rows=1,
        total="1234.56",
        format={"delimiter": ";", "decimal_comma": True},
    ),
    Case(
        "truncated_gzip",
        PACKED[: len(PACKED) // 2],
        1,
        (r"bad_2026-01-30\.csv\.gz", r"gzip", r"cut|truncated|ends", r"deliver"),
        file=FILE + ".gz",
    ),
    Case(
        "damaged_gzip",
        PACKED[:400] + bytes(50) + PACKED[450:],
        1,
        (r"bad_2026-01-30\.csv\.gz", r"gzip", r"deliver"),
        file=FILE + ".gz",
    ),
    Case("gzip_without_its_suffix", gzip.compress(text(CLEAN)), 0, rows=2, total=CLEAN_TOTAL),
    Case(
        "a_suffix_without_gzip",
        text(CLEAN),
        0,
        rows=2,
        total=CLEAN_TOTAL,
        file=FILE + ".gz",
    ),
    Case("bzip2", bz2.compress(text(CLEAN)), 0, rows=2, total=CLEAN_TOTAL, file=FILE + ".bz2"),
    Case(
        "an_html_page_instead_of_a_file",
        b"<!doctype html><html><body>Sign in</body></html>\n",
        1,
        (r"bad_2026-01-30\.csv", r"id", r"contract|deliver"),
    ),
    Case(
        "binary_rubbish",
        bytes(range(256)) * 64,
        1,
        (r"bad_2026-01-30\.csv",),
    ),
    Case(
        "parquet_cut_short",
        parquet(id=["1"] * 2000, amount=[1.0] * 2000)[:-100],
        1,
        (r"bad_2026-01-30\.csv", r"[Pp]arquet", r"deliver"),
        format={"type": "parquet"},
    ),
    Case(
        "a_json_array_instead_of_json_lines",
        b'[{"id": "1", "day": "2026-01-30", "amount": 10.5}]\n',
        1,
        (r"bad_2026-01-30\.csv", r"JSON", r"line"),
        format={"type": "jsonl"},
    ),
]

SINGLE_ROWS = [
    one_bad_row("row_with_a_field_too_few", "9,2026-01-30,1.00,0.5\n", None, r"4 fields|fields"),
    one_bad_row("row_with_a_field_too_many", "9,2026-01-30,1.00,0.5,a,b\n", None, r"6 fields|fields"),
    one_bad_row("thirty_first_of_february", "9,2026-02-31,1.00,0.5,x\n", "day", r"DATE|date|calendar"),
    one_bad_row("number_out_of_range", "9,2026-01-30,1.00,1e400,x\n", "ratio", r"range|1e400|large"),
    one_bad_row("decimal_comma_undeclared", '9,2026-01-30,"1.234,56",0.5,x\n', "amount", r"DECIMAL|decimal"),
    one_bad_row("amount_with_too_many_decimals", "9,2026-01-30,1.005,0.5,x\n", "amount", r"DECIMAL|decimal"),
    one_bad_row("amount_too_large", "9,2026-01-30,99999999999999999.00,0.5,x\n", "amount", r"DECIMAL|range"),
    one_bad_row("required_value_missing", "9,2026-01-30,,0.5,x\n", "amount", r"required|NULL|missing|empty"),
]

# Raw bytes that are no UTF-8 text cannot be compared as text.
BYTES = [
    Case(
        "bad_utf_8",
        text(HEADER + ROW_1) + b"9,2026-01-30,1.00,0.5,caf\xe9\n" + text(ROW_2 + MANY),
        0,
        rows=MANY_ROWS + 2,
        total="330.75",
        quarantine=(Quarantined(2, 3, "note", r"UTF-8"),),
    ),
    Case(
        "nul_byte_in_a_number",
        text(HEADER + ROW_1) + b"9,2026-01-30,1.\x0000,0.5,x\n" + text(ROW_2 + MANY),
        0,
        rows=MANY_ROWS + 2,
        total="330.75",
        quarantine=(Quarantined(2, 3, "amount", r"NUL|DECIMAL|decimal"),),
    ),
    Case(
        "a_row_after_quoted_newlines_knows_its_physical_line",
        text(HEADER + '1,2026-01-30,10.50,0.5,"one\nof\nthree"\n' + "9,never,1.00,0.5,x\n" + ROW_2 + MANY),
        0,
        rows=MANY_ROWS + 2,
        total="330.75",
        quarantine=(Quarantined(2, 5, "day", r"DATE|date", "9,never,1.00,0.5,x"),),
    ),
    Case(
        "a_quote_that_is_never_closed_costs_one_row",
        text(HEADER + ROW_1 + '2,2026-01-30,20.25,0.25,"two\n' + MANY),
        0,
        rows=MANY_ROWS + 1,
        total="310.50",
        quarantine=(Quarantined(2, 3, None, r"quote"),),
    ),
    Case(
        "carriage_returns",
        text(CLEAN.replace("\n", "\r\n")),
        0,
        rows=2,
        total=CLEAN_TOTAL,
    ),
    Case("no_newline_at_the_end", text(CLEAN.rstrip("\n")), 0, rows=2, total=CLEAN_TOTAL),
    Case(
        "empty_lines_are_no_rows",
        text(HEADER + ROW_1 + "\n\n" + ROW_2 + "\n"),
        0,
        rows=2,
        total=CLEAN_TOTAL,
    ),
    Case(
        "json_lines_with_one_that_is_none",
        b'{"id": "1", "day": "2026-01-30", "amount": 10.5}\n{"id": "2", "day": \n'
        b'{"id": "3", "day": "2026-01-30", "amount": 20.25}\n',
        0,
        rows=2,
        total=CLEAN_TOTAL,
        quarantine=(Quarantined(2, 2, None, r"JSON", '{"id": "2", "day": '),),
        contract={"tolerance": 0.5},
        format={"type": "jsonl"},
    ),
]

ALL = WHOLE_FILES + SINGLE_ROWS + BYTES
