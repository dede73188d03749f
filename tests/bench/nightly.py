"""`make bench-night`: what one more night costs: a day on a year, a merge, nothing to do.

The form and the rules of `make bench-etl`: medians of alternating runs on two processors, caches warm.
"""

import sys
from pathlib import Path

from tests.bench import day, merge, noop
from tests.bench.entries import check_names, expected_names, table, write
from tests.bench.etl import arguments, set_up
from tests.bench.measure import keep_to_two_cpus
from tests.peers.support.places import ROOT

PARTS = {"day": day.entries, "merge": merge.entries, "noop": noop.entries}
EXPECTED = Path(__file__).with_name("expected_night.txt")


def main() -> None:
    given = arguments(PARTS, ROOT / "target" / "bench" / "night.json")
    setup = set_up(given)
    keep_to_two_cpus()
    found = []
    for part in given.only:
        print(f"== {part}", file=sys.stderr)
        found += PARTS[part](setup)
    write(found, given.out)
    print(table(found))
    print(f"\n{given.out}: {len(found)} entries, medians of {setup.runs}")
    if set(given.only) == set(PARTS):
        check_names(found, expected_names(EXPECTED), EXPECTED)
    for entry in found:
        if entry.missed:
            print(f"bar missed: {entry.name} at {entry.ratio:.2f} of {entry.peer}, bar {entry.bar}")


if __name__ == "__main__":
    main()
