"""Fixtures: the binary, and one finished night per project that several tests read."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.support import places
from tests.peers.support.binary import Buho, Outcome, find_binary

DEMO_CUSTOMERS = 300
DEMO_NIGHTS = 3
DEMO_SEED = 7


@dataclass(frozen=True)
class Night:
    """A project on which one night, or several, were run."""

    buho: Buho
    project: Path
    raw: Path
    lake: Path
    night: str
    outcome: Outcome


@pytest.fixture(scope="session")
def buho() -> Buho:
    binary = find_binary()
    if binary is None:
        pytest.fail("no binary to test: `make build`, or set BUHO_BIN")
    return Buho(binary)


def run_project(buho: Buho, name: str, night: str, lake: Path, data: str | None = None) -> Night:
    raw = places.data(data or name)
    if raw is None:
        pytest.skip(f"../shared/data/{data or name} is not beside the repository")
    project = places.PROJECTS / name
    at = buho.at(project, raw=raw, lake=lake)
    return Night(at, project, raw, lake, night, at.night(night).expect(0))


@pytest.fixture(scope="session")
def online_retail(buho: Buho, tmp_path_factory: pytest.TempPathFactory) -> Night:
    lake = tmp_path_factory.mktemp("online-retail") / "lake"
    return run_project(buho, "online-retail", "2011-12-09", lake)


@pytest.fixture(scope="session")
def complete_journey(buho: Buho, tmp_path_factory: pytest.TempPathFactory) -> Night:
    lake = tmp_path_factory.mktemp("complete-journey") / "lake"
    return run_project(buho, "complete-journey", "2018-01-01", lake)


@pytest.fixture(scope="session")
def demo(buho: Buho, tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The demo's project after its nights; the night is the last that was released."""
    folder = tmp_path_factory.mktemp("demo") / "shop"
    sizes = ["--customers", DEMO_CUSTOMERS, "--nights", DEMO_NIGHTS, "--seed", DEMO_SEED]
    outcome = buho("demo", "--dir", str(folder), *map(str, sizes)).expect(0)
    at = buho.at(folder)
    last = at.rows("select max(night) as night from ops.runs")[0]["night"]
    return Night(at, folder, folder / "raw", folder / "lake", str(last)[:10], outcome)


@pytest.fixture
def nights(request: pytest.FixtureRequest) -> Night:
    """Any of the above, by name: for tests that make the same promise of each."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def shared_binary(buho: Buho, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binary where another user may start it."""
    folder = tmp_path_factory.mktemp("bin")
    for parent in (folder, *folder.parents[:3]):
        if parent != Path("/tmp"):
            parent.chmod(0o755)
    copy = folder / "buho"
    shutil.copy2(buho.binary, copy)
    copy.chmod(0o755)
    return copy
