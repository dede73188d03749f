"""A lake that another version wrote is read, planned for and built on.

`tests/fixtures/lakes` has one of each.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.lakes import make
from tests.peers.support.binary import Buho
from tests.peers.support.lake import commits

LAKES = sorted(path.parent for path in make.FOLDER.glob("*/expected.json"))
MODELS = ["marts.by_city", "core.by_day", "core.latest", "core.states"]
# The third night's, by hand: b moved to Olot, c came back, d never fitted.
AFTER = {
    "marts.by_city": [("Jaca", 1.0), ("Olot", 12.0), ("Ronda", 3.0)],
    "core.by_day": [("2026-01-30", 3), ("2026-01-31", 3), ("2026-02-01", 2)],
}


@pytest.fixture(params=LAKES, ids=lambda path: path.name)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(request.param, folder)
    return folder


def plan_of(at: Buho, night: str) -> dict[str, dict[str, Any]]:
    plan = at("plan", "--night", night, "--format", "json").expect(0).result
    return {node["node"]: node for node in plan["nodes"]}


def test_there_is_a_lake_of_a_version():
    assert LAKES, "tests/fixtures/lakes has no lake: python -m tests.fixtures.lakes.make"


def test_every_table_has_the_rows_that_its_own_version_saw(buho: Buho, project: Path):
    assert make.rows_of(buho.at(project)) == json.loads((project / "expected.json").read_text())


def test_the_night_that_was_run_is_not_run_again(buho: Buho, project: Path):
    at = buho.at(project)
    before = commits(project / "lake")
    empty = at.with_environment(BUHO_RAW=str(nowhere(project)))
    # What an earlier version's audits asked is not written down: they are asked once more.
    for node, plan in plan_of(empty, make.NIGHTS[1]).items():
        assert plan["action"] in ({"view"} if node == "staging.moves" else {"skip", "audit"}), (node, plan)
    # The exports are copies with dates of their own: only who reads them sees that their content is known.
    result = at.night(make.NIGHTS[1]).expect(0).result
    assert result["rows"]["ingested"] == 0, result
    after = commits(project / "lake")
    assert {name for name in MODELS if after[name] != before[name]} == set()


def nowhere(project: Path) -> Path:
    """A raw location without a file: all that is known is in the lake."""
    folder = project / "nothing"
    folder.mkdir()
    return folder


def test_the_next_night_gives_the_rows_of_a_lake_of_today(buho: Buho, project: Path, tmp_path: Path):
    shutil.copytree(project / "next", project / "raw", dirs_exist_ok=True)
    at = buho.at(project)
    planned = plan_of(at, make.NIGHTS[2])
    assert all(planned[name]["action"] == "build" for name in MODELS), planned
    windows = planned["core.by_day"]["windows"]
    # All windows, where the engine is another by now.
    assert windows[-1]["last"] in {make.NIGHTS[2], None}, windows
    outcome = at.night(make.NIGHTS[2]).expect(0)
    assert outcome.result["rows"]["ingested"] == 2
    rows = make.rows_of(at)
    assert sorted((row["city"], row["paid"]) for row in rows["marts.by_city"]) == AFTER["marts.by_city"]
    assert sorted((row["moved_on"], row["lines"]) for row in rows["core.by_day"]) == AFTER["core.by_day"]

    fresh = buho.at(project, lake=tmp_path / "fresh")
    for night in make.NIGHTS:
        fresh.night(night).expect(0)
    of_today = make.rows_of(fresh)
    assert {name: rows[name] for name in MODELS} == {name: of_today[name] for name in MODELS}
    held = "select count(*) as n from ops.quarantine where status = 'held'"
    assert at.rows(held) == fresh.rows(held) == [{"n": 1}]


def test_a_changed_model_is_said_with_what_reads_it_and_what_moved(buho: Buho, project: Path):
    at = buho.at(project, raw=nowhere(project))
    place = project / "sql" / "core" / "latest.sql"
    place.write_text(
        place.read_text().replace("paid, gone", "cast(paid * 2 as decimal(18, 2)) as paid, gone")
    )
    place = project / "sql" / "marts" / "by_city.yml"
    spec = yaml.safe_load(place.read_text())
    spec["columns"].append(make.LINES)
    place.write_text(yaml.safe_dump(spec))
    place = place.with_suffix(".sql")
    place.write_text(place.read_text().replace(" from core", ", count(*) as lines from core"))
    planned = plan_of(at, make.NIGHTS[1])
    assert {name for name, node in planned.items() if node["action"] == "build"} == {
        "core.latest",
        "marts.by_city",
    }
    assert planned["core.latest"]["why"] == "its SQL or columns changed"
    assert any("lines" in change for change in planned["marts.by_city"]["columns"]), planned["marts.by_city"]
    released = at.night(make.NIGHTS[1]).expect(0).result["release"]
    moved = at("releases", "diff", f"{make.NIGHTS[1]}.1", released).expect(0).said
    assert "+ lines BIGINT" in moved
    assert "sum of paid: 10.75 -> 21.50" in moved
