"""A command with the memory that it took."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.peers.support.binary import Buho, Outcome


@dataclass(frozen=True)
class Cost:
    outcome: Outcome
    peak_mib: int


# Measures from a small process: what a test's own has in memory would be counted as its child's.
LAUNCHER = """
import pathlib, resource, subprocess, sys
code = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL).returncode
pathlib.Path(sys.argv[1]).write_text(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def run_measured(buho: Buho, folder: Path, *arguments: str) -> Cost:
    """As a command is run."""
    peak = folder / "peak"
    command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(peak), *buho.command(*arguments)]
    done = subprocess.run(
        command, env=buho.variables(), capture_output=True, timeout=buho.timeout_s, check=False
    )
    out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return Cost(Outcome(arguments, done.returncode, out, err), int(peak.read_text()) // 1024)
