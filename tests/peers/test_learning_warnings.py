"""What people should look at in an ML node's rows is told while they are learnt from; the night goes on."""

import random
from pathlib import Path

from tests.peers.support.binary import Buho
from tests.peers.support.tiny import write_model
from tests.peers.support.wide import ENTITY, NIGHT, write_features, write_node, write_settings, write_source

CUSTOMERS = 20_000
POSITIVES = 20
UNLABELLED = 3
JOIN = "from features.spine as s\nleft join staging.customers as c on c.customer_id = s.customer_id\n"


def write_rare(folder: Path) -> Path:
    """One customer in a thousand leaves, mostly after complaints; no age is known but 0."""
    write_settings(folder, "rare")
    chance = random.Random(5)
    lines = []
    for row in range(CUSTOMERS):
        left = "" if row < UNLABELLED else int(row % (CUSTOMERS // POSITIVES) == 7)
        complaints = chance.randrange(10) + (5 if left == 1 else 0)
        lines.append(f"k{row:05},{left},0,{complaints}")
    columns = {"customer_id": "VARCHAR", "churned": "INTEGER", "age": "INTEGER", "complaints": "INTEGER"}
    write_source(folder, "customers", columns, lines)
    staged = [ENTITY] + [{"name": name, "type": "INTEGER"} for name in ("churned", "age", "complaints")]
    sql = "select customer_id, churned, age, complaints\nfrom bronze.customers\n"
    view = {"key": ["customer_id"], "materialized": "view", "columns": staged}
    write_model(folder, "staging.customers", sql, view)
    sql = f"select s.customer_id, s.night, c.age, c.complaints\n{JOIN}"
    write_features(folder, sql, ["age", "complaints"], "INTEGER")
    label = f"select s.customer_id, s.night, c.churned as label\n{JOIN}"
    write_node(folder, label, "{ family: logistic, set: { folds: 2 } }", "gate: { min_each_class: 5 }\n")
    return folder


def test_rare_positives_ages_of_0_and_missing_labels_are_told_and_scored(buho: Buho, tmp_path: Path):
    at = buho.at(write_rare(tmp_path / "rare"))
    said = at.night(NIGHT).expect(0).said
    assert f"{UNLABELLED} rows of the spine have no label, customer_id k00000 among them" in said
    assert f"{POSITIVES} of {CUSTOMERS - UNLABELLED} labels are positive, 0.10 %" in said
    assert "column `age` of `features.customer_night` has one value in every row, and is left out" in said
    query = "select outcome, unlabelled, mean_label from ml.churn_training"
    learnt = at.rows(query)[0]
    assert (learnt["outcome"], int(learnt["unlabelled"])) == ("shipped", UNLABELLED)
    scores = at.rows("select count(*) as scores, avg(probability) as mean from ml.churn_scores")[0]
    assert scores["scores"] == CUSTOMERS
    # As rare as what was learnt from.
    assert 0.5 < float(scores["mean"]) / float(learnt["mean_label"]) < 2
