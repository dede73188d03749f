"""ML nodes over thousands of columns."""

from pathlib import Path

from tests.peers.support.binary import Buho
from tests.peers.support.wide import NIGHT, write_wide

COLUMNS = 5_000
CUSTOMERS = 300


def test_five_thousand_columns_are_learnt_from_scored_and_told_of(buho: Buho, tmp_path: Path):
    at = buho.at(write_wide(tmp_path / "wide", COLUMNS, CUSTOMERS))
    at.night(NIGHT).expect(0)
    learnt = at.rows("select outcome, rows, late_rows, leaks_checked_on from ml.churn_training")
    assert learnt == [{"outcome": "shipped", "rows": CUSTOMERS, "late_rows": 0, "leaks_checked_on": NIGHT}]
    told = at.rows("select column_name, place, treatment from ml.feature_importance order by place")
    assert len(told) == COLUMNS
    assert told[0] == {"column_name": "c0000", "place": 1, "treatment": "as it is"}
    scores = at.rows(
        "select count(*) as scores, min(probability) as low, max(probability) as high,"
        " count(reason_1_words) as reasons from ml.churn_scores"
    )[0]
    assert (scores["scores"], scores["reasons"]) == (CUSTOMERS, CUSTOMERS)
    assert 0 < float(scores["low"]) < 0.4 < float(scores["high"]) < 1
    assert len(at.rows("select measure from ml.drift where measure = 'psi'")) == COLUMNS
    lineage = at("lineage", "ml.churn_scores.probability").expect(0).stdout
    assert all(f"wide.csv [c{number:04}]" in lineage for number in (0, 777, COLUMNS - 1))
