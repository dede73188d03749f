"""What `models.py` measures of the peers: one fit, scoring or explanation; the answer is one line of JSON.

`peer_models.py <peer> <task> <settings.json> <train folder> <test folder> <columns>`
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# Each peer is imported where it is used: another's library must not count as its memory.
Scorer = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[dict[str, Any], np.ndarray, np.ndarray], Scorer]


def table(folder: Path, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return np.fromfile(folder / "x.f64").reshape(-1, columns), np.fromfile(folder / "y.f64")


def lightgbm_model(settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> Any:
    import lightgbm  # noqa: PLC0415

    given = settings["boosting"]
    params = {
        "objective": "binary",
        "num_leaves": given["leaves"],
        "learning_rate": given["shrinkage"],
        "max_bin": given["bins"],
        "min_data_in_leaf": given["min_samples"],
        "min_sum_hessian_in_leaf": given["min_hessian"],
        "lambda_l2": given["l2"],
        "num_threads": settings["threads"],
        "verbose": -1,
    }
    return lightgbm.train(params, lightgbm.Dataset(x, y, params=params), given["rounds"])


def lightgbm(settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> Scorer:
    model = lightgbm_model(settings, x, y)
    return lambda x: model.predict(x, num_threads=settings["threads"])


def lightgbm_reasons(settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> Scorer:
    model = lightgbm_model(settings, x, y)
    return lambda x: model.predict(x, pred_contrib=True, num_threads=settings["threads"])


def xgboost(settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> Scorer:
    import xgboost  # noqa: PLC0415

    given = settings["boosting"]
    params = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": given["leaves"],
        "max_depth": 0,
        "eta": given["shrinkage"],
        "max_bin": given["bins"],
        "lambda": given["l2"],
        # It bounds leaves by hessians alone.
        "min_child_weight": given["min_hessian"],
        "nthread": settings["threads"],
    }
    data = xgboost.QuantileDMatrix(x, y, max_bin=given["bins"], nthread=settings["threads"])
    return xgboost.train(params, data, given["rounds"]).inplace_predict


def hist_gradient_boosting(settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> Scorer:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    given = settings["boosting"]
    model = HistGradientBoostingClassifier(
        max_iter=given["rounds"],
        max_leaf_nodes=given["leaves"],
        learning_rate=given["shrinkage"],
        max_bins=given["bins"],
        min_samples_leaf=given["min_samples"],
        l2_regularization=given["l2"],
        early_stopping=False,
        random_state=0,
    ).fit(x, y)
    return lambda x: model.predict_proba(x)[:, 1]


def random_forest(settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> Scorer:
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    given = settings["forest"]
    model = RandomForestClassifier(
        given["trees"],
        max_depth=given["depth"],
        min_samples_leaf=given["min_samples"],
        max_features=given["columns_per_split"],
        n_jobs=settings["threads"],
        random_state=0,
    ).fit(x, y)
    return lambda x: model.predict_proba(x)[:, 1]


PEERS: dict[str, Fit] = {
    "lightgbm": lightgbm,
    "lightgbm_reasons": lightgbm_reasons,
    "xgboost": xgboost,
    "hist_gradient_boosting": hist_gradient_boosting,
    "random_forest": random_forest,
}


def auc(scores: np.ndarray, y: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    return float(roc_auc_score(y, scores))


def main() -> None:
    peer, task, settings, train, test, columns = sys.argv[1:]
    given = json.loads(Path(settings).read_text())
    x, y = table(Path(train), int(columns))
    started = time.perf_counter()
    score = PEERS[peer](given, x, y)
    seconds = time.perf_counter() - started
    del x, y
    x, y = table(Path(test), int(columns))
    started = time.perf_counter()
    scores = score(x)
    if task in ("score", "shap"):
        seconds = time.perf_counter() - started
    answer = {"seconds": seconds} if task == "shap" else {"seconds": seconds, "auc": auc(scores, y)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
