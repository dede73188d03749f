"""`buho demo`: what it writes."""

from pathlib import Path

from tests.peers.conftest import DEMO_CUSTOMERS, DEMO_NIGHTS, DEMO_SEED, Night
from tests.peers.support.binary import Buho


def exports(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_exports_alone_are_those_that_the_nights_read_and_no_night_is_run(
    buho: Buho, demo: Night, tmp_path: Path
):
    shop = tmp_path / "shop"
    sizes = ("--customers", DEMO_CUSTOMERS, "--nights", DEMO_NIGHTS, "--seed", DEMO_SEED)
    buho("demo", "--exports-only", "--dir", str(shop), *map(str, sizes)).expect(0)
    assert exports(shop / "raw") == exports(demo.project / "raw")
    assert not (shop / "lake").exists()
    assert (shop / "buho.toml").read_bytes() == (demo.project / "buho.toml").read_bytes()
