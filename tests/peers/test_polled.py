"""Strangers poll every table while nights are killed and run again: what they saw was released, each time.

DuckDB's delta extension and Python's deltalake read every table of the lake at its newest version, as often
as they can, through twenty nights. Most nights are killed at a step of the protocol first, any that a night
reaches; one night's audit fails, and maintenance runs now and then. What they saw is printed: of released
tables how many of their states, of those of `ops`, which are outside releases, how they grew.
`BUHO_KILLS_SEED` repeats a choice of steps.
"""

import json
import os
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import deltalake
import pytest

from tests.peers.support import kills, seen, tiny
from tests.peers.support.binary import Buho
from tests.peers.support.lake import duckdb_with_delta, tables

SEED = int(os.environ.get("BUHO_KILLS_SEED", date.today().toordinal()))
NIGHTS = kills.NIGHTS[:20]
# The night of which a mart has an id twice, until its delivery comes again.
SPOILED = NIGHTS[7]
# Of the states that a table goes through, those that a reader has to come by at least.
SEEN_AT_LEAST = 8
# Its rows change when they are settled; in the other tables of `ops` rows only come.
QUARANTINE = "ops.quarantine"

State = tuple[str, ...]


def state_of(columns: list[str], rows: list[tuple[Any, ...]]) -> State:
    """All rows as text, whatever the order of rows and columns."""
    return tuple(sorted(str(sorted(zip(columns, row, strict=True))) for row in rows))


def by_deltalake(folder: Path) -> State:
    table = deltalake.DeltaTable(str(folder)).to_pyarrow_table()
    return state_of(table.column_names, [tuple(row.values()) for row in table.to_pylist()])


def is_table(folder: Path) -> bool:
    """A table is there once its log says its columns: before that it can hold a fence alone."""
    log = folder / "_delta_log"
    return any(log.glob("*.checkpoint.parquet")) or any(
        b'"metaData"' in entry.read_bytes() for entry in sorted(log.glob("*.json"))[:3]
    )


@dataclass
class Reader:
    """What one stranger saw of each table, in the order in which it saw it."""

    name: str
    states: dict[str, list[State]] = field(default_factory=lambda: defaultdict(list))
    polls: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def poll(self, lake: Path, read: Callable[[Path], State], stop: threading.Event) -> None:
        while not stop.is_set():
            for name, folder in tables(lake).items():
                if not is_table(folder):
                    continue
                try:
                    state = read(folder)
                except Exception as error:
                    self.errors.append(f"{self.name}: {name}: {error}")
                    continue
                self.polls[name] += 1
                if not self.states[name] or self.states[name][-1] != state:
                    self.states[name].append(state)


@contextmanager
def polled(lake: Path) -> Iterator[list[Reader]]:
    """Both strangers at work."""
    stop = threading.Event()
    connection = duckdb_with_delta()

    def by_duckdb(folder: Path) -> State:
        result = connection.execute(f"select * from delta_scan('{folder}')")
        return state_of([column[0] for column in result.description], result.fetchall())

    readers = {"DuckDB": by_duckdb, "deltalake": by_deltalake}
    found = [Reader(name) for name in readers]
    threads = [
        threading.Thread(target=reader.poll, args=(lake, readers[reader.name], stop)) for reader in found
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def steps_of_a_night(buho: Buho, lake: Path) -> list[str]:
    """Every step that a night reaches on a lake of one night before, each time that it does."""
    at = buho.with_environment(BUHO_LAKE=str(lake))
    at.night(NIGHTS[0]).expect(0)
    reached = kills.reached(at("-v", "--log-format", "json", "run", "--night", NIGHTS[1]).expect(0))
    return [f"{step}:{nth + 1}" for step, times in sorted(reached.items()) for nth in range(times)]


def run_nights(buho: Buho, project: Path, steps: list[str]) -> Counter[str]:
    """Every night to its end; how often each step killed one first."""
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()
    whole = (project / "raw" / "bad" / f"bad_{SPOILED}.csv").read_bytes()
    twice = f"{tiny.HEADER}7,{SPOILED},1.00,0.5,one\n7,{SPOILED},1.00,0.5,again\n"
    tiny.deliver(project, f"bad/bad_{SPOILED}.csv", twice.encode())
    for number, night in enumerate(NIGHTS):
        if chance.random() < 0.8:
            step = chance.choice(steps)
            outcome = buho.with_environment(BUHO_FAILPOINT=step).night(night)
            killed[step.split(":")[0]] += outcome.code == kills.KILLED
        buho.night(night).expect(1 if night == SPOILED else 0)
        if night == SPOILED:
            tiny.deliver(project, f"bad/bad_{SPOILED}.csv", whole)
        if number % 6 == 5:
            buho("maintain").expect(0)
    return killed


def released_states(lake: seen.Lake) -> dict[str, list[State]]:
    """What the releases name of each table, in their order."""
    states: dict[str, list[State]] = defaultdict(list)
    read: dict[tuple[str, int], State] = {}
    for release in lake.releases():
        for name, entry in json.loads(lake.read(f"_buho/releases/{release}.json"))["tables"].items():
            version = (name, entry["version"])
            if version not in read:
                rows = lake.table(*version).to_pyarrow_table()
                read[version] = state_of(rows.column_names, [tuple(row.values()) for row in rows.to_pylist()])
            if not states[name] or states[name][-1] != read[version]:
                states[name].append(read[version])
    return states


def wrong_of(reader: Reader, released: dict[str, list[State]]) -> list[str]:
    """States that no release has, steps back from a later release to an earlier one, and rows that went."""
    wrong = list(reader.errors)
    for name, states in reader.states.items():
        if name.startswith("ops."):
            wrong += [f"{reader.name}: {name}: {line}" for line in losses(name, states)]
            continue
        strange = [state for state in states if state not in released[name]]
        if strange:
            wrong.append(f"{reader.name}: {name}: {len(strange)} states of no release, e.g. {strange[0][:3]}")
            continue
        order = [released[name].index(state) for state in states]
        if order != sorted(order):
            wrong.append(f"{reader.name}: {name} went back: {order}")
    return wrong


def losses(name: str, states: list[State]) -> list[str]:
    """Where a table that only grows lost rows, or had one twice."""
    wrong = []
    for before, after in pairwise(states):
        lost = len(before) - len(after) if name == QUARANTINE else (Counter(before) - Counter(after)).total()
        if lost > 0:
            wrong.append(f"{lost} of {len(before)} rows went")
    return wrong + [f"{row} twice" for row, times in Counter(states[-1]).items() if times > 1]


def report(readers: list[Reader], released: dict[str, list[State]]) -> Iterator[str]:
    """What each reader saw of each table, a line for both."""
    for reader in readers:
        for name in sorted(reader.states):
            states = reader.states[name]
            saw = f"{len(states):>3} of {len(released[name])} released states"
            if name.startswith("ops."):
                saw = f"{len(states):>3} states, from {len(states[0])} to {len(states[-1])} rows"
            yield f"  {reader.name:<10} {name:<18} {reader.polls[name]:>6} polls, {saw}"
        yield f"  {reader.name:<10} {reader.polls.total():>6} polls, {len(reader.errors)} that failed"


@pytest.mark.timeout(900)
def test_strangers_who_poll_through_killed_nights_see_released_states_alone_and_in_order(
    buho: Buho, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    project = kills.make_project(tmp_path / "project")
    settings = (project / "buho.toml").read_text()
    # Releases stay, to be compared with.
    (project / "buho.toml").write_text(settings.replace("keep_nights = 2", "keep_nights = 35"))
    lake = project / "lake"
    at = buho.at(project)
    steps = steps_of_a_night(at, tmp_path / "one-night")
    with polled(lake) as readers:
        killed = run_nights(at, project, steps)
    released = released_states(seen.on_disk(lake))
    wrong = [line for reader in readers for line in wrong_of(reader, released)]
    with capsys.disabled():
        print(f"\n{len(NIGHTS)} nights, BUHO_KILLS_SEED={SEED}, killed: {dict(sorted(killed.items()))}")
        print("\n".join(report(readers, released)))
        print(f"  {len(wrong)} things that no reader should see")
    assert not wrong, "\n".join(wrong)
    assert killed.total() >= len(NIGHTS) // 2, killed
    for reader in readers:
        assert set(reader.states) == set(tables(lake)), "every table is polled"
        assert min(map(len, reader.states.values())) >= SEEN_AT_LEAST, reader.polls
