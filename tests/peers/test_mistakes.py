"""The user's mistakes are found before anything runs: exit code 2, with file, line and the nearest name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.support.binary import Buho
from tests.peers.support.lake import tables
from tests.peers.support.tiny import NIGHT, columns, write_model, write_project


@dataclass(frozen=True)
class Mistake:
    """What is changed in a project that was right, and what must be said."""

    name: str
    make: Callable[[Path], object]
    says: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


def replaced(file: str, old: str, new: str) -> Callable[[Path], object]:
    def make(project: Path) -> None:
        path = project / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new))

    return make


def model(sql: str, kind: str = "BIGINT", **spec: object) -> Callable[[Path], object]:
    described = {"columns": [{"name": "n", "type": kind}], **spec}
    return lambda project: write_model(project, "marts.wrong", sql, described)


SETTINGS, CONTRACT = "buho.toml", "sql/sources/bad.yml"
MISTAKES = [
    Mistake(
        "unknown_setting",
        replaced(SETTINGS, "currency", "curency"),
        (r"buho\.toml:5", r"curency", r"currency"),
    ),
    Mistake("unknown_time_zone", replaced(SETTINGS, "Madrid", "Madird"), (r"buho\.toml:4", r"Europe/Madrid")),
    Mistake("broken_settings", replaced(SETTINGS, 'raw = "raw"', 'raw = "raw'), (r"buho\.toml:2",)),
    Mistake("unknown_pack", replaced(SETTINGS, "[]", '["comerce"]'), (r"buho\.toml:6", r"commerce")),
    Mistake(
        "unknown_key_of_a_contract",
        replaced(CONTRACT, "delivery:", "delivry:"),
        (r"bad\.yml:\d+", r"delivry", r"delivery"),
    ),
    Mistake(
        "unknown_delivery",
        replaced(CONTRACT, "delivery: append", "delivery: apend"),
        (r"bad\.yml:\d+", r"apend", r"append"),
    ),
    Mistake("unknown_type", replaced(CONTRACT, "DOUBLE", "DUOBLE"), (r"bad\.yml:\d+", r"DUOBLE", r"DOUBLE")),
    Mistake(
        "key_that_is_no_column",
        replaced(CONTRACT, "key:\n- id", "key:\n- ids"),
        (r"bad\.yml:\d+", r"`ids`", r"`?id`?"),
    ),
    Mistake(
        "unknown_table",
        model("select count(*) as n from staging.good_row\n"),
        (r"wrong\.sql:1", r"staging\.good_row\b", r"staging\.good_rows"),
    ),
    Mistake(
        "unknown_column",
        model("select\n    count(amuont) as n\nfrom staging.good_rows\n"),
        (r"wrong\.sql:2", r"amuont", r"amount"),
    ),
    Mistake("broken_sql", model("select count(* as n from staging.good_rows\n"), (r"wrong\.sql:1",)),
    Mistake(
        "the_clock",
        model("select count(*) as n from staging.good_rows where day < current_date\n"),
        (r"wrong\.sql:1", r"current_date", r"\$night"),
    ),
    Mistake(
        "another_type_than_declared",
        model("select count(*) as n from staging.good_rows\n", "INTEGER"),
        (r"wrong\.(sql|yml):\d+", r"INTEGER", r"BIGINT", r"CAST"),
    ),
    Mistake(
        "integer_division",
        model("select count(*) / 2 as n from staging.good_rows\n"),
        (r"wrong\.sql:1", r"CAST|NULLIF"),
    ),
    Mistake(
        "order_without_nulls",
        model("select row_number() over (order by id) as n from staging.good_rows\n"),
        (r"wrong\.sql:1", r"NULLS (FIRST|LAST)"),
    ),
    Mistake(
        "a_mart_that_is_a_view",
        model("select count(*) as n from staging.good_rows\n", materialized="view"),
        (r"wrong\.yml", r"view", r"table"),
    ),
    Mistake(
        "a_model_without_description",
        lambda project: (project / "sql" / "marts" / "alone.sql").write_text("select 1 as n\n"),
        (r"alone\.sql", r"yml"),
    ),
    Mistake(
        "models_in_a_circle",
        lambda project: (
            write_model(project, "core.a", "select id from core.b\n", {"columns": columns("id")}),
            write_model(project, "core.b", "select id from core.a\n", {"columns": columns("id")}),
        ),
        (r"core\.a", r"core\.b", r"circle|cycle"),
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_is_named_with_its_place_before_anything_runs(mistake: Mistake, buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    mistake.make(project)
    outcome = buho.at(project).night(NIGHT).expect(2)
    for pattern in mistake.says:
        assert re.search(pattern, outcome.said), f"nothing said matches {pattern!r}\n{outcome}"
    assert not tables(project / "lake"), "something ran"


def test_all_mistakes_are_said_at_once(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    replaced(SETTINGS, "currency", "curency")(project)
    replaced(CONTRACT, "delivery:", "delivry:")(project)
    outcome = buho.at(project).night(NIGHT).expect(2)
    assert "curency" in outcome.said
    assert "delivry" in outcome.said


def test_a_night_that_is_no_date_is_a_mistake(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    outcome = buho.at(project)("run", "--night", "2026-02-31").expect(2)
    assert "2026-02-31" in outcome.said


def test_a_folder_without_a_project_says_what_to_do(buho: Buho, tmp_path: Path):
    outcome = buho.at(tmp_path).night(NIGHT).expect(2)
    assert "buho.toml" in outcome.said
    assert "init" in outcome.said


def test_a_setting_of_the_environment_wins_over_the_file(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    elsewhere = tmp_path / "elsewhere"
    buho.at(project, lake=elsewhere).night(NIGHT).expect(0)
    assert "marts.good_total" in tables(elsewhere)
    assert not (project / "lake").exists()


def test_a_run_that_could_not_begin_says_so_in_the_result_line_too(buho: Buho, tmp_path: Path):
    project = write_project(tmp_path / "project")
    write_model(
        project, "marts.wrong", "select no_such_column from staging.good_rows\n", {"columns": columns("id")}
    )
    refused = buho.at(project)("run", "--night", NIGHT, "--format", "json").expect(2)
    assert refused.result["status"] == "failed"
    assert refused.result["exit_kind"] == "user"
    assert refused.result["night"] == NIGHT
    assert "no_such_column" in refused.result["failed"]["message"]
    assert refused.result["nodes"] == {"built": 0, "skipped": 0, "held": 0, "failed": 0}


@pytest.mark.parametrize(
    "arguments",
    [("run", "--night", ""), ("publish", "--night", "31-01-2026"), ("run", "--threads", "x")],
    ids=" ".join,
)
def test_a_run_whose_arguments_cannot_be_read_says_so_in_the_result_line_too(
    buho: Buho, tmp_path: Path, arguments: tuple[str, ...]
):
    project = write_project(tmp_path / "project")
    refused = buho.at(project)(*arguments, "--format", "json").expect(2)
    assert (refused.result["status"], refused.result["exit_kind"]) == ("failed", "user")
    assert arguments[1] in refused.result["failed"]["message"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("maintain",),
        ("quarantine", "replay", "bad"),
        ("releases", "diff", NIGHT),
    ],
    ids=" ".join,
)
def test_what_another_command_could_not_do_is_said_as_json_where_json_was_asked_for(
    buho: Buho, tmp_path: Path, arguments: tuple[str, ...]
):
    project = write_project(tmp_path / "project")
    replaced(SETTINGS, "Madrid", "Madird")(project)
    refused = buho.at(project)(*arguments, "--format", "json").expect(2)
    assert (refused.result["status"], refused.result["exit_kind"]) == ("failed", "user")
    assert "Europe/Madrid" in refused.result["failed"]["message"]
