"""The binary under test, started as a user starts it."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.support.places import ROOT

SHOWN_LINES = 20
# The child sees these and what a test gives it: a developer's own BUHO_… or AWS_… must not leak in.
INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "RUST_BACKTRACE")


@dataclass(frozen=True)
class Outcome:
    """How one command ended."""

    arguments: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object on the last line of standard output."""
        lines = self.stdout.strip().splitlines()
        assert lines, f"no standard output\n{self}"
        return json.loads(lines[-1])

    @property
    def said(self) -> str:
        return self.stdout + self.stderr

    def expect(self, *codes: int) -> "Outcome":
        assert self.code in codes, f"exit code {self.code}, expected {codes}\n{self}"
        return self

    def __str__(self) -> str:
        command = " ".join(self.arguments)
        return f"$ buho {command}\n--- stdout\n{tail(self.stdout)}\n--- stderr\n{tail(self.stderr)}"


def tail(text: str) -> str:
    """The end of a long story, for a failed assertion."""
    lines = text.splitlines()
    return "\n".join(lines if len(lines) <= SHOWN_LINES else ["…", *lines[-SHOWN_LINES:]])


@dataclass(frozen=True)
class Buho:
    """A binary with the settings of one project and lake."""

    binary: Path
    project: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)
    timeout_s: float = 600

    def at(self, project: Path, **settings: Any) -> "Buho":
        """The same binary for a project; `raw=…` becomes `BUHO_RAW` and so on."""
        named = {f"BUHO_{key.upper()}": str(value) for key, value in settings.items()}
        return Buho(self.binary, project, {**self.environment, **named}, self.timeout_s)

    def with_environment(self, **variables: str) -> "Buho":
        return Buho(self.binary, self.project, {**self.environment, **variables}, self.timeout_s)

    def command(self, *arguments: str) -> list[str]:
        project = ["--project", str(self.project)] if self.project else []
        return [str(self.binary), *project, *arguments]

    def variables(self) -> dict[str, str]:
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        return {**inherited, "NO_COLOR": "1", **self.environment}

    def __call__(self, *arguments: str) -> Outcome:
        done = subprocess.run(
            self.command(*arguments),
            env=self.variables(),
            capture_output=True,
            timeout=self.timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        outcome = Outcome(arguments, done.returncode, out, err)
        assert "panicked at" not in err, f"a panic is a defect\n{outcome}"
        return outcome

    def night(self, night: str, *arguments: str) -> Outcome:
        return self("run", "--night", night, "--format", "json", *arguments)

    def runs(self) -> list[dict[str, Any]]:
        """The runs that are listed, newest first."""
        listed = self("runs", "list", "--format", "json").expect(0).stdout.splitlines()
        return [json.loads(line) for line in listed]

    def rows(self, query: str, *arguments: str) -> list[dict[str, Any]]:
        """The rows of a query, as the JSON output gives them."""
        text = self("sql", query, "--format", "json", *arguments).expect(0).stdout.strip()
        if not text:
            return []
        if text.startswith("["):
            return json.loads(text)
        return [json.loads(line) for line in text.splitlines()]

    def parquet(self, query: str, output: Path, *arguments: str) -> Path:
        """The rows of a query as a Parquet file: types and all."""
        self("sql", query, "--format", "parquet", "--output", str(output), *arguments).expect(0)
        return output


def find_binary() -> Path | None:
    """`BUHO_BIN`, or the newest binary that this checkout has built."""
    given = os.environ.get("BUHO_BIN")
    if given:
        return Path(given).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for path in target.glob("*/buho") if os.access(path, os.X_OK)]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)
