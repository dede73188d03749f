"""The churn night of a shop with a million customers: raw exports to `marts.churn_risk`, in an empty lake.

Everything is new: features of tonight and of 24 past nights, leaks looked for, two models searched, judged
and fitted, every active customer scored with reasons, everybody's spend foretold. Measured once, for it takes
minutes; the limits are absolute. The shop has two years and a horizon of history, so that there are 24
snapshots to learn from.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.entries import Entry, limited, seconds_limited
from tests.bench.marts import environment, exports
from tests.bench.measure import Sample, Side

LIMIT_S = 900.0
# 2 GiB, in the unit of the other peaks.
LIMIT_MB = 2147.5
# The rest of the process is code, models and rows on their way.
MEMORY = "1000MiB"
SNAPSHOTS = 24
# 23 months from the first snapshot to the last, a horizon of three months after it, and a month before.
DAYS = 830
# The demo's last night.
NIGHT = "2026-06-30"
# Audits compare orders and customers with the second: a table that is held holds what it is compared with.
SELECT = "+marts.churn_risk +core.int_customer_first_purchases"


def entries(setup: Any) -> list[Entry]:
    if setup.buho is None:
        sys.exit("no binary to measure: `make release`, or set BUHO_BIN")
    folder = exports(setup, DAYS)
    lake = setup.work / "churn-lake"
    shutil.rmtree(lake, ignore_errors=True)
    given = {**environment(), "BUHO_LAKE": str(lake), "BUHO_MEMORY": MEMORY}
    buho = Buho(str(setup.buho), folder, given)
    sample = Side(buho.command("run", "--night", NIGHT, "--select", SELECT, "--format", "json"), given).run()
    setup.unequal.extend(buho.left_out())
    tell(buho, sample)
    shutil.rmtree(lake, ignore_errors=True)
    return [
        seconds_limited("churn_night", [sample.seconds], LIMIT_S),
        limited("churn_night_peak_memory", sample.peak_mb, LIMIT_MB),
    ]


class Buho:
    """The binary on the shop's exports and a lake of its own."""

    def __init__(self, binary: str, folder: Path, environment: dict[str, str]) -> None:
        self.binary, self.folder, self.environment = binary, folder, environment

    def command(self, *arguments: str) -> list[str]:
        return [self.binary, "--project", str(self.folder), *arguments]

    def said(self, *arguments: str) -> str:
        command = self.command(*arguments)
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def rows(self, query: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said("sql", query, "--format", "json").splitlines()]

    def left_out(self) -> Iterator[str]:
        """Why it was not the whole night: somebody was left out, or less was learnt from."""
        (found,) = self.rows(
            "select (select count(*) from features.customer_spine) as customers,"
            " (select count(*) from features.customer_night where days_since_last_order < 365) as active,"
            " (select count(*) from ml.churn_scores where reason_1 is not null) as scored,"
            " (select count(*) from ml.spend_forecast) as forecast,"
            " (select count(*) from marts.churn_risk) as at_risk,"
            " (select min(snapshots) from ml.churn_training) as snapshots,"
            " (select min(snapshots) from ml.spend_training) as spend_snapshots"
        )
        whole = found["forecast"] == found["customers"]
        whole &= found["scored"] == found["at_risk"] == found["active"]
        learnt = found["snapshots"] == found["spend_snapshots"] == SNAPSHOTS
        if not (whole and learnt and found["at_risk"]):
            yield f"churn_night: not the night that is asked for: {found}"


def tell(buho: Buho, sample: Sample) -> None:
    """The share of each phase, and what each model says: rows, snapshots, the cost of its sample."""
    run = json.loads(sample.stdout.strip().splitlines()[-1])["run_id"]
    report = json.loads(buho.said("runs", "show", "--format", "json", run))
    shares = {name: seconds / sample.seconds for name, seconds in phases(report).items()}
    shares["rest"] = 1.0 - sum(shares.values())
    parts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    print(f"churn_night: {sample.seconds:.0f} s, {sample.peak_mb:.0f} MB; of the time {parts}")
    for model in ("churn", "spend"):
        (row,) = buho.rows(f'select "rows", snapshots, recipe, reason from ml.{model}_training')
        learnt = f"{row['rows']} rows of {row['snapshots']} snapshots"
        print(f"churn_night: {model}: {learnt}; {row['recipe']}: {row['reason']}")


def kind(node: str) -> str:
    if node.startswith("features."):
        return "features"
    if node.startswith("ml."):
        return "training" if node.endswith("_training") else "scoring"
    return "tables"


def phases(report: dict[str, Any]) -> dict[str, float]:
    """Seconds of a run's phases, that of the build divided by its nodes' own: they run beside each other."""
    found = dict(report["phases"])
    build = found.pop("build")
    nodes: dict[str, float] = {}
    for node in report["node_reports"]:
        if node["status"] == "built" and node["kind"] != "source":
            nodes[kind(node["node"])] = nodes.get(kind(node["node"]), 0.0) + node["seconds"]
    whole = sum(nodes.values())
    return {**found, **{name: build * seconds / whole for name, seconds in nodes.items()}}
