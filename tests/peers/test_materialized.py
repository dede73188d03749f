"""Tables that build on their rows before, from outside: strangers' readers, stages as tasks, nights again."""

import json
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import polars
import pyarrow
import pytest

from tests.peers.support import tiny
from tests.peers.support.binary import Buho
from tests.peers.support.lake import duckdb_with_delta

FIRST = date.fromisoformat(tiny.NIGHT)
COLUMNS = tiny.columns("id", "day", "amount")
WINDOW = "select id, day, amount from staging.good_rows where day >= $window_start and day < $window_end\n"
SINCE = [{"name": name, "type": "DATE"} for name in ("valid_from", "valid_to")]
MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "core.by_window": (
        WINDOW,
        {
            "materialized": "incremental",
            "incremental": {"time": "day"},
            "partition_by": ["day"],
            "sort": ["id"],
            "columns": COLUMNS,
        },
    ),
    "core.by_key": (
        WINDOW,
        {"materialized": "merge", "merge": {"time": "day"}, "key": ["id"], "columns": COLUMNS},
    ),
    "core.states": (
        "select id, amount from staging.good_rows where day = $night\n",
        {"materialized": "scd2", "key": ["id"], "columns": [*tiny.columns("id", "amount"), *SINCE]},
    ),
}
ROWS = [
    [("a", "1.25"), ("b", "2.50")],
    [("b", "3.00"), ("c", "4.00")],
    [("a", "1.25"), ("c", "5.00")],
]
TOTALS = {"core.by_window": Decimal("17.00"), "core.by_key": Decimal("9.25"), "core.states": Decimal("17.00")}


# By the night of the delivery, and a table over that in the same windows.
DELIVERED = [*COLUMNS, {"name": "delivered_on", "type": "DATE"}]
BY_DELIVERY: dict[str, tuple[str, dict[str, object]]] = {
    "staging.good_deliveries": (
        "select id, day, amount, _night as delivered_on from bronze.good\n",
        {"materialized": "view", "columns": DELIVERED},
    ),
    "core.by_delivery": (
        "select id, day, amount, delivered_on from staging.good_deliveries\n"
        "where delivered_on >= $window_start and delivered_on < $window_end\n",
        {
            "materialized": "incremental",
            "incremental": {"time": "delivered_on"},
            "partition_by": ["delivered_on"],
            "columns": DELIVERED,
        },
    ),
    "marts.by_delivery": (
        "select delivered_on, count(*) as n from core.by_delivery\n"
        "where delivered_on >= $window_start and delivered_on < $window_end group by delivered_on\n",
        {
            "materialized": "incremental",
            "incremental": {"time": "delivered_on"},
            "columns": [{"name": "delivered_on", "type": "DATE"}, {"name": "n", "type": "BIGINT"}],
        },
    ),
}


def night(number: int) -> str:
    return str(FIRST + timedelta(days=number))


def deliver(project: Path, number: int) -> None:
    lines = [f"{key},{night(number)},{amount}" for key, amount in ROWS[number]]
    tiny.deliver(
        project,
        f"good/good_{night(number)}.csv",
        ("id,day,amount\n" + "\n".join(lines) + "\n").encode(),
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tiny.write_project(tmp_path / "project")
    for name, (sql, spec) in MODELS.items():
        tiny.write_model(folder, name, sql, spec)
    deliver(folder, 0)
    return folder


def total(at: Buho, table: str) -> Decimal:
    return Decimal(at.rows(f"select cast(sum(amount) as varchar) as total from {table}")[0]["total"])


def file_of(number: int, note: str = "") -> str:
    return f"good/good_{night(number)}{note}.csv"


def plan_of(at: Buho, number: int) -> dict[str, dict[str, Any]]:
    """What `buho plan` says of each node."""
    plan = at("plan", "--night", night(number), "--format", "json").expect(0).result
    return {node["node"]: node for node in plan["nodes"]}


def windows_of(node: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(windows["first"], windows["last"], windows["why"]) for windows in node["windows"]]


def partitions(table: Path) -> dict[str, set[str]]:
    """The files of each partition by delivery."""
    found: dict[str, set[str]] = {}
    for row in pyarrow.table(deltalake.DeltaTable(str(table)).get_add_actions(flatten=True)).to_pylist():
        found.setdefault(str(row["partition.delivered_on"]), set()).add(row["path"])
    return found


def totals_by_strangers(folder: Path) -> set[Decimal]:
    duck = duckdb_with_delta().execute(f"select sum(amount) from delta_scan('{folder}')").fetchone()
    arrow = deltalake.DeltaTable(str(folder)).to_pyarrow_table()
    return {
        duck[0],
        polars.scan_delta(str(folder)).collect()["amount"].sum(),
        sum(arrow["amount"].to_pylist()),
    }


def test_strangers_read_tables_by_window_by_key_and_with_history(buho: Buho, project: Path):
    at = buho.at(project)
    for number in range(len(ROWS)):
        deliver(project, number)
        at.night(night(number)).expect(0)
    for name, expected in TOTALS.items():
        folder = project / "lake" / name.replace(".", "/")
        assert totals_by_strangers(folder) == {expected} == {total(at, name)}, name


def test_a_partition_is_read_by_strangers_without_the_others(buho: Buho, project: Path):
    at = buho.at(project)
    for number in range(len(ROWS)):
        deliver(project, number)
        at.night(night(number)).expect(0)
    folder = project / "lake" / "core" / "by_window"
    table = deltalake.DeltaTable(str(folder))
    assert table.metadata().partition_columns == ["day"]
    partitions = pyarrow.table(table.get_add_actions(flatten=True)).column("partition.day").to_pylist()
    assert sorted(map(str, partitions)) == [night(number) for number in range(len(ROWS))]
    query = f"select id, amount, day from delta_scan('{folder}') where day = '{night(1)}' order by id"
    expected = [(key, Decimal(amount), FIRST + timedelta(days=1)) for key, amount in ROWS[1]]
    assert duckdb_with_delta().execute(query).fetchall() == expected
    lazy = polars.scan_delta(str(folder)).filter(polars.col("day") == FIRST + timedelta(days=1))
    assert lazy.select("id").collect()["id"].sort().to_list() == [key for key, _ in ROWS[1]]


def test_what_another_program_deletes_is_noticed_and_each_table_has_its_way_out(buho: Buho, project: Path):
    at = buho.at(project)
    at.night(night(0)).expect(0)
    for name in MODELS:
        deltalake.DeltaTable(str(project / "lake" / name.replace(".", "/"))).delete("id = 'a'")
    deliver(project, 1)
    run = at.night(night(1)).expect(1)
    for name in MODELS:
        assert f"of {name} was committed by delta-rs:" in run.stderr
    # Readers of releases see what was audited.
    assert {total(at, name) for name in MODELS} == {Decimal("3.75")}
    rebuilt = ["core.by_window", "core.by_key"]
    at("run", "--night", night(1), "--select", " ".join(rebuilt), "--full-refresh")
    assert [total(at, name) for name in rebuilt] == [Decimal("10.75"), Decimal("8.25")]
    # A history is not built anew: the entry goes.
    log = project / "lake" / "core" / "states" / "_delta_log"
    assert f"take `_delta_log/{newest(log).name}` out of its folder" in run.stderr
    newest(log).unlink()
    at.night(night(1)).expect(0)
    at.night(night(1)).expect(0)
    assert total(at, "core.states") == Decimal("10.75")


def newest(log: Path) -> Path:
    return max(log.glob("*.json"))


def test_a_night_is_run_as_three_tasks_of_an_orchestrator(buho: Buho, project: Path):
    at = buho.at(project)
    stage = ["--night", tiny.NIGHT, "--format", "json"]
    too_early = at("publish", *stage).expect(2)
    assert "buho ingest" in too_early.said or "buho build" in too_early.said
    assert at("ingest", *stage).expect(0).result["status"] == "done"
    built = at("build", *stage).expect(0).result
    assert built["release"] is None
    assert built["nodes"]["built"] > 0
    assert at("publish", *stage).expect(0).result["release"] == f"{tiny.NIGHT}.1"
    for command in ("ingest", "build", "publish"):
        at(command, *stage, "--skip-code").expect(99)


def test_a_backfill_of_nights_long_past_gives_the_history_of_running_them_in_order(
    buho: Buho, tmp_path: Path
):
    histories = []
    for order in ([0, 1, 2], [2]):
        folder = tiny.write_project(tmp_path / str(len(order)))
        for name, (sql, spec) in MODELS.items():
            tiny.write_model(folder, name, sql, spec)
        for number in range(len(ROWS)):
            deliver(folder, number)
        at = buho.at(folder)
        for number in order:
            at.night(night(number)).expect(0)
        at("backfill", "--from", night(0), "--to", night(2)).expect(0)
        histories.append(
            at.rows("select id, amount, valid_from, valid_to from core.states order by id, valid_from")
        )
    assert histories[0] == histories[1]
    assert len(histories[0]) == 6, histories[0]


def test_a_backfill_says_what_each_night_came_to_and_what_all_of_them_did(buho: Buho, tmp_path: Path):
    folder = tiny.write_project(tmp_path / "project")
    for number in range(len(ROWS)):
        deliver(folder, number)
    nights = ["--from", night(0), "--to", night(2)]
    told = buho.at(folder)("backfill", *nights).expect(0).stdout.splitlines()
    assert [line[:10] for line in told[:3]] == [night(0), night(1), night(2)]
    assert all(re.search(r"done +\d+\.\d s", line) for line in told[:3]), told
    assert told[3].startswith(f"3 of 3 nights, {night(0)} to {night(2)}: 3 done, 0 partial"), told

    together = buho.at(folder, lake=tmp_path / "other")(
        "backfill", *nights, "--at-once", "2", "--format", "json"
    )
    lines = [json.loads(line) for line in together.expect(0).stdout.splitlines()]
    assert [line.get("night") for line in lines] == [night(0), night(1), night(2), None]
    assert (lines[0]["with"], lines[0]["run_id"]) == (night(1), lines[1]["run_id"])
    assert lines[3]["nights"] == {"asked": 3, "done": 3, "partial": 0, "failed": 0, "skipped": 0}
    assert (lines[3]["status"], lines[3]["release"]) == ("done", f"{night(2)}.1")


def test_a_backfill_whose_last_night_fails_again_does_not_say_that_of_nights_released_before(
    buho: Buho, tmp_path: Path
):
    folder = tiny.write_project(tmp_path / "project")
    at = buho.at(folder)
    for number in range(len(ROWS)):
        deliver(folder, number)
        at.night(night(number)).expect(0)
    (broken,) = folder.glob(f"raw/**/*{night(2)}*")
    broken.write_text("junk\n")
    at.night(night(2)).expect(1)
    again = ("backfill", "--from", night(1), "--to", night(2))
    said = at(*again).expect(1).stdout.splitlines()
    assert said[0] == f"{night(1)}  stands   as released before; looked at with {night(2)}"
    assert said[1].startswith(f"{night(2)}  partial")
    assert "0 done, 1 partial, 0 failed, 1 skipped" in said[-1]
    lines = [json.loads(line) for line in at(*again, "--format", "json").expect(1).stdout.splitlines()]
    assert [line["status"] for line in lines[:2]] == ["skipped", "partial"]
    assert lines[1]["release"] == f"{night(2)}.2"


def test_a_backfill_from_the_newer_night_to_the_older_is_refused_with_the_command(buho: Buho, project: Path):
    refused = buho.at(project)("backfill", "--from", night(2), "--to", night(0)).expect(2)
    assert f"--from {night(0)} --to {night(2)}" in refused.said


def test_plan_names_the_windows_that_a_run_builds_and_says_what_it_cannot_know(buho: Buho, project: Path):
    for name, (sql, spec) in BY_DELIVERY.items():
        tiny.write_model(project, name, sql, spec)
    at = buho.at(project)
    first = plan_of(at, 0)["core.by_delivery"]
    assert [windows["first"] for windows in first["windows"]] == [None], first
    for number in range(len(ROWS)):
        deliver(project, number)
        at.night(night(number)).expect(0)
    assert all(not node["windows"] and not node["unknown"] for node in plan_of(at, 2).values())

    header = "id,day,amount\n"
    tiny.deliver(project, file_of(3), f"{header}a,{night(3)},9.00\nb,{night(2)},8.00\n".encode())
    tiny.deliver(project, file_of(1), f"{header}b,{night(1)},7.00\n".encode())
    tiny.deliver(project, file_of(0, "-late"), f"{header}z,{night(0)},6.00\n".encode())
    expected = [
        (night(0), night(0), f"late delivery: {file_of(0, '-late')}"),
        (night(1), night(1), f"corrected delivery: {file_of(1)}"),
        (night(3), night(3), f"new data: {file_of(3)}"),
    ]
    before = plan_of(at, 3)
    for table in ("core.by_delivery", "marts.by_delivery"):
        assert windows_of(before[table]) == expected, table
        assert before[table]["unknown"] == [], table
    # By the day of the rows: of files that are not loaded nobody knows them, of those that go everybody.
    by_day = before["core.by_window"]
    assert windows_of(by_day) == [(night(1), night(1), f"corrected delivery: {file_of(1)}")]
    assert len(by_day["unknown"]) == 3, by_day
    said = at("plan", "--night", night(3)).expect(0).said
    assert f"window {night(1)}: corrected delivery: {file_of(1)}" in said
    assert f"known only in the run: the days of the rows in {file_of(3)}" in said

    # Loaded and not built yet: now the days are known.
    at("ingest", "--night", night(3)).expect(0)
    by_day = plan_of(at, 3)["core.by_window"]
    table = "staging.good_rows"
    assert windows_of(by_day) == [
        (night(0), night(0), f"late rows in {table}"),
        (night(1), night(1), f"corrected rows in {table}"),
        (night(2), night(2), f"late rows in {table}"),
        (night(3), night(3), f"new data in {table}"),
    ]
    assert by_day["unknown"] == []

    folder = project / "lake" / "core" / "by_delivery"
    files = partitions(folder)
    at.night(night(3)).expect(0)
    changed = {day for day, paths in partitions(folder).items() if paths != files.get(day)}
    assert changed == {first for first, _, _ in expected}


def test_plan_says_that_a_changed_model_is_built_in_all_windows(buho: Buho, project: Path):
    at = buho.at(project)
    at.night(night(0)).expect(0)
    sql, spec = MODELS["core.by_window"]
    tiny.write_model(
        project,
        "core.by_window",
        sql.replace("amount from", "cast(amount * 2 as decimal(18, 2)) as amount from"),
        spec,
    )
    node = plan_of(at, 0)["core.by_window"]
    assert node["action"] == "build"
    assert [windows["why"] for windows in node["windows"]] == [
        "its SQL or columns changed, or those of a view that it reads, or the `event_time` of a source"
    ]
    assert f"all windows: {node['windows'][0]['why']}" in at("plan", "--night", night(0)).expect(0).said
