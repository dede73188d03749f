"""The binary, killed with SIGKILL inside every step of the protocol, and run again.

Each time: the next run goes through, the lake reads as after a fault-free one, every raw row is in bronze or
in quarantine once, and every release that is kept can be read in full.

`make test` kills a share that changes from day to day (every step once on a disk and some on an S3 server),
`make test-faults` at least five times at every step on both, and 200 times on each. `BUHO_KILLS_SEED`
repeats a share.
"""

import os
import random
import shutil
import subprocess
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.peers.support import kills, seen, tiny
from tests.peers.support.binary import Buho
from tests.peers.support.kills import Scenario
from tests.peers.support.places import ROOT
from tests.peers.support.s3 import s3_server
from tests.peers.support.seen import Lake
from tests.peers.support.silent import at_work, run_at_work, silent_server

AT_ONCE = 4
# Kills at each step at least, all scenarios together; none: a share of them.
ALL = int(os.environ.get("BUHO_KILLS_PER_STEP", "0"))
# Kills in one place at least: 200 of five at each step.
ALL_TOGETHER = 40 * ALL
SHARE_ON_S3 = 12
SEED = int(os.environ.get("BUHO_KILLS_SEED", date.today().toordinal()))
# Reached only once a lease has been held for ten seconds: a test of its own.
SLOW = "lease.renewed"
RENEWS_WITHIN_S = 60


@dataclass(frozen=True)
class Reference:
    """A scenario without a kill: the steps that it reaches, and what the lake shows then."""

    scenario: Scenario
    steps: Counter[str]
    releases: dict[str, Any]
    newest: dict[str, list[str]]
    quarantine: list[str]


@dataclass(frozen=True)
class Place:
    """Where lakes are; `copy` makes one of a folder, and `remove` takes it away."""

    name: str
    copy: Callable[[Path | None], Lake]
    remove: Callable[[Lake], None]
    prepare: Callable[[set[Path]], None]
    is_slow: bool = False
    variables: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def references(buho: Buho, tmp_path_factory: pytest.TempPathFactory) -> list[Reference]:
    folder = tmp_path_factory.mktemp("kills")
    scenarios = kills.make_scenarios(buho, folder)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda scenario: reference(scenario, folder), scenarios))


def reference(scenario: Scenario, folder: Path) -> Reference:
    place = folder / f"reference-{uuid.uuid4().hex}"
    if scenario.base:
        shutil.copytree(scenario.base, place)
    lake = seen.on_disk(place)
    scenario.prepare(lake.url)
    steps = kills.reached(scenario.finish(lake.url))
    assert steps, f"{scenario.name}: no step was reached: is this a build for users?"
    if scenario.first:
        # What is compared is a run that nothing disturbed.
        shutil.rmtree(place)
        shutil.copytree(scenario.base, place)
        undisturbed(scenario).finish(lake.url)
    return Reference(scenario, steps, seen.released(lake), seen.newest(lake), seen.quarantine(lake))


def undisturbed(scenario: Scenario) -> Scenario:
    return replace(scenario, first=None, first_command=None)


@pytest.fixture
def on_disk(tmp_path: Path) -> Place:
    def copy(base: Path | None) -> Lake:
        folder = tmp_path / uuid.uuid4().hex
        if base:
            shutil.copytree(base, folder)
        return seen.on_disk(folder)

    return Place("disk", copy, lambda lake: shutil.rmtree(lake.url), lambda _bases: None)


@pytest.fixture
def on_s3(tmp_path: Path) -> Iterator[Place]:
    """Every lake in a bucket of its own: the server looks through all keys of a bucket to list some."""
    with s3_server() as server:
        made: dict[Path, str] = {}

        def copy(base: Path | None) -> Lake:
            bucket = uuid.uuid4().hex
            if base is None:
                server.create_bucket(bucket)
            else:
                server.copy_bucket(made[base], bucket)
            return seen.on_server(server, bucket, "lake", tmp_path)

        def prepare(bases: set[Path]) -> None:
            for base in bases:
                made[base] = uuid.uuid4().hex
                server.create_bucket(made[base])
                server.upload(base, made[base], "lake")

        def remove(lake: Lake) -> None:
            server.remove_bucket(lake.bucket)
            shutil.rmtree(tmp_path / lake.bucket, ignore_errors=True)

        yield Place("S3", copy, remove, prepare, True, server.environment)


def plan(references: list[Reference], place: Place) -> list[tuple[Reference, str, int]]:
    """Which step of which scenario dies, and at which time that it is reached."""
    chance = random.Random(f"{SEED} {place.name}")
    reached: dict[str, list[tuple[Reference, int]]] = {}
    for found in references:
        if not ALL and place.is_slow and found.scenario.is_long:
            continue
        for step, times in found.steps.items():
            reached.setdefault(step, []).extend((found, nth + 1) for nth in range(times))
    planned = []
    for step, ways in sorted(reached.items()):
        wanted = max(ALL, 1)
        # All different ways first; where there are fewer than wanted, some again.
        chosen = chance.sample(ways, min(wanted, len(ways)))
        chosen += chance.choices(ways, k=wanted - len(chosen))
        planned += [(found, step, nth) for found, nth in chosen]
    if not ALL and place.is_slow:
        return chance.sample(planned, SHARE_ON_S3)
    everything = [(found, step, nth) for step, ways in sorted(reached.items()) for found, nth in ways]
    return planned + chance.choices(everything, k=max(0, ALL_TOGETHER - len(planned)))


def kill_and_run_again(place: Place, found: Reference, step: str, nth: int) -> str | None:
    """What is wrong after a kill, or None."""
    scenario = found.scenario
    lake = place.copy(scenario.base)
    killed = f"{scenario.name}, killed at {step}:{nth}"
    try:
        scenario.prepare(lake.url, **place.variables)
        scenario.kill(lake.url, scenario.command, f"{step}:{nth}", **place.variables)
        scenario.finish(lake.url, **place.variables)
        wrong = differences(lake, found)
    except AssertionError as error:
        # The other kills go on: what is wrong with one is told with what is wrong with them.
        return f"{killed}: {error} ({lake.url})"
    if wrong:
        return f"{killed}: {'; '.join(wrong)} ({lake.url})"
    place.remove(lake)
    return None


def differences(lake: Lake, found: Reference) -> list[str]:
    wrong = []
    if seen.newest(lake) != found.newest:
        wrong.append("the tables are not those of a fault-free run")
    if seen.quarantine(lake) != found.quarantine:
        wrong.append("the quarantine is not that of a fault-free run")
    releases = seen.released(lake)
    if found.scenario.same_releases and releases != found.releases:
        wrong.append(
            f"releases {list(releases)}, of a fault-free run {list(found.releases)}, or their rows differ"
        )
    last = max(release["night"] for release in map(lake.release, releases))
    raw = Path(found.scenario.buho.environment.get("BUHO_RAW", found.scenario.buho.project / "raw"))
    for source in ("good", "bad"):
        delivered = kills.raw_rows(raw.parent, source, last)
        if seen.places_of_rows(lake, source) != delivered:
            wrong.append(f"rows of {source} are missing, or there twice")
    return wrong


def kill_all(references: list[Reference], place: Place, tell: Callable[[str], None]) -> Counter[str]:
    planned = plan(references, place)
    place.prepare({found.scenario.base for found, _, _ in planned if found.scenario.base})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda kill: kill_and_run_again(place, *kill), planned))
    counts = Counter(step for _, step, _ in planned)
    tell(f"\n{len(planned)} kills on {place.name}, BUHO_KILLS_SEED={SEED}")
    for step, count in sorted(counts.items()):
        tell(f"  {step:<28} {count:>3}")
    wrong = [line for line in found if line]
    tell(f"{len(planned) - len(wrong)} of {len(planned)} ended as if nothing had happened")
    assert not wrong, "\n".join(wrong)
    return counts


def dies_and_is_run_again(run: subprocess.Popen[str], again: Buho) -> None:
    run.communicate(timeout=RENEWS_WITHIN_S)
    assert run.returncode == kills.KILLED
    again.night(tiny.NIGHT).expect(0)
    assert tiny.total_of(again, "good") == (2, tiny.GOOD_TOTAL)


@pytest.mark.timeout(600)
def test_killed_while_it_renews_its_lease_on_a_disk_a_run_does_not_stand_in_the_way(
    buho: Buho, tmp_path: Path, tell: Callable[[str], None]
):
    dying = buho.with_environment(BUHO_FAILPOINT=SLOW)
    with ExitStack() as stack:
        server = stack.enter_context(silent_server())
        runs = []
        for number in range(max(ALL, 1)):
            project = tiny.write_project(tmp_path / f"project-{number}")
            runs.append((project, stack.enter_context(run_at_work(dying, project, server, project / "lake"))))
        for project, run in runs:
            dies_and_is_run_again(run, buho.at(project))
    tell(f"\n{len(runs)} kills on disk at {SLOW}")


@pytest.mark.timeout(600)
def test_killed_while_it_renews_its_lease_on_s3_a_run_does_not_stand_in_the_way(
    buho: Buho, tmp_path: Path, tell: Callable[[str], None]
):
    with s3_server(silent="exports") as server, ExitStack() as stack:
        runs = []
        for number in range(max(ALL, 1)):
            project = tiny.write_project(tmp_path / f"project-{number}")
            bucket = uuid.uuid4().hex
            server.create_bucket(bucket)
            again = buho.at(project, lake=f"s3://{bucket}/lake").with_environment(**server.environment)
            dying = again.at(project, raw="s3://exports/raw").with_environment(BUHO_FAILPOINT=SLOW)
            runs.append((stack.enter_context(at_work(dying, tiny.NIGHT)), again))
        for run, again in runs:
            dies_and_is_run_again(run, again)
    tell(f"\n{len(runs)} kills on S3 at {SLOW}")


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints where a person sees it, whatever becomes of the test."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(text)

    return line


def test_the_scenarios_reach_every_step_there_is(references: list[Reference]):
    reached = {step for found in references for step in found.steps}
    assert reached | {SLOW} == kills.steps_of(ROOT / "warehouse" / "src")


@pytest.mark.timeout(7200)
def test_killed_at_any_step_on_a_disk_the_next_run_ends_as_if_nothing_had_happened(
    references: list[Reference], on_disk: Place, tell: Callable[[str], None]
):
    counts = kill_all(references, on_disk, tell)
    assert min(counts.values()) >= max(ALL, 1)
    assert counts.total() >= ALL_TOGETHER


@pytest.mark.timeout(7200)
def test_killed_at_any_step_on_s3_the_next_run_ends_as_if_nothing_had_happened(
    references: list[Reference], on_s3: Place, tell: Callable[[str], None]
):
    counts = kill_all(references, on_s3, tell)
    assert min(counts.values()) >= max(ALL, 1)
    assert counts.total() >= (ALL_TOGETHER or SHARE_ON_S3)
