"""`make bench-night`: what one more night costs: a day on a year, a merge, nothing to do.

The form and the rules of `make bench-etl`: medians of alternating runs on two processors, caches warm.
"""

from pathlib import Path

from tests.bench import day, merge, noop
from tests.bench.etl import Part, run
from tests.peers.support.places import ROOT

PARTS: dict[str, Part] = {"day": day.entries, "merge": merge.entries, "noop": noop.entries}
EXPECTED = Path(__file__).with_name("expected_night.txt")

if __name__ == "__main__":
    run(__doc__, PARTS, ROOT / "target" / "bench" / "night.json", EXPECTED)
