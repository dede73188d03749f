"""One new day on a year of a shop, against building all of it."""

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.bench.entries import Entry, compared
from tests.bench.lakes import copy_of
from tests.bench.marts import environment, last_night
from tests.bench.measure import Side, alternate

BAR = 0.05
NIGHTS = 2
SEED = 1


def shop(setup: Any) -> Path:
    """The demo at full size with one night to come; its lake stands at the night before."""
    folder = setup.work / f"day-{setup.customers}"
    done = folder / ".complete"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    sizes = ["--customers", setup.customers, "--nights", NIGHTS, "--seed", SEED]
    command = [str(setup.buho), "demo", "--dir", str(folder), *map(str, sizes)]
    print(f"    {' '.join(command)}", file=sys.stderr)
    subprocess.run(command, env=environment(), check=True, stdout=sys.stderr)
    last = last_night(setup, folder)
    (folder / "lake").rename(folder / "lake-after")
    before = [
        str(setup.buho),
        "--project",
        str(folder),
        "run",
        "--night",
        str(last - timedelta(days=1)),
    ]
    subprocess.run(before, env=environment(), check=True, stdout=sys.stderr)
    (folder / "lake").rename(folder / "lake-before")
    (folder / "lake-after").rename(folder / "lake")
    done.touch()
    return folder


def entries(setup: Any) -> list[Entry]:
    folder = shop(setup)
    night, lake = last_night(setup, folder), folder / "lake-run"
    run = [str(setup.buho), "--project", str(folder), "run", "--night", str(night), "--format", "json"]
    given = {**environment(), "BUHO_LAKE": str(lake)}
    one = Side(run, given, lambda: copy_of(folder / "lake-before", lake))
    full = Side([*run, "--full-refresh"], given, lambda: copy_of(folder / "lake", lake))
    alternate(one, full, setup.runs)
    return [compared("new_day_vs_full_build", one, full, BAR, "full build")]
