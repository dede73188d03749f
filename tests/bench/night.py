"""The whole night of the same shop, raw exports to features and marts, against DuckDB doing the same work."""

import shutil
from typing import Any

from tests.bench.duck_script import night_script
from tests.bench.entries import Entry, compared
from tests.bench.marts import environment, last_night, peer, project_of, selection, shop
from tests.bench.measure import Side, alternate

BAR = 1.0


def entries(setup: Any) -> list[Entry]:
    folder = shop(setup)
    night, project = last_night(folder), project_of(folder)
    lake, out = setup.work / "night-lake", setup.work / "peer-night"
    run = ["run", "--night", str(night), "--select", selection(project.models), "--format", "json"]
    ours = Side(
        [str(setup.buho), "--project", str(folder), *run],
        {**environment(), "BUHO_LAKE": str(lake)},
        lambda: shutil.rmtree(lake, ignore_errors=True),
    )
    theirs = peer(setup, "night", night_script(project, folder / "raw", out, night), out)
    alternate(ours, theirs, setup.runs)
    return [compared("whole_night", ours, theirs, BAR)]
