"""Where things are, seen from the repository's root."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STANDARD_SQL = ROOT / "sql"
PROJECTS = ROOT / "tests" / "projects"
DATA = ROOT.parent / "shared" / "data"


def data(name: str) -> Path | None:
    """A folder of the public data sets, or None where they were not laid beside the repository."""
    folder = DATA / name
    return folder if folder.is_dir() else None
