"""The form of all our benchmarks: entries, their table, their file."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.bench.measure import Side, median, spread

EXPECTED = Path(__file__).with_name("expected.txt")


@dataclass(frozen=True)
class Entry:
    """One comparison. A limit has peer `limit`, and its ratio is ours / limit; a failed run has no ratio."""

    name: str
    peer: str
    ours_s: float | None
    peer_s: float | None
    ratio: float | None
    bar: float | None
    ours_peak_mb: float | None
    peer_peak_mb: float | None
    spread: float | None

    @property
    def missed(self) -> bool:
        return self.bar is not None and (self.ratio is None or self.ratio > self.bar)


def compared(name: str, ours: Side, theirs: Side, bar: float | None, peer: str = "duckdb") -> Entry:
    """Medians of both; the ratio is of the medians."""
    return seconds_compared(name, ours.seconds, theirs.seconds, bar, (ours.peak_mb, theirs.peak_mb), peer)


def seconds_compared(
    name: str,
    ours: list[float],
    theirs: list[float],
    bar: float | None,
    peaks: tuple[float | None, float | None] = (None, None),
    peer: str = "duckdb",
) -> Entry:
    one, other = median(ours), median(theirs)
    return Entry(
        name,
        peer,
        round(one, 4),
        round(other, 4),
        round(one / other, 4),
        bar,
        *(None if peak is None else round(peak, 1) for peak in peaks),
        round(max(spread(ours), spread(theirs)), 4),
    )


def limited(name: str, ours_mb: float, limit_mb: float) -> Entry:
    ratio = round(ours_mb / limit_mb, 4)
    return Entry(name, "limit", None, None, ratio, 1.0, round(ours_mb, 1), limit_mb, None)


def seconds_limited(name: str, ours: list[float], limit_s: float) -> Entry:
    """An absolute limit of time."""
    one = median(ours)
    ratio = round(one / limit_s, 4)
    return Entry(name, "limit", round(one, 4), limit_s, ratio, 1.0, None, None, round(spread(ours), 4))


def failed_within(name: str, ours_mb: float, limit_mb: float) -> Entry:
    """A limit that nothing can be said of but that the run under it failed: missed, whatever it took."""
    return replace(limited(name, ours_mb, limit_mb), ratio=None)


def table(entries: Iterable[Entry]) -> str:
    def text(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    head = ("entry", "peer", "ours s", "peer s", "ratio", "bar", "ours MB", "peer MB", "spread", "")
    rows = [head] + [
        (
            entry.name,
            entry.peer,
            text(entry.ours_s, 3),
            text(entry.peer_s, 3),
            text(entry.ratio, 2),
            text(entry.bar, 1),
            text(entry.ours_peak_mb, 0),
            text(entry.peer_peak_mb, 0),
            text(entry.spread, 2),
            "" if not entry.missed else "FAILED" if entry.ratio is None else "MISSED",
        )
        for entry in entries
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def expected_names(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def write(entries: list[Entry], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"entries": [asdict(entry) for entry in entries]}, indent=2)
    path.write_text(text + "\n")


def check_names(entries: list[Entry], expected: list[str], file: Path) -> None:
    """An entry that silently vanished would look like a bar that was met.

    A name with `?` may be left out: where its peer does not end, which is said.
    """
    found = {entry.name for entry in entries}
    missing = sorted({name for name in expected if not name.endswith("?")} - found)
    unknown = sorted(found - {name.removesuffix("?") for name in expected})
    if missing or unknown:
        sys.exit(f"entries missing: {missing}; entries not in {file.name}: {unknown}")
