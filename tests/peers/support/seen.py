"""What a lake shows to a stranger who reads it with Python's deltalake, to compare it with another."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake

from tests.peers.support.s3 import Server

# What a run says of itself differs from run to run.
OF_THE_RUN = {"run_id", "settled_at", "settled_by"}
# Of many releases the oldest and the newest are read; the rest are the same files.
READ_OF_MANY = 3

Rows = list[str]


@dataclass(frozen=True)
class Lake:
    """A lake on a disk or on a server, and its small objects."""

    url: str
    read: Callable[[str], bytes]
    names: Callable[[str], list[str]]
    # Where a folder of the lake can be read as files.
    folder: Callable[[str], str]

    @property
    def bucket(self) -> str:
        return self.url.removeprefix("s3://").split("/")[0]

    def stored(self, name: str) -> str:
        return self.folder(name.replace(".", "/", 1))

    def has(self, name: str) -> bool:
        return deltalake.DeltaTable.is_deltatable(self.stored(name))

    def table(self, name: str, version: int | None = None) -> deltalake.DeltaTable:
        return deltalake.DeltaTable(self.stored(name), version=version)

    def rows(self, name: str, version: int | None = None) -> Rows:
        """Every row as text, sorted; a file that is gone is an error."""
        found = self.table(name, version).to_pyarrow_table().to_pylist()
        return sorted(str({key: row[key] for key in row if key not in OF_THE_RUN}) for row in found)

    def releases(self) -> list[str]:
        return [name.removesuffix(".json") for name in self.names("_buho/releases")]

    def release(self, name: str) -> dict[str, Any]:
        return json.loads(self.read(f"_buho/releases/{name}.json"))


def on_disk(folder: Path) -> Lake:
    def names(below: str) -> list[str]:
        found = (folder / below).glob("*")
        # `name#1` is a write that never ended.
        return sorted(path.name for path in found if path.is_file() and "#" not in path.name)

    def read(below: str) -> bytes:
        return (folder / below).read_bytes()

    return Lake(str(folder), read, names, lambda below: str(folder / below))


def on_server(server: Server, bucket: str, prefix: str, scratch: Path) -> Lake:
    """Tables are read from copies: a reader in the server's own process would wait for itself."""

    def read(below: str) -> bytes:
        return server.client.get_object(Bucket=bucket, Key=f"{prefix}/{below}")["Body"].read()

    def names(below: str) -> list[str]:
        folder = f"{prefix}/{below}/"
        return [key.removeprefix(folder) for key in server.keys(bucket, folder)]

    def folder(below: str) -> str:
        copy = scratch / bucket / below
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
        server.download(bucket, f"{prefix}/{below}/", copy)
        return str(copy)

    return Lake(f"s3://{bucket}/{prefix}", read, names, folder)


def newest(lake: Lake) -> dict[str, Rows]:
    """The tables that the last release names, each at its newest version, as strangers read them."""
    tables = lake.release(lake.releases()[-1])["tables"]
    return {name: lake.rows(name) for name in sorted(tables)}


def released(lake: Lake) -> dict[str, Any]:
    """Every release by name, the tables of the oldest and the newest with their rows."""
    names = lake.releases()
    read = names if len(names) <= READ_OF_MANY else [names[0], *names[1 - READ_OF_MANY :]]
    return {name: release_rows(lake, name) if name in read else None for name in names}


def release_rows(lake: Lake, name: str) -> dict[str, Any]:
    tables = lake.release(name)["tables"]
    return {
        table: (entry["state"], entry["night"], lake.rows(table, entry["version"]))
        for table, entry in sorted(tables.items())
    }


def quarantine(lake: Lake) -> Rows:
    return lake.rows("ops.quarantine")


def places_of_rows(lake: Lake, source: str) -> Counter[tuple[str, int]]:
    """File and record of every row of a source, wherever it is: in bronze, held, or given up."""
    bronze = lake.table(f"bronze.{source}").to_pyarrow_table().to_pylist()
    places = Counter((row["_file"], row["_record"]) for row in bronze)
    if not lake.has("ops.quarantine"):
        return places
    for row in lake.table("ops.quarantine").to_pyarrow_table().to_pylist():
        if row["source"] == source and row["status"] in ("held", "discarded"):
            places[row["file"], row["record"]] += 1
    return places
