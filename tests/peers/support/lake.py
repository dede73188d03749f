"""The lake as strangers read it: folders of Delta tables, and nothing of ours in between."""

from pathlib import Path

import duckdb
import duckdb_extension_delta


def delta_extension() -> Path:
    """The extension that the wheel ships for this version of DuckDB."""
    folder = Path(duckdb_extension_delta.__file__).parent / "extensions"
    return folder / f"v{duckdb.__version__}" / "delta.duckdb_extension"


def duckdb_with_delta(threads: int = 2) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that reads Delta tables, with nothing fetched."""
    connection = duckdb.connect(config={"threads": threads, "autoinstall_known_extensions": False})
    connection.execute("set TimeZone = 'UTC'")
    connection.load_extension(str(delta_extension()))
    return connection


def tables(lake: Path) -> dict[str, Path]:
    """Delta tables by name, `layer.table`."""
    logs = sorted(lake.glob("*/*/_delta_log"))
    return {f"{log.parent.parent.name}.{log.parent.name}": log.parent for log in logs}


def commits(lake: Path) -> dict[str, list[str]]:
    """The commits of every table, by their file names: what a run adds to these, it published."""
    found = {}
    for name, folder in tables(lake).items():
        found[name] = sorted(path.name for path in (folder / "_delta_log").glob("*.json"))
    return found


def releases(lake: Path) -> list[str]:
    folder = lake / "_buho" / "releases"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
