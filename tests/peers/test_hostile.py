"""Input made to do harm: it costs one source at most, little memory, and is said in plain words."""

import gzip
import json
from pathlib import Path

import pytest
import yaml

from tests.peers.bad_inputs import CLEAN, FILE
from tests.peers.support.binary import Buho
from tests.peers.support.cost import run_measured
from tests.peers.support.tiny import GOOD_TOTAL, HEADER, NIGHT, deliver, total_of, write_project

MIB = 1 << 20
CHUNK = b"a" * (64 * MIB)
COLUMNS = 100_000
# A debug build with its caches, on any machine.
MOST_MEMORY_MIB = 600
# Of a message, however many names somebody puts into a header.
MOST_SAID = 20_000


def assert_good_went_on(buho: Buho) -> None:
    assert total_of(buho, "good") == (2, GOOD_TOTAL)


def packed_line(times: int) -> bytes:
    """One line of so many times 64 MiB; gzip of many members is gzip."""
    return gzip.compress(f"{HEADER}2,{NIGHT},1.00,0.5,".encode()) + gzip.compress(CHUNK) * times


def test_a_gzip_bomb_stops_its_source_early(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    deliver(project, f"{FILE}.gz", packed_line(160))
    cost = run_measured(buho.at(project), tmp_path, "run", "--night", NIGHT)
    said = cost.outcome.expect(1).said
    assert "unpacks to more than 300 times its size" in said
    assert "raise `format.max_unpack_ratio` in its contract" in said
    assert cost.peak_mib < MOST_MEMORY_MIB
    assert_good_went_on(buho.at(project))


def test_a_line_of_two_gib_is_one_row_in_quarantine(buho: Buho, tmp_path: Path):
    form, more = {"max_unpack_ratio": 5000}, {"tolerance": 0.5}
    project = write_project(tmp_path / "project", form, more)
    rest = f"\n1,{NIGHT},10.50,0.5,one\n"
    deliver(project, f"{FILE}.gz", packed_line(32) + gzip.compress(rest.encode()))
    at = buho.at(project)
    cost = run_measured(at, tmp_path, "run", "--night", NIGHT)
    cost.outcome.expect(0)
    assert cost.peak_mib < MOST_MEMORY_MIB
    assert total_of(at, "bad") == (1, "10.50")
    held = at.rows("select record, line, reason, length(raw) as kept from ops.quarantine")
    assert [(int(row["record"]), int(row["line"])) for row in held] == [(1, 2)]
    assert "longer than 1048576 bytes" in held[0]["reason"]
    assert int(held[0]["kept"]) <= 65536


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_hundred_thousand_columns_are_told_of_in_a_few_words(buho: Buho, tmp_path: Path, kind: str):
    project = write_project(tmp_path / "project", {"type": kind}, {"tolerance": 1.0})
    names = [f"c{number}" for number in range(COLUMNS)]
    if kind == "csv":
        row = f"1,{NIGHT},10.50,0.5,one" + ",1" * COLUMNS
        content = f"{HEADER.strip()},{','.join(names)}\n{row}\n"
    else:
        content = json.dumps({"id": "1", "day": NIGHT, "amount": 10.5, **dict.fromkeys(names, 1)}) + "\n"
    deliver(project, FILE, content.encode())
    at = buho.at(project)
    cost = run_measured(at, tmp_path, "run", "--night", NIGHT)
    cost.outcome.expect(0)
    assert len(cost.outcome.said) < MOST_SAID
    assert cost.peak_mib < MOST_MEMORY_MIB
    assert_good_went_on(at)
    # Text of more than a mebibyte is one record too long, in a row of JSON as in any other.
    rows = at.rows("select (select count(*) from bronze.bad) + (select count(*) from ops.quarantine) as n")
    assert int(rows[0]["n"]) == 1


def test_a_contract_is_not_inferred_for_columns_that_nobody_reads(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    wide = tmp_path / "wide.csv"
    wide.write_text(",".join(f"c{n}" for n in range(COLUMNS)) + "\n" + ",".join("1" * COLUMNS) + "\n")
    refused = buho.at(project)("source", "add", "wide", str(wide)).expect(2)
    assert f"has {COLUMNS} columns" in refused.said
    assert "sql/sources/wide.yml" in refused.said
    assert not (project / "sql" / "sources" / "wide.yml").exists()


PLACES = {
    "path": ["../outside/x_{date:%Y-%m-%d}.csv", "bad/../../x.csv", "/etc/passwd"],
    "table": ["bronze.../../x", "../x.y", "bronze.x/../../y", "bronze.x; drop table y"],
}


@pytest.mark.parametrize(
    ("key", "place"), [(key, place) for key, places in PLACES.items() for place in places]
)
def test_a_place_outside_is_refused_where_it_is_written(buho: Buho, tmp_path: Path, key: str, place: str):
    project = write_project(tmp_path / "project")
    file = project / "sql" / "sources" / "bad.yml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), key: place}, sort_keys=False))
    refused = buho.at(project).night(NIGHT).expect(2)
    assert f"bad.yml:{line_of(file, key)}" in refused.said
    assert place in refused.said
    assert not (project / "lake" / "bronze").exists()


def line_of(file: Path, key: str) -> int:
    lines = file.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(f"{key}:"))


def test_a_name_for_a_source_is_no_path(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    file = project / "raw" / "good" / f"good_{NIGHT}.csv"
    refused = buho.at(project)("source", "add", "../../evil", str(file)).expect(2)
    assert "cannot be a source's name" in refused.said


NESTED = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize("text", [NESTED, "[" * 200_000, "a: " * 100 + "b"], ids=["aliases", "lists", "keys"])
def test_a_yaml_bomb_is_a_mistake_on_a_line(buho: Buho, tmp_path: Path, text: str):
    project = write_project(tmp_path / "project")
    (project / "sql" / "sources" / "bad.yml").write_text(text)
    cost = run_measured(buho.at(project), tmp_path, "run", "--night", NIGHT)
    cost.outcome.expect(2)
    assert "sql/sources/bad.yml:" in cost.outcome.said
    assert "write it out, or split it" in cost.outcome.said or "mend the syntax" in cost.outcome.said
    assert cost.peak_mib < MOST_MEMORY_MIB


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_out_of_the_raw_folder_is_not_followed(buho: Buho, tmp_path: Path, what: str):
    project = write_project(tmp_path / "project")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / Path(FILE).name).write_text(CLEAN.replace("one", "a secret"))
    if what == "file":
        (project / "raw" / FILE).symlink_to(outside / Path(FILE).name)
    else:
        (project / "raw" / "bad").rmdir()
        (project / "raw" / "bad").symlink_to(outside)
    at = buho.at(project)
    outcome = at.night(NIGHT).expect(1)
    assert "is not in the raw folder" in outcome.said
    assert "deliver the file itself" in outcome.said
    assert_good_went_on(at)
    assert "a secret" not in outcome.said
    assert not any(
        b"a secret" in path.read_bytes() for path in (project / "lake").rglob("*") if path.is_file()
    )
    assert "is not in the raw folder" in at("doctor").expect(1, 2).said


def test_names_that_are_sql_and_formulas_are_data(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project", more={"tolerance": 0.5})
    name = f"bad/bad_{NIGHT}'; drop table marts.good_total; --\".csv"
    formula = "=cmd|' /C calc'!A0"
    deliver(project, name, f'{HEADER}1,{NIGHT},1.00,0.5,"{formula}"\n2,never,1.00,0.5,+SUM(A1)\n'.encode())
    at = buho.at(project)
    at.night(NIGHT).expect(0)
    assert at.rows("select _file, note from bronze.bad") == [{"_file": name, "note": formula}]
    assert name in at("quarantine", "show", "bad", "--file", name).expect(0).stdout
    nothing = at("quarantine", "discard", "bad", "--reason", "x", "--file", "x' or '1'='1").expect(2)
    assert "no row of file `x' or '1'='1` of bad is or was in quarantine" in nothing.said
    reason = "'; drop table marts.good_total; --"
    assert at("quarantine", "discard", "bad", "--reason", reason, "--file", name).stdout.startswith("1 row ")
    assert at.rows("select status, note from ops.quarantine") == [{"status": "discarded", "note": reason}]
    assert_good_went_on(at)
