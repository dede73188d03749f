"""What holds back a churn mart that says something else than the model."""

import shutil
from pathlib import Path

import pytest

from tests.peers.conftest import Night
from tests.peers.support.places import STANDARD_SQL

RISK = STANDARD_SQL / "marts" / "commerce" / "churn_risk"
TERMS = STANDARD_SQL / "core" / "commerce" / "contact_terms"


def own(project: Path, layer: str, standard: Path, change: tuple[str, str]) -> None:
    """A model of the project's own: the standard one with a change."""
    folder = project / "sql" / layer / "commerce"
    folder.mkdir(parents=True, exist_ok=True)
    yml = standard.with_suffix(".yml").read_text(encoding="utf-8")
    (folder / f"{standard.name}.yml").write_text(yml.split("tests:")[0], encoding="utf-8")
    sql = standard.with_suffix(".sql").read_text(encoding="utf-8")
    assert sql.count(change[0]) == 1
    (folder / f"{standard.name}.sql").write_text(sql.replace(*change), encoding="utf-8")


@pytest.mark.parametrize(
    ("slip", "audit"),
    [
        (
            ("1 - tonight.probability as buy_probability", "0.99 - tonight.probability as buy_probability"),
            "the_probability_is_the_one_of_the_scores",
        ),
        (
            ("ranked.place <= ranked.capacity then 'contact'", "true then 'contact'"),
            "no_more_contacts_than_can_be_made",
        ),
    ],
)
def test_a_mart_that_disagrees_with_the_scores_or_the_desk_is_held_by_its_audit(
    demo: Night, tmp_path: Path, slip: tuple[str, str], audit: str
):
    project = tmp_path / "shop"
    shutil.copytree(demo.project, project)
    # A desk that can make one contact a night.
    own(project, "core", TERMS, ("cast(500 as integer) as capacity", "cast(1 as integer) as capacity"))
    own(project, "marts", RISK, slip)
    at = demo.buho.at(project)
    before = at.rows("select * from marts.churn_risk order by customer_id")
    result = at.night(demo.night).expect(1).result
    assert result["failed"]["node"] == "marts.churn_risk"
    failed = at.rows(
        "select node, failing_rows from ops.audits where not passed"
        f" and audit = '{audit}' order by failing_rows desc"
    )
    assert failed[0]["node"] == "marts.churn_risk"
    assert int(failed[0]["failing_rows"]) > 0
    assert at.rows("select * from marts.churn_risk order by customer_id") == before
