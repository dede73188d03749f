"""The README's first project, as somebody who has nothing but the README makes it."""

import re
from pathlib import Path

from tests.peers.support.binary import Buho
from tests.peers.support.places import ROOT

BLOCK = re.compile(r"```(?:sql|yaml)\n(?:--|#) (sql/\S+\.(?:sql|yml))[^\n]*\n(.*?)```", re.DOTALL)
BLOCK_OF_TESTS = re.compile(r"^tests:\n.*", re.DOTALL | re.MULTILINE)
NIGHT = "2026-01-31"


def deliver(project: Path) -> list[str]:
    files = []
    for day in (29, 30, 31):
        file = project / "raw" / f"orders_2026-01-{day}.csv"
        file.write_text(f"order_id,order_date,amount\n{day}1,2026-01-{day},10.5\n{day}2,2026-01-{day},7.0\n")
        files.append(str(file))
    return files


def test_the_first_project_of_the_readme_gives_its_mart(buho: Buho, tmp_path: Path):
    project = tmp_path / "shop"
    buho("init", str(project)).expect(0)
    at = buho.at(project)
    at("source", "add", "my_orders", *deliver(project), "--yes").expect(0)
    written = BLOCK.findall((ROOT / "README.md").read_text())
    assert len(written) == 4
    for name, text in written:
        file = project / name.rstrip(":")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    at("doctor").expect(0)
    at("test", "orders_daily").expect(0)
    night = at.night(NIGHT).expect(0)
    # The first night begins the lake. Nothing of the packs that it has no exports for is to be mended.
    (told,) = (line for line in night.stderr.splitlines() if '"WARN"' in line)
    assert "a new lake begins at" in told
    assert "nothing was ever delivered for pack commerce" in night.stderr
    rows = at.rows("select cast(day as varchar) as day, orders from marts.orders_daily order by day")
    assert [row["day"] for row in rows] == ["2026-01-29", "2026-01-30", "2026-01-31"]
    assert {int(row["orders"]) for row in rows} == {2}


INCREMENTAL = "materialized: incremental\nincremental: { time: day }\n"


def test_the_windowed_unit_test_of_the_readme_passes_and_fails_where_the_window_is_another(
    buho: Buho, tmp_path: Path
):
    project = tmp_path / "shop"
    buho("init", str(project)).expect(0)
    at = buho.at(project)
    at("source", "add", "my_orders", *deliver(project), "--yes").expect(0)
    readme = (ROOT / "README.md").read_text()
    (windowed,) = re.findall(r"```yaml\n(tests:\n.*?)```", readme, re.DOTALL)
    written = dict(BLOCK.findall(readme))
    sql, yml = "sql/marts/mine/orders_daily.sql", "sql/marts/mine/orders_daily.yml"
    written[sql] = written[sql].replace(
        "order_date <= $night", "order_date >= $window_start and order_date < $window_end"
    )
    for tests, code in ((windowed, 0), (windowed.replace("window: [2026-01-30", "window: [2026-01-29"), 1)):
        written[yml] = INCREMENTAL + BLOCK_OF_TESTS.sub(tests, written[yml].removeprefix(INCREMENTAL))
        for name, text in written.items():
            file = project / name.rstrip(":")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        at("test", "orders_daily").expect(code)


def test_a_source_of_a_standard_name_is_not_written_by_accident(buho: Buho, tmp_path: Path):
    project = tmp_path / "shop"
    buho("init", str(project)).expect(0)
    at = buho.at(project)
    refused = at("source", "add", "orders", *deliver(project), "--yes").expect(2)
    assert "my_orders" in refused.said
    assert not (project / "sql" / "sources" / "orders.yml").exists()
    at("doctor").expect(0)
