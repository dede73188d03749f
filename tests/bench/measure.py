"""One child process, measured: seconds from start to end, and the most memory it held."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

CPUS = 2
WARM_UP = 1


class RunError(Exception):
    """A measured process ended with an error; what it took until then is known."""

    def __init__(self, command: Sequence[str], code: int, peak_mb: float, said: str) -> None:
        super().__init__(f"{' '.join(command)}\nended with {code}:\n{said}")
        self.peak_mb = peak_mb


@dataclass(frozen=True)
class Sample:
    """One run of a process."""

    seconds: float
    peak_mb: float
    stdout: str
    stderr: str


@dataclass
class Side:
    """Ours or the peer's: what is started, what is done before (not measured), what was measured."""

    command: Sequence[str]
    environment: dict[str, str]
    before: Callable[[], None] = lambda: None
    samples: list[Sample] = field(default_factory=list)

    def run(self, keep: bool = True) -> Sample:
        self.before()
        sample = measure(self.command, self.environment)
        if keep:
            self.samples.append(sample)
        return sample

    @property
    def seconds(self) -> list[float]:
        return [sample.seconds for sample in self.samples]

    @property
    def peak_mb(self) -> float:
        return max(sample.peak_mb for sample in self.samples)


def keep_to_two_cpus() -> None:
    """Both engines get the same two processors, whatever the machine has: children inherit them."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CPUS])


def measure(command: Sequence[str], environment: dict[str, str]) -> Sample:
    # Files rather than pipes: nobody has to drain them while the child is waited for.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        child = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        stdout, stderr = (read_back(file) for file in (out, err))
    # Linux counts ru_maxrss in KiB.
    peak_mb = usage.ru_maxrss * 1024 / 1e6
    if child.returncode != 0:
        raise RunError(command, child.returncode, peak_mb, (stdout + stderr)[-4000:])
    return Sample(seconds, peak_mb, stdout, stderr)


def read_back(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def alternate(ours: Side, theirs: Side, runs: int) -> None:
    """Warms both up, then takes turns, so that a slow minute of the machine hits both."""
    for side in (ours, theirs) * WARM_UP:
        side.run(keep=False)
    for number in range(runs):
        # Who goes first changes too.
        for side in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            side.run()
        print(f"    {number + 1}: {ours.seconds[-1]:.3f} s, {theirs.seconds[-1]:.3f} s", file=sys.stderr)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """(slowest - fastest) / median."""
    return (max(values) - min(values)) / median(values)


def base_environment() -> dict[str, str]:
    return {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}


def folder_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
