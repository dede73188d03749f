"""A night that has nothing to do, of a project with a hundred tables."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.bench.entries import Entry, seconds_limited
from tests.bench.marts import environment
from tests.bench.measure import Side
from tests.peers.support import tiny

TABLES = 100
LIMIT_S = 1.0


def project(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    tiny.write_project(folder)
    spec: dict[str, object] = {"columns": tiny.columns("id", "day", "amount")}
    for number in range(TABLES):
        sql = f"select id, day, cast(amount + {number} as decimal(18, 2)) as amount from staging.good_rows\n"
        tiny.write_model(folder, f"core.table_{number:03}", sql, spec)


def entries(setup: Any) -> list[Entry]:
    folder = setup.work / "noop"
    project(folder)
    command = [str(setup.buho), "--project", str(folder), "run", "--night", tiny.NIGHT, "--skip-code"]
    subprocess.run(command, env=environment(), check=True, capture_output=True)
    again = Side(command[:-1], environment())
    again.run(keep=False)
    for _ in range(setup.runs):
        again.run()
    assert "nothing to do" in again.samples[-1].stdout, again.samples[-1].stdout
    return [seconds_limited("noop_100_tables", again.seconds, LIMIT_S)]
