"""`make bench-models`: estimators against their peers on the same tables, and the churn night.

Medians of alternating runs on two processors, threads set on both sides (`OMP_NUM_THREADS` too). Measured is
the fit (binning included), the scoring or the explanation from arrays in memory, and the process's peak;
reading files and starting an interpreter are nobody's merit. Where the hold-out AUC is more than .001 below
the peer's, or the objectives differ by more than 1e-6, nothing was compared, and the benchmark fails.
Settings: `models_settings.json`, tables: `tables.py`, the night: `churn_night.py`.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import churn_night
from tests.bench.entries import Entry, check_names, expected_names, seconds_compared, table, write
from tests.bench.measure import RunError, Side, alternate, base_environment, keep_to_two_cpus, median
from tests.bench.tables import table as made
from tests.peers.support.binary import find_binary
from tests.peers.support.places import ROOT

SETTINGS = Path(__file__).with_name("models_settings.json")
EXPECTED = Path(__file__).with_name("expected_models.txt")
OURS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples" / "bench"
BOOSTING_PEERS = ("lightgbm", "xgboost", "hist_gradient_boosting")
AUC_TOLERANCE = 0.001
OBJECTIVE_TOLERANCE = 1e-6
SUM_TOLERANCE = 1e-6
# Of the seeds of train and test tables.
TEST_SEED_STEP = 1


@dataclass(frozen=True)
class Setup:
    """What every part needs."""

    work: Path
    runs: int
    settings: dict
    sizes: list[str]
    customers: int
    buho: Path | None
    # What is not the same work, and so was not compared.
    unequal: list[str] = field(default_factory=list)

    def tables(self, size: str, test_rows: int) -> tuple[Path, Path, int]:
        seed, given = self.settings["seed"], self.settings[size]
        rows, columns = given["rows"], given["columns"]
        train = made(self.work, rows, columns, seed)
        return train, made(self.work, test_rows, columns, seed + TEST_SEED_STEP), columns


def answers(side: Side, name: str) -> list[float]:
    return [json.loads(sample.stdout.splitlines()[-1])[name] for sample in side.samples]


def sides(setup: Setup, task: str, peer: str, size: str, test_rows: int) -> tuple[Side, Side]:
    train, test, columns = setup.tables(size, test_rows)
    threads = str(setup.settings["threads"])
    environment = {**base_environment(), "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    rest = [str(SETTINGS), str(train), str(test), str(columns)]
    script = str(Path(__file__).with_name("peer_models.py"))
    return (
        Side([str(OURS), task, *rest], environment),
        Side([sys.executable, script, peer, task, *rest], environment),
    )


def compared(setup: Setup, name: str, run: tuple[str, str, str], test_rows: int, bar: float) -> Entry:
    """`run` is our task, the peer and the size of the table."""
    task, peer, size = run
    ours, theirs = sides(setup, task, peer, size, test_rows)
    alternate(ours, theirs, setup.runs)
    setup.unequal.extend(f"{name}: {why}" for why in unequal(ours, theirs, task, peer))
    peaks = (ours.peak_mb, theirs.peak_mb)
    return seconds_compared(name, answers(ours, "seconds"), answers(theirs, "seconds"), bar, peaks, peer)


def unequal(ours: Side, theirs: Side, task: str, peer: str) -> Iterator[str]:
    """Why the two sides did not do the same work."""
    if task == "shap":
        gap = max(answers(ours, "gap"))
        print(f"    sums are off by at most {gap:.1e}", file=sys.stderr)
        if gap > SUM_TOLERANCE:
            yield f"reasons do not add up to the score: off by {gap:.1e}"
        return
    mine, other = median(answers(ours, "auc")), median(answers(theirs, "auc"))
    print(f"    AUC {mine:.5f}, {peer} {other:.5f}", file=sys.stderr)
    if mine < other - AUC_TOLERANCE:
        yield f"AUC {mine:.5f}, {peer} {other:.5f}"
    if task == "logistic":
        mine, other = median(answers(ours, "objective")), median(answers(theirs, "objective"))
        apart = abs(mine - other) / other
        print(f"    objective {mine:.6f}, {peer} {other:.6f}, apart {apart:.1e}", file=sys.stderr)
        if apart > OBJECTIVE_TOLERANCE:
            yield f"objective {mine:.6f}, {peer} {other:.6f}"


def memory(entry: Entry) -> Entry:
    """The same runs by what they held: seconds are left out, the ratio is of the peaks."""
    ratio = round((entry.ours_peak_mb or 0.0) / (entry.peer_peak_mb or 1.0), 4)
    named = f"{entry.name}_peak_memory"
    return Entry(named, entry.peer, None, None, ratio, 1.0, entry.ours_peak_mb, entry.peer_peak_mb, None)


def boosting(setup: Setup) -> list[Entry]:
    found = []
    for size in setup.sizes:
        for peer in BOOSTING_PEERS:
            name = f"boosting_{size}_{peer}"
            entry = compared(setup, name, ("boosting", peer, size), setup.settings["holdout_rows"], 1.0)
            found += [entry, memory(entry)]
    return found


def forest(setup: Setup) -> list[Entry]:
    run = ("forest", "random_forest", "small")
    return [compared(setup, "forest_small", run, setup.settings["holdout_rows"], 0.2)]


def logistic(setup: Setup) -> list[Entry]:
    def entry(size: str) -> Entry:
        run = ("logistic", "logistic_regression", size)
        return compared(setup, f"logistic_{size}", run, setup.settings["holdout_rows"], 1.0)

    return [entry(size) for size in setup.sizes]


def scoring(setup: Setup) -> list[Entry]:
    return [compared(setup, "scoring", ("score", "lightgbm", "small"), setup.settings["score_rows"], 1.0)]


def reasons(setup: Setup) -> list[Entry]:
    run = ("shap", "lightgbm_reasons", "small")
    return [compared(setup, "reasons", run, setup.settings["shap_rows"], 1.0)]


PARTS: dict[str, Callable[[Setup], list[Entry]]] = {
    "boosting": boosting,
    "churn": churn_night.entries,
    "forest": forest,
    "logistic": logistic,
    "reasons": reasons,
    "scoring": scoring,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "target" / "bench" / "models.json")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "bench" / "work")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--sizes", nargs="*", choices=["small", "large"], default=["small", "large"])
    parser.add_argument("--only", nargs="*", choices=sorted(PARTS), default=sorted(PARTS))
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if not OURS.exists() and given.only != ["churn"]:
        sys.exit(f"nothing to measure at {OURS}: `make bench-models` builds it")
    given.work.mkdir(parents=True, exist_ok=True)
    settings = json.loads(SETTINGS.read_text())
    setup = Setup(given.work.resolve(), given.runs, settings, given.sizes, given.customers, find_binary())
    keep_to_two_cpus()
    found: list[Entry] = []
    for part in given.only:
        print(f"== {part}", file=sys.stderr)
        try:
            found += PARTS[part](setup)
        except RunError as error:
            sys.exit(str(error))
    write(found, given.out)
    print(table(found))
    print(f"\n{given.out}: {len(found)} entries, {os.cpu_count()} processors, medians of {setup.runs}")
    if set(given.only) == set(PARTS) and len(given.sizes) == 2:
        check_names(found, expected_names(EXPECTED), EXPECTED)
    for entry in found:
        if entry.missed:
            print(f"bar missed: {entry.name} at {entry.ratio:.2f} of {entry.peer}, bar {entry.bar}")
    if setup.unequal:
        sys.exit("not the same work, so not compared:\n" + "\n".join(setup.unequal))


if __name__ == "__main__":
    main()
