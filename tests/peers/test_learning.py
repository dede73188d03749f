"""ML nodes at the binary: real shops, judged on what came later."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.peers.conftest import Night, run_project
from tests.peers.support import places
from tests.peers.support.binary import Buho

pytestmark = pytest.mark.data

NIGHT = "2011-12-09"


@pytest.fixture(scope="module")
def retail(buho: Buho, tmp_path_factory: pytest.TempPathFactory) -> Night:
    lake = tmp_path_factory.mktemp("retail") / "lake"
    return run_project(buho, "retail-churn", NIGHT, lake, data="online-retail")


def value_of(night: Night, model: str, metric: str) -> float:
    query = (
        f"select value from ml.backtests where model = '{model}' and metric = '{metric}'"
        f" and role = 'champion' and night = date '{night.night}'"
    )
    return float(night.buho.rows(query)[0]["value"])


def calibration_error(night: Night, model: str) -> float:
    """Mean distance of score and outcome over tenths of the later nights' rows."""
    bins = night.buho.rows(f"select mean_score, mean_label, rows from ml.calibration where model = '{model}'")
    rows = sum(int(one["rows"]) for one in bins)
    return sum(abs(float(b["mean_score"]) - float(b["mean_label"])) * int(b["rows"]) for b in bins) / rows


def test_churn_is_judged_on_later_nights_and_beats_recency_frequency_money(retail: Night):
    def of(metric: str) -> tuple[float, float]:
        return value_of(retail, "churn", metric), value_of(retail, "rfm", metric)

    churn, rfm = of("roc_auc")
    assert 0.70 < rfm < churn < 0.90
    churn, rfm = of("lift_1")
    assert 1.2 < rfm < churn
    churn, rfm = of("lift_10")
    assert max(churn, rfm) < 0.3
    for loss in ("log_loss", "brier"):
        churn, rfm = of(loss)
        assert churn < rfm, loss
    assert calibration_error(retail, "churn") < calibration_error(retail, "rfm")


def test_no_snapshot_that_is_learnt_from_has_a_horizon_that_has_not_passed(retail: Night):
    row = retail.buho.rows("select * from ml.churn_training")[0]
    assert (row["first_snapshot"], row["last_snapshot"]) == ("2011-02-10", "2011-09-10")
    assert row["horizon_days"] == 90
    assert (row["outcome"], row["snapshots"], row["unlabelled"]) == ("shipped", 8, 0)


def test_calibration_on_later_nights_is_within_what_the_season_moves(retail: Night):
    assert calibration_error(retail, "churn") < 0.15


def test_a_regressor_says_by_tenths_what_it_predicted_and_how_often_its_interval_held(demo: Night):
    bins = demo.buho.rows(
        "select bin, rows, mean_score, mean_label, coverage from ml.calibration"
        f" where model = 'spend' and night = date '{demo.night}' order by bin"
    )
    scores = [float(one["mean_score"]) for one in bins]
    assert len(bins) > 5
    assert scores == sorted(scores)
    assert float(bins[0]["mean_label"]) < float(bins[-1]["mean_label"])
    rows = sum(int(one["rows"]) for one in bins)
    held = sum(float(one["coverage"]) * int(one["rows"]) for one in bins) / rows
    assert 0.7 < held <= 1


def test_a_column_of_which_only_today_is_known_is_refused_before_anything_runs(buho: Buho, tmp_path: Path):
    project, raw = tmp_path / "shop", tmp_path / "raw"
    raw.mkdir()
    shutil.copytree(places.PROJECTS / "retail-churn", project)
    contract = project / "sql/sources/online_retail.yml"
    text = contract.read_text()
    at = buho.at(project, raw=raw)
    contract.write_text(text.replace("delivery: append", "delivery: snapshot"))
    said = at("plan", "--night", NIGHT).expect(2).stderr
    assert "sql/features/retail/customer_night.sql:" in said
    assert (
        "`country` is learnt from by sql/ml/churn.yml and made of `country` of the source `online_retail`"
        in said
    )
    assert "delivered as a `snapshot`" in said
    assert "write `fixed: true` at the column in sql/sources/online_retail.yml" in said
    assert not (project / "lake" / "bronze").exists()
    contract.write_text(text)
    at("plan", "--night", NIGHT).expect(0)


def test_every_customer_of_the_spine_is_scored_with_tier_reasons_and_value_at_risk(retail: Night):
    counts = retail.buho.rows(
        "select (select count(*) from features.customer_spine) as spine, count(*) as scores,"
        " count(tier) as tiers, count(reason_1_words) as reasons, count(value_at_risk) as valued,"
        " count(distinct tier) as different from ml.churn_scores"
    )[0]
    assert counts["spine"] == counts["scores"] == counts["tiers"] == counts["reasons"]
    assert (int(counts["different"]), 0 < int(counts["valued"]) < int(counts["scores"])) == (3, True)
    row = retail.buho.rows(
        "select reason_1_words, reason_1_words_es from ml.churn_scores"
        " where reason_1 = 'days_since_last_order' order by customer_id limit 1"
    )[0]
    assert "no order for " in row["reason_1_words"]
    assert "días sin pedidos" in row["reason_1_words_es"]


def test_the_same_night_has_nothing_to_train(retail: Night):
    assert retail.buho.night(NIGHT).expect(0).result["status"] == "skipped"


def bytes_of(at: Buho) -> list[dict]:
    models = at.rows("select version, checksum, report from ml.churn_training")
    return models + at.rows("select * from ml.churn_scores order by customer_id")


def test_the_same_night_gives_the_same_bytes_with_one_and_two_threads(retail: Night, tmp_path: Path):
    other = retail.buho.at(retail.project, raw=retail.raw, lake=tmp_path / "lake")
    other("run", "--night", NIGHT, "--threads", "1").expect(0)
    assert bytes_of(other) == bytes_of(retail.buho)


def test_a_model_can_be_listed_shown_explained_and_another_recipe_promoted(retail: Night, tmp_path: Path):
    lake = tmp_path / "lake"
    shutil.copytree(retail.lake, lake)
    at = retail.buho.at(retail.project, raw=retail.raw, lake=lake)
    listed = at("models", "list", "--format", "json").expect(0).stdout.splitlines()
    assert [json.loads(line)["model"] for line in listed] == ["churn", "rfm"]
    version = json.loads(listed[0])["version"]
    customer = at.rows("select min(customer_id) as customer from ml.churn_scores")[0]["customer"]
    why = at("models", "explain", "churn", customer, "--format", "json").expect(0).stdout.splitlines()
    assert [json.loads(line)["place"] for line in why] == [1, 2, 3]
    assert "did you mean `churn`?" in at("models", "show", "chrun").expect(2).stderr
    assert "has no version" in at("models", "promote", "churn", "2011-01-01.00000000").expect(2).stderr
    assert "had one recipe only" in at("models", "rollback", "churn").expect(2).stderr
    at("models", "promote", "churn", version).expect(0)


def column_for(given: onnxruntime.NodeArg, rows: list[dict]) -> np.ndarray:
    values = [row[given.name] for row in rows]
    if given.type == "tensor(string)":
        column = np.array([value or "" for value in values], dtype=object)
    else:
        column = np.array([np.nan if value is None else float(value) for value in values])
    return column.reshape(-1, 1)


def test_an_exported_model_gives_the_scores_of_the_night_in_another_program(retail: Night, tmp_path: Path):
    at, out = retail.buho, tmp_path / "churn.onnx"
    at("models", "export", "churn", "--out", str(out)).expect(0)
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    rows = at.rows(
        "select f.*, s.probability from features.customer_night as f"
        " inner join ml.churn_scores as s on s.customer_id = f.customer_id and s.night = f.night"
    )
    (score,) = session.run(["score"], {given.name: column_for(given, rows) for given in session.get_inputs()})
    wanted = np.array([float(row["probability"]) for row in rows])
    assert len(rows) > 1000
    assert np.std(wanted) > 0.05
    assert np.max(np.abs(score[:, 0] - wanted)) < 1e-5
    unknown = at("models", "export", "churn", "2011-01-01.00000000", "--out", str(out)).expect(2).stderr
    assert "has no version" in unknown


def test_a_table_without_time_is_judged_on_other_customers(buho: Buho, tmp_path: Path):
    telco = run_project(buho, "telco-churn", "2026-01-31", tmp_path / "lake")
    assert 0.80 < value_of(telco, "churn", "roc_auc") < 0.90


WEAK = "{ family: forest, set: { trees: 1, depth: 1, folds: 2 } }"
STRONG = "{ family: logistic, set: { penalty: 1, folds: 2 } }"


def of_candidate(project: Path, candidate: str) -> None:
    """Learns by one recipe alone, and hears challengers each night."""
    text = (places.PROJECTS / "telco-churn/sql/ml/churn.yml").read_text()
    before, _, after = text.partition("candidates:\n")
    after = after.partition("\n")[2]
    gate = "gate: { challenge_every_days: 1 }\n"
    (project / "sql/ml/churn.yml").write_text(f"{before}candidates: [{candidate}]\n{gate}{after}")


def trained(at: Buho, night: str) -> dict:
    """The night's model, and that its scores are of this very one."""
    at.night(night).expect(0)
    query = "select version, family, recipe, outcome, reason, checksum from ml.churn_training"
    row = at.rows(f"{query} where night = date '{night}'")[0]
    scored = at.rows(f"select distinct model_version from ml.churn_scores where night = date '{night}'")
    assert [one["model_version"] for one in scored] == [row["version"]]
    return row


def test_a_promoted_recipe_is_fitted_anew_and_ships_and_a_rollback_ships_the_one_before(
    buho: Buho, tmp_path: Path
):
    raw = places.data("telco-churn")
    if raw is None:
        pytest.skip("../shared/data/telco-churn is not beside the repository")
    project = tmp_path / "telco-churn"
    shutil.copytree(places.PROJECTS / "telco-churn", project)
    at = buho.at(project, raw=raw, lake=tmp_path / "lake")
    of_candidate(project, WEAK)
    weak = trained(at, "2026-01-31")
    assert (weak["outcome"], weak["family"]) == ("shipped", "forest")
    of_candidate(project, STRONG)
    strong = trained(at, "2026-02-01")
    assert (strong["outcome"], strong["family"]) == ("shipped", "logistic")
    assert strong["reason"].startswith("better than forest on later rows")
    versions = (weak["version"], strong["version"])
    lines = at("models", "compare", "churn", *versions, "--format", "json").expect(0).stdout.splitlines()
    compared = {row["metric"]: row for row in map(json.loads, lines)}
    assert {"log_loss", "roc_auc", "brier", "lift_1", "lift_10"} <= set(compared)
    one, other = (float(compared["roc_auc"][version]) for version in versions)
    assert float(compared["roc_auc"]["difference"]) == pytest.approx(other - one) != 0
    assert compared["roc_auc"]["recipe_1"] == weak["recipe"]
    assert compared["roc_auc"]["recipe_2"] == strong["recipe"]
    said = at("models", "promote", "churn", weak["version"]).expect(0).stdout
    assert f"fits the recipe of {weak['version']} anew and ships it: {weak['recipe']}" in said
    promoted = trained(at, "2026-02-02")
    assert (promoted["outcome"], promoted["recipe"]) == ("shipped", weak["recipe"])
    assert promoted["reason"] == f"the recipe of {weak['version']} was promoted"
    # The same rows, the same recipe: fitted anew it is the same model, under the night it was fitted on.
    assert promoted["checksum"] == weak["checksum"]
    assert promoted["version"].startswith("2026-02-02.")
    at("models", "rollback", "churn").expect(0)
    back = trained(at, "2026-02-03")
    assert (back["outcome"], back["recipe"]) == ("shipped", strong["recipe"])
    assert back["reason"] == f"the recipe of {strong['version']} was promoted"


def test_the_form_of_ml_nodes_is_printed_and_a_slip_in_it_is_named(buho: Buho, tmp_path: Path):
    assert json.loads(buho("schema", "ml").expect(0).stdout)["properties"]["spine"]
    project, raw = tmp_path / "shop", tmp_path / "raw"
    raw.mkdir()
    shutil.copytree(places.PROJECTS / "retail-churn", project)
    yml = project / "sql/ml/churn.yml"
    for slip, said in [
        (("entity: customer_id", "entity: custmer_id"), "did you mean `customer_id`?"),
        (("features.customer_night", "features.custmer_night"), "features.customer_night`?"),
        (("family: boosting", "family: bosting"), "did you mean `boosting`?"),
        (("leaves: 8", "leafs: 8"), "did you mean `leaves`?"),
        (("kind: classifier", "kind: clasifier"), "classifier"),
        (("p.day <= s.night + $horizon", "p.day <= s.night + $horizn"), "$horizon"),
        (("as label", "as lable"), "no column `label`"),
    ]:
        text = (places.PROJECTS / "retail-churn/sql/ml/churn.yml").read_text()
        assert slip[0] in text
        yml.write_text(text.replace(*slip, 1))
        outcome = buho.at(project, raw=raw)("plan", "--night", NIGHT).expect(2)
        assert "sql/ml/churn.yml:" in outcome.stderr
        assert said in outcome.stderr
