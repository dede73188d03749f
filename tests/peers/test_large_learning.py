"""ML nodes over thousands of columns, and over more rows than there is memory for."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.peers.support.binary import Buho
from tests.peers.support.cost import run_measured
from tests.peers.support.wide import NIGHT, write_many, write_wide

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


NUMBERS, TIMES = 100, 40
MANY = NUMBERS * NUMBERS * TIMES
# The least that a night is run with. The rows alone are a third of it; learning from all takes more.
MEMORY = "64MiB"


def test_more_rows_than_memory_holds_are_refused_with_a_sample_that_fits_and_then_all_are_scored(
    buho: Buho, tmp_path: Path
):
    project = write_many(tmp_path / "many", NUMBERS, TIMES)
    at = buho.at(project, memory=MEMORY)
    said = at.night(NIGHT).expect(1).said
    found = re.search(r"the first (\d+) of them take (\d+) MiB while they are learnt from", said)
    assert found, said
    assert 0 < int(found[1]) < MANY
    assert int(found[2]) <= 64
    sample = re.search(r"declare a sample in sql/ml/churn.yml, such as `(sample: { entities: \d+ })`", said)
    assert sample, said
    with (project / "sql/ml/churn.yml").open("a") as node:
        node.write(sample[1] + "\n")
    at.night(NIGHT).expect(0)
    learnt = at.rows("select outcome, entities, reason from ml.churn_training")[0]
    assert learnt["outcome"] == "shipped"
    assert 0 < int(learnt["entities"]) < MANY / 2
    assert f"of {MANY} entities, which costs about" in learnt["reason"]
    scores = at.rows(
        "select count(*) as scores, count(distinct customer_id) as customers from ml.churn_scores"
    )
    assert scores == [{"scores": MANY, "customers": MANY}]


MILLIONS = int(os.environ.get("BUHO_MILLIONS", "0"))
BUDGET_MIB = 1024
# What a process may hold beyond its budget, wherever this is measured.
BEYOND_MIB = 512


@pytest.mark.skipif(not MILLIONS, reason="minutes: `make test-faults` sets BUHO_MILLIONS")
def test_millions_of_rows_are_scored_from_a_sample_within_the_budget(buho: Buho, tmp_path: Path):
    project = write_many(tmp_path / "many", 1000, MILLIONS, "sample: { entities: 100000 }\n")
    at = replace(buho.at(project, memory=f"{BUDGET_MIB}MiB"), timeout_s=3600)
    cost = run_measured(at, tmp_path, "run", "--night", NIGHT)
    cost.outcome.expect(0)
    print(f"{MILLIONS} million rows: {cost.peak_mib} MiB at most, memory {BUDGET_MIB} MiB")
    assert at.rows("select count(*) as n from ml.churn_scores") == [{"n": MILLIONS * 1_000_000}]
    assert cost.peak_mib < BUDGET_MIB + BEYOND_MIB
