"""What is killed, and after which work: commands on lakes that a test can make again and again.

A scenario is a lake as earlier nights left it and the command that is killed on it. `BUHO_FAILPOINT` kills
the process inside the command; see `warehouse/src/failpoint.rs`.
"""

import csv
import json
import os
import re
import shutil
import signal
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tests.peers.support import tiny
from tests.peers.support.binary import Buho, Outcome

NIGHTS = [f"2026-01-{day:02}" for day in range(1, 22)]
# Of many nights the next one writes checkpoints, and the small files of the runs are worth compacting.
FEW, MANY = 2, 20
DAY_S = 24 * 3600
KILLED = -signal.SIGKILL
# How a command says that an attempt before it, which died, had done all of it.
NOTHING_LEFT = "nothing to do"


@dataclass(frozen=True)
class Scenario:
    """A command on a lake; `first` is a step at which an earlier attempt was killed."""

    name: str
    # Where the lake is from: a folder, or None for no lake yet.
    base: Path | None
    buho: Buho
    command: tuple[str, ...]
    first: str | None = None
    # What the earlier attempt was, where it was another command.
    first_command: tuple[str, ...] | None = None
    # What a person does then, after the command went through.
    then: tuple[str, ...] | None = None
    # Releases are compared one by one, unless the way there may have left one more.
    same_releases: bool = True
    # How the command ends where nothing disturbs it.
    code: int = 0
    # A lake of many nights: thousands of requests to a server.
    is_long: bool = False

    def run(self, lake: str, command: tuple[str, ...], **variables: str) -> Outcome:
        at = self.buho.with_environment(BUHO_LAKE=lake, **variables)
        return at("-v", "--log-format", "json", *command)

    def kill(self, lake: str, command: tuple[str, ...], step: str, **variables: str) -> None:
        outcome = self.run(lake, command, BUHO_FAILPOINT=step, **variables)
        assert outcome.code == KILLED, f"{self.name}: {step} was not reached\n{outcome}"

    def prepare(self, lake: str, **variables: str) -> None:
        """The earlier attempt, killed."""
        if self.first:
            self.kill(lake, self.first_command or self.command, self.first, **variables)

    def finish(self, lake: str, **variables: str) -> Outcome:
        """The command, which must go through; that there is nothing left to do is said as a mistake."""
        outcome = self.run(lake, self.command, **variables)
        assert outcome.code == self.code or (outcome.code == 2 and NOTHING_LEFT in outcome.said), str(outcome)
        if self.then:
            self.run(lake, self.then, **variables).expect(0)
        return outcome


def reached(outcome: Outcome) -> Counter[str]:
    """How often a command reached each step, by its log."""
    lines = (json.loads(line) for line in outcome.stderr.splitlines() if line.startswith("{"))
    return Counter(line["step"] for line in lines if line.get("message") == "reached")


def steps_of(source: Path) -> set[str]:
    """The steps that the engine's source names."""
    texts = (file.read_text() for file in source.rglob("*.rs"))
    return {step for text in texts for step in re.findall(r'failpoint::reached\(\s*"([a-z_.]+)"', text)}


def deliver_all(project: Path) -> None:
    """A delivery a night for both sources; of `bad`, every second row does not fit."""
    for day, night in enumerate(NIGHTS):
        good = f"id,day,amount\na{day},{night},1.25\nb{day},{night},2.50\n"
        tiny.deliver(project, f"good/good_{night}.csv", good.encode())
        bad = f"{tiny.HEADER}{day},{night},10.50,0.5,one\nq{day},{night},4.00,n/a,two\n"
        tiny.deliver(project, f"bad/bad_{night}.csv", bad.encode())


def make_project(folder: Path, **form: object) -> Path:
    project = tiny.write_project(folder, form or None, {"tolerance": 0.5})
    with (project / "buho.toml").open("a") as settings:
        settings.write("keep_nights = 2\nkeep_months = 1\n")
    shutil.rmtree(project / "raw" / "good")
    (project / "raw" / "good").mkdir()
    deliver_all(project)
    lines = "select id, amount from staging.bad_rows\n"
    unique = {"columns": tiny.columns("id", "amount"), "audits": [{"unique": ["id"], "severity": "error"}]}
    tiny.write_model(project, "marts.bad_lines", lines, unique)
    write_kept_models(project)
    return project


def write_kept_models(project: Path) -> None:
    """Tables that build on their rows before: by window, by key, as a history."""
    delivered = "from staging.bad_rows where day >= $window_start and day < $window_end"
    by_day = f"select day, cast(sum(amount) as decimal(18, 2)) as amount {delivered} group by day\n"
    window = {"materialized": "incremental", "incremental": {"time": "day"}, "key": ["day"]}
    tiny.write_model(project, "core.bad_by_day", by_day, {**window, "columns": tiny.columns("day", "amount")})
    merge = {"materialized": "merge", "merge": {"time": "day"}, "key": ["id"]}
    by_id = {**merge, "columns": tiny.columns("id", "day", "amount")}
    tiny.write_model(project, "core.bad_by_id", f"select id, day, amount {delivered}\n", by_id)
    nights = [{"name": name, "type": "DATE"} for name in ("valid_from", "valid_to")]
    states = {"materialized": "scd2", "key": ["id"], "columns": [*tiny.columns("id", "amount"), *nights]}
    tonight = "select id, amount from staging.bad_rows where day = $night\n"
    tiny.write_model(project, "core.bad_states", tonight, states)


def run_nights(buho: Buho, lake: Path, nights: list[str]) -> Path:
    at = buho.at(buho.project, lake=lake)
    for night in nights:
        at.night(night).expect(0)
    return lake


def age(lake: Path) -> None:
    """A day passes for a lake: how old its files are is asked of its storage, and no clock is believed."""
    for file in lake.rglob("*"):
        if file.is_file():
            before = file.stat().st_mtime - DAY_S
            os.utime(file, (before, before))


def make_scenarios(binary: Buho, folder: Path) -> list[Scenario]:
    """Every command that writes a lake, on lakes that reach every step of the protocol."""
    project = make_project(folder / "project")
    corrected, spoiled = make_project(folder / "corrected"), make_project(folder / "spoiled")
    for where, last in ((corrected, 99), (spoiled, 97)):
        day = NIGHTS[1]
        rows = f"97,{day},7.00,0.5,new\n98,{day},7.50,n/a,new\n{last},{day},8.00,1.5,new\n"
        tiny.deliver(where, f"bad/bad_{day}.csv", (tiny.HEADER + rows).encode())
    mended = make_project(folder / "mended", null_words=["n/a"])
    buho = binary.at(project)
    few = run_nights(buho, folder / "few", NIGHTS[:FEW])
    many = run_nights(buho, folder / "many", NIGHTS[:MANY])
    dropped = folder / "dropped"
    age(many)
    shutil.copytree(many, dropped)
    buho.at(project, lake=dropped)("maintain").expect(0)
    age(dropped)

    night = ("run", "--night", NIGHTS[FEW])
    rollback = ("releases", "rollback", f"{NIGHTS[0]}.1")
    next_night = Scenario("a night with a corrected delivery", few, binary.at(corrected), night)
    broken = Scenario("a broken lease", few, buho, ("runs", "unlock", "--yes"), then=night)
    return [
        Scenario("the first night", None, buho, ("run", "--night", NIGHTS[0])),
        next_night,
        Scenario("a night that an audit stops in part", few, binary.at(spoiled), night, code=1),
        Scenario("a night with checkpoints", many, buho, ("run", "--night", NIGHTS[MANY]), is_long=True),
        replace(next_night, name="a night after a kill between commits", first="tables.committed"),
        replace(next_night, name="a night after a kill before the release's file", first="release.linked"),
        replace(broken, first="sources.staged", first_command=night),
        Scenario("a rollback", few, buho, rollback),
        Scenario(
            "a night after a killed rollback",
            few,
            buho,
            night,
            first="tables.committed",
            first_command=rollback,
            same_releases=False,
        ),
        Scenario(
            "a night of which nothing is new after a rollback killed half-way",
            few,
            buho,
            ("run", "--night", NIGHTS[FEW - 1]),
            first="table.committed:2",
            first_command=rollback,
        ),
        Scenario("a replay", few, binary.at(mended, raw=project / "raw"), ("quarantine", "replay", "bad")),
        Scenario("a discard", few, buho, ("quarantine", "discard", "bad", "--reason", "never mind")),
        Scenario("maintenance that drops", many, buho, ("maintain",), is_long=True),
        Scenario("maintenance that removes", dropped, buho, ("maintain",), is_long=True),
    ]


def raw_rows(project: Path, source: str, night: str) -> Counter[tuple[str, int]]:
    """File and record of every row that was delivered up to a night: what must be found again."""
    places: Counter[tuple[str, int]] = Counter()
    for file in sorted((project / "raw" / source).glob("*.csv")):
        if file.stem.removeprefix(f"{source}_") <= night:
            records = list(csv.reader(file.read_text().splitlines()))[1:]
            path = f"{source}/{file.name}"
            places.update((path, number) for number in range(1, len(records) + 1))
    return places
