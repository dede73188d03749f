"""`buho demo --exports-only`: a shop to try one's own nights on."""

from pathlib import Path

from tests.peers.support.binary import Buho


def test_exports_only_leaves_a_project_whose_first_night_is_still_to_be_run(buho: Buho, tmp_path: Path):
    shop = tmp_path / "shop"
    sizes = ["--customers", "50", "--nights", "2", "--seed", "1"]
    said = buho("demo", "--dir", str(shop), "--exports-only", *sizes).expect(0)
    assert "50 customers, seed 1" in said.stdout
    assert (shop / "buho.toml").exists()
    assert any((shop / "raw").rglob("*2026-06-30*"))
    assert not (shop / "lake").exists()
    night = buho.at(shop).night("2026-06-30", "--select", "+core.dim_product").expect(0).result
    assert night["rows"]["ingested"] > 0, night
