"""Every model of sql/ is run unchanged by DuckDB on the same input tables, with the same rows."""

import gzip
import math
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from tests.peers.conftest import Night
from tests.peers.support.duck import DuckPeer
from tests.peers.support.lake import tables
from tests.peers.support.multiset import difference
from tests.peers.support.places import PROJECTS
from tests.peers.support.project import Model, SqlProject, load

EXCEPTIONS_FILE = Path(__file__).with_name("exceptions.yml")
EXCEPTIONS = {entry["model"]: entry["reason"] for entry in yaml.safe_load(EXCEPTIONS_FILE.read_text())}
SHARE_OF_EXCEPTIONS = 0.05


def standard_models() -> dict[str, Model]:
    return load().models


def compare(model: Model, peer: DuckPeer, nights: Night, folder: Path) -> str | None:
    """None when both engines give the same rows of the model."""
    file = None
    if model.is_view:
        file = nights.buho.parquet(f"select * from {model.name}", folder / "view.parquet")
    ours = peer.published(model, file)
    theirs = peer.result(model)
    return difference(peer.connection, ours, theirs, model.columns)


def run_all(nights: Night, project: SqlProject, names: list[str], folder: Path) -> dict[str, str]:
    """Differences by model; one DuckDB for all, so that an input is read once."""
    peer = DuckPeer(project, nights.lake, date.fromisoformat(nights.night))
    found = {}
    for name in names:
        try:
            said = compare(project.models[name], peer, nights, folder)
        except Exception as problem:
            said = f"{type(problem).__name__}: {problem}"
        if said:
            found[name] = said
    return found


def report(found: dict[str, str]) -> str:
    return "\n".join(f"{name}: {said}" for name, said in found.items())


def test_every_standard_model_gives_the_same_rows_in_duckdb_on_the_demo(demo: Night, tmp_path: Path):
    project = load(demo.project if (demo.project / "sql").is_dir() else None)
    names = [name for name in standard_models() if name not in EXCEPTIONS]
    assert names, "sql/ holds no models"
    found = run_all(demo, project, names, tmp_path)
    assert not found, f"{len(found)} of {len(names)} models differ\n{report(found)}"


def without_every_third_record(file: Path) -> None:
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    kept = [line for number, line in enumerate(lines) if number == 0 or number % 3]
    assert len(kept) < len(lines), f"{file} has too few records to lose one"
    file.write_bytes(gzip.compress(b"".join(kept)))


def test_late_and_corrected_deliveries_leave_the_rows_of_one_query_over_all(demo: Night, tmp_path: Path):
    """Three nights: a whole one, one without some files, one that gets them and corrections."""
    folder, last = tmp_path / "shop", date.fromisoformat(demo.night)
    shutil.copytree(demo.project, folder, ignore=shutil.ignore_patterns("lake"))
    first, second = (last - timedelta(days=days) for days in (2, 1))
    lake, late = folder / "lake", tmp_path / "late"
    late.mkdir()
    at = demo.buho.at(folder)
    select = ["--select", "layer:staging layer:core layer:marts"]
    for night in (first, second, last):
        for source in ("shipments", "payments", "messages", "customers"):
            name = f"{source}_{second}.csv.gz"
            if night == second:
                shutil.move(folder / "raw" / source / name, late / name)
            elif night == last:
                shutil.move(late / name, folder / "raw" / source / name)
        if night == last:
            for source in ("orders", "order_items", "shipments", "messages"):
                without_every_third_record(folder / "raw" / source / f"{source}_{first}.csv.gz")
        at.night(str(night), *select).expect(0)
    nights = Night(at, folder, folder / "raw", lake, str(last), demo.outcome)
    project, built = load(folder if (folder / "sql").is_dir() else None), tables(lake)
    names = [
        name
        for name, model in standard_models().items()
        if name not in EXCEPTIONS and (name in built or model.is_view) and not name.startswith("features.")
    ]
    assert len(names) > 60, "what is compared was not built"
    found = run_all(nights, project, names, tmp_path)
    assert not found, f"{len(found)} of {len(names)} models differ\n{report(found)}"


@pytest.mark.data
@pytest.mark.parametrize("nights", ["online_retail", "complete_journey"], indirect=True)
def test_every_model_gives_the_same_rows_in_duckdb_on_real_exports(nights: Night, tmp_path: Path):
    project = load(PROJECTS / nights.project.name)
    names = [name for name in project.models if name not in EXCEPTIONS]
    found = run_all(nights, project, names, tmp_path)
    assert not found, f"{len(found)} of {len(names)} models differ\n{report(found)}"


def test_the_demo_gives_most_models_rows_to_compare(demo: Night):
    """Guards the test above: two empty tables are always equal."""
    names = standard_models()
    counts = {name: demo.buho.rows(f"select count(*) as n from {name}")[0]["n"] for name in names}
    empty = sorted(name for name, count in counts.items() if int(count) == 0)
    assert len(empty) <= 0.1 * len(names), f"the demo leaves these empty: {empty}"


def test_exceptions_are_few_and_each_has_a_reason():
    models = standard_models()
    assert set(EXCEPTIONS) <= set(models), "an exception names a model that does not exist"
    assert all(len(reason) > 20 for reason in EXCEPTIONS.values())
    assert len(EXCEPTIONS) <= math.floor(SHARE_OF_EXCEPTIONS * len(models))
