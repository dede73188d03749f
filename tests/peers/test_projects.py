"""The projects of real businesses stand on the standard SQL, and keep its promises."""

import tomllib

import pytest

from tests.peers.support.places import PROJECTS
from tests.peers.support.project import load

NAMES = sorted(path.name for path in PROJECTS.iterdir() if path.is_dir())
KEPT = ("type", "unit", "pii")


def has_packs(name: str) -> bool:
    return bool(tomllib.loads((PROJECTS / name / "buho.toml").read_text()).get("packs", ["commerce"]))


@pytest.mark.parametrize("name", [name for name in NAMES if has_packs(name)])
def test_an_overriding_model_gives_exactly_the_columns_it_replaces(name: str):
    standard, project = load().models, load(PROJECTS / name).models
    overridden = [model for model in standard if project[model].sql_file != standard[model].sql_file]
    assert overridden, f"{name} overrides nothing"
    for model in overridden:
        assert described(project[model].spec) == described(standard[model].spec), model


def described(spec: dict) -> list[tuple]:
    return [(column["name"], *(column.get(key) for key in KEPT)) for column in spec["columns"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_model_of_a_project_has_a_unit_test_or_needs_none(name: str):
    """A view of constants has nothing to test but its audits."""
    standard, project = load().models, load(PROJECTS / name).models
    for model, own in project.items():
        if model not in standard and own.inputs & {*project, *load(PROJECTS / name).bronze}:
            assert own.spec.get("tests"), f"{model} has no unit test"
