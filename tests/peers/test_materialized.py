"""Tables that build on their rows before, from outside: strangers' readers, stages as tasks, nights again."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

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


def test_a_backfill_from_the_newer_night_to_the_older_is_refused_with_the_command(buho: Buho, project: Path):
    refused = buho.at(project)("backfill", "--from", night(2), "--to", night(0)).expect(2)
    assert f"--from {night(0)} --to {night(2)}" in refused.said
