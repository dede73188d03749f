"""Each mart with an eighth of its inputs' size as memory: what the process took beyond its budget."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.bench.entries import Entry, failed_within, limited
from tests.bench.marts import (
    entry_name,
    environment,
    last_night,
    parquet_files,
    project_of,
    run_command,
    shop_with_lake,
)
from tests.bench.measure import RunError, Side
from tests.peers.support.project import Model, SqlProject

MIB = 1 << 20
SHARE = 8
# What the product promises above its budget: code, footers, files being written.
ALLOWANCE = 512 * MIB
# The least that `memory` in buho.toml may be.
LEAST = 64 * MIB


def tables_read(project: SqlProject, model: Model) -> set[str]:
    """The tables behind a model, views seen through."""
    found: set[str] = set()
    for name in model.inputs:
        read = project.models.get(name)
        found |= tables_read(project, read) if read is not None and read.is_view else {name}
    return found


def size(files: Iterable[str]) -> int:
    """Bytes of the columns, encoded but not compressed."""
    total = 0
    for file in files:
        footer = pq.ParquetFile(file.removeprefix("file://")).metadata
        total += sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
    return total


def budget(inputs: dict[str, list[str]], names: Iterable[str]) -> int:
    return max(LEAST, sum(size(inputs.get(name, [])) for name in names) // SHARE)


def entries(setup: Any) -> list[Entry]:
    folder: Path = shop_with_lake(setup)
    night, project = last_night(folder), project_of(folder)
    inputs = parquet_files(folder / "lake", project)
    found = []
    for name, model in sorted(project.models.items()):
        if not name.startswith("marts."):
            continue
        memory = budget(inputs, tables_read(project, model))
        given = {**environment(), "BUHO_MEMORY": f"{memory // MIB}MiB"}
        entry, limit = f"memory_{entry_name(model)}", round((memory + ALLOWANCE) / 1e6, 1)
        try:
            sample = Side(run_command(setup, folder, night, name), given).run()
        except RunError as error:
            # The other marts are worth knowing.
            print(f"memory: {name} with {memory // MIB} MiB failed: {error}")
            found.append(failed_within(entry, error.peak_mb, limit))
            continue
        print(f"memory: {name} with {memory // MIB} MiB: {sample.peak_mb:.0f} MB, {sample.seconds:.2f} s")
        found.append(limited(entry, sample.peak_mb, limit))
    return found
