"""Features of a past night are the same whenever they are computed: that night, or later from a spine."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.peers.conftest import Night
from tests.peers.support import cut
from tests.peers.support.binary import Buho
from tests.peers.support.multiset import difference
from tests.peers.support.places import STANDARD_SQL
from tests.peers.support.project import load

FEATURES = "features.customer_night"
BUYING = STANDARD_SQL / "features" / "commerce" / "customer_buying.sql"


def columns() -> dict[str, str]:
    return load().models[FEATURES].columns


def back(night: str, days: int) -> str:
    return str(date.fromisoformat(night) - timedelta(days=days))


def new_project(demo: Night, folder: Path) -> Path:
    """The demo's project without its tables."""
    folder.mkdir()
    shutil.copy2(demo.project / "buho.toml", folder / "buho.toml")
    return folder


def swap_spine(project: Path, run: str, nights: list[str]) -> None:
    """Customers of many nights instead of tonight's; none for other nights, so that nothing is learnt."""
    source = STANDARD_SQL / "features" / "commerce" / "customer_spine"
    target = project / "sql" / "features" / "commerce"
    target.mkdir(parents=True, exist_ok=True)
    (target / "customer_spine.yml").write_text(
        source.with_suffix(".yml").read_text().split("tests:")[0], encoding="utf-8"
    )
    values = ", ".join(f"(date '{night}')" for night in nights)
    (target / "customer_spine.sql").write_text(
        "select firsts.customer_id, cast(nights.night as date) as night\n"
        f"from core.int_customer_firsts as firsts cross join (values {values}) as nights (night)\n"
        f"where firsts.first_seen_on <= nights.night and $night = date '{run}'\n",
        encoding="utf-8",
    )


def rows_of(buho: Buho, night: str, file: Path) -> Path:
    """The features of one night as a Parquet file."""
    return buho.parquet(f"select * from {FEATURES} where night = date '{night}'", file)


def assert_same(one: Buho, other: Buho, night: str, folder: Path) -> None:
    files = [rows_of(at, night, folder / f"{name}.parquet") for name, at in (("one", one), ("other", other))]
    said = differ(*files)
    assert said is None, said


def differ(one: Path, other: Path) -> str | None:
    connection = duckdb.connect()
    for name, file in (("one", one), ("other", other)):
        connection.execute(f"create table {name} as select * from '{file}'")
        count = connection.execute(f"select count(*) from {name}").fetchone()[0]
        assert count > 0, f"{file} has no rows to compare"
    return difference(connection, "one", "other", columns())


@pytest.fixture(scope="module")
def past(demo: Night) -> list[str]:
    """Four past nights and the last."""
    return [back(demo.night, days) for days in (240, 120, 45, 1)] + [demo.night]


@pytest.fixture(scope="module")
def later(demo: Night, past: list[str], tmp_path_factory: pytest.TempPathFactory) -> Buho:
    """All nights' features from all exports, in one pass over a spine of all."""
    project = new_project(demo, tmp_path_factory.mktemp("later") / "shop")
    swap_spine(project, demo.night, past)
    at = demo.buho.at(project, raw=demo.raw, lake=project / "lake")
    at.night(demo.night).expect(0)
    return at


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_past_night_from_exports_cut_by_event_time_has_the_same_features(
    demo: Night, past: list[str], later: Buho, place: int, tmp_path: Path
):
    """Orders lose their status and carts what became of them: a feature that reads a later state shows."""
    night = past[place]
    project = new_project(demo, tmp_path / "shop")
    swap_spine(project, night, [night])
    raw = cut.by_event(demo.raw, tmp_path / "raw", night)
    then = demo.buho.at(project, raw=raw, lake=project / "lake")
    then.night(night).expect(0)
    assert_same(then, later, night, tmp_path)


def test_a_past_night_from_the_deliveries_of_that_night_has_the_same_features(
    demo: Night, past: list[str], later: Buho, tmp_path: Path
):
    night = past[-2]
    raw = tmp_path / "raw"
    ignored = shutil.ignore_patterns(f"*_{demo.night}*")
    shutil.copytree(demo.raw, raw, ignore=ignored)
    assert sum(1 for _ in raw.rglob("*.gz")) < sum(1 for _ in demo.raw.rglob("*.gz"))
    project = new_project(demo, tmp_path / "shop")
    then = demo.buho.at(project, raw=raw, lake=project / "lake")
    then.night(night).expect(0)
    assert_same(then, later, night, tmp_path)


def test_a_spine_of_many_nights_gives_the_last_night_what_its_own_run_gave(
    demo: Night, later: Buho, tmp_path: Path
):
    own = rows_of(demo.buho, demo.night, tmp_path / "own.parquet")
    said = differ(own, rows_of(later, demo.night, tmp_path / "later.parquet"))
    assert said is None, said


LEAKS = {
    "an order of next week": ("purchases.day <= spine.night", "purchases.day <= spine.night + 7"),
    "the next order as the last": (
        "max(day) - max(case when not is_last then day end)",
        "max(case when is_last then cast(next_day - day as integer) end)",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_planted_leak_shows(demo: Night, past: list[str], leak: str, tmp_path: Path):
    """Guards the tests above: features that read tomorrow differ from those of the exports cut that night."""
    text, (honest, leaking) = BUYING.read_text(), LEAKS[leak]
    assert honest in text
    text = text.replace(honest, leaking)
    handed_on = "purchases.last_channel,"
    assert handed_on in text
    text = text.replace(handed_on, f"{handed_on} purchases.next_day,")
    night = past[2]
    found = {}
    for name, raw, run in (
        ("then", cut.by_event(demo.raw, tmp_path / "raw", night), night),
        ("later", demo.raw, demo.night),
    ):
        project = new_project(demo, tmp_path / name)
        swap_spine(project, run, [night])
        target = project / "sql" / "features" / "commerce"
        (target / "customer_buying.sql").write_text(text, encoding="utf-8")
        yml = BUYING.with_suffix(".yml").read_text().split("tests:")[0]
        (target / "customer_buying.yml").write_text(yml, encoding="utf-8")
        without_audits(target)
        at = demo.buho.at(project, raw=raw, lake=project / "lake")
        at.night(run).expect(0)
        found[name] = rows_of(at, night, tmp_path / f"{name}.parquet")
    assert differ(found["then"], found["later"]) is not None


def without_audits(target: Path) -> None:
    """The leak is to be found by the comparison, not by the audits that find some of its traces."""
    source = STANDARD_SQL / "features" / "commerce" / "customer_night"
    shutil.copy2(source.with_suffix(".sql"), target / "customer_night.sql")
    yml = source.with_suffix(".yml").read_text().split("audits:")[0]
    (target / "customer_night.yml").write_text(yml, encoding="utf-8")


def test_the_demo_looks_two_months_ahead(demo: Night):
    row = demo.buho.rows("select horizon_days, gaps from features.purchase_horizon")[0]
    assert int(row["gaps"]) > 100
    assert int(row["horizon_days"]) == 60


@pytest.mark.data
@pytest.mark.parametrize(
    ("nights", "horizon", "gap"),
    [("online_retail", 60, 70), ("complete_journey", 30, 20)],
    indirect=["nights"],
)
def test_real_businesses_have_horizons_of_their_own(nights: Night, horizon: int, gap: int):
    row = nights.buho.rows("select horizon_days, long_gap_days from features.purchase_horizon")[0]
    assert (int(row["horizon_days"]), int(row["long_gap_days"])) == (horizon, gap)


@pytest.mark.data
def test_customers_of_the_first_month_are_not_new(online_retail: Night):
    """The log of this business starts mid-life: 885 of its 4,338 customers appear in the first month."""
    row = online_retail.buho.rows(
        "select count(*) as known, sum(case when is_truncated then 1 else 0 end) as truncated"
        f" from {FEATURES} where orders > 0"
    )[0]
    assert int(row["known"]) == 4_338
    assert int(row["truncated"]) == 885


@pytest.mark.data
def test_data_that_begins_later_makes_more_customers_no_new_ones(online_retail: Night, tmp_path: Path):
    project, lake = tmp_path / "shop", tmp_path / "lake"
    shutil.copytree(online_retail.project, project)
    shutil.copytree(online_retail.lake, lake)
    contract = project / "sql" / "sources" / "online_retail.yml"
    text = contract.read_text()
    assert "data_begins: 2010-12-01" in text
    contract.write_text(text.replace("data_begins: 2010-12-01", "data_begins: 2011-03-01"))
    at = online_retail.buho.at(project, raw=online_retail.raw, lake=lake)
    at("run", "--night", online_retail.night, "--select", f"core.int_first_days {FEATURES}").expect(0)
    row = at.rows(
        "select sum(case when is_truncated then 1 else 0 end) as truncated,"
        " max(tenure_days - observed_days) as unseen"
        f" from {FEATURES} where orders > 0"
    )[0]
    firsts = at.rows(
        "select count(*) as n from core.int_customer_firsts"
        " where first_order_on is not null and first_seen_on < date '2011-04-01'"
    )[0]
    assert int(row["truncated"]) == int(firsts["n"]) > 885
    assert int(row["unseen"]) == (date(2011, 3, 1) - date(2010, 12, 1)).days
