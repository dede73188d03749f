"""A wall clock that jumps, for one process: a few lines of C that the binary is started with."""

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.support.binary import Buho

SOURCE = Path(__file__).with_name("clock.c")


@dataclass(frozen=True)
class Clock:
    """A clock that is some seconds ahead of the machine's; negative is behind."""

    library: Path
    file: Path

    def set(self, ahead_s: int) -> None:
        # In place: a process that runs has the file mapped.
        with self.file.open("r+b") as file:
            file.write(struct.pack("=q", ahead_s))

    def of(self, buho: Buho) -> Buho:
        """The binary by this clock."""
        return buho.with_environment(LD_PRELOAD=str(self.library), CLOCK_AHEAD=str(self.file))


def make_clock(folder: Path, ahead_s: int = 0) -> Clock:
    """Compiles the clock; a test that needs it is skipped where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the clock cannot be set for a process")
    library, file = folder / "clock.so", folder / f"ahead-{ahead_s}"
    if not library.exists():
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    file.write_bytes(bytes(8))
    clock = Clock(library, file)
    clock.set(ahead_s)
    return clock
