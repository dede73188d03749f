"""Every kind of model, read by onnxruntime, gives the scores that this program gives."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.peers.support.places import ROOT

TOLERANCE = 1e-5


def exporter() -> Path | None:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for path in target.glob("*/examples/export") if path.is_file()]
    return max(built, key=lambda path: path.stat().st_mtime, default=None)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    program = exporter()
    if program is None:
        pytest.skip("`cargo build -p models --example export` has not been run")
    folder = tmp_path_factory.mktemp("onnx")
    subprocess.run([str(program), str(folder)], check=True)
    return folder, json.loads((folder / "expected.json").read_text())


def inputs(columns: dict, names: set[str]) -> dict[str, np.ndarray]:
    numbers = {"amount", "visits", "member"}
    made = {
        name: np.array([float(value) for value in values])
        if name in numbers
        else np.array([value or "" for value in values], dtype=object)
        for name, values in columns.items()
    }
    return {name: values.reshape(-1, 1) for name, values in made.items() if name in names}


def test_onnxruntime_gives_the_same_scores(exported: tuple[Path, dict]) -> None:
    folder, expected = exported
    assert len(expected["models"]) == 15
    for model in expected["models"]:
        session = onnxruntime.InferenceSession(folder / model["file"], providers=["CPUExecutionProvider"])
        given = inputs(expected["columns"], {column.name for column in session.get_inputs()})
        names = [output.name for output in session.get_outputs()]
        assert set(names) == set(model["outputs"]), model["recipe"]
        for name, found in zip(names, session.run(names, given), strict=True):
            wanted = np.array(model["outputs"][name])
            gap = np.max(np.abs(found[:, 0] - wanted) / np.maximum(1, np.abs(wanted)))
            assert gap < TOLERANCE, f"{model['recipe']}: {name} is off by {gap:.1e}"
