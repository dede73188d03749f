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
# Rows of a sum, so that the sum needs less memory than the fit.
PART = 100_000


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


def filled(x: np.ndarray, task: str) -> np.ndarray:
    """Missing values as 0: neither side's logistic regression takes them."""
    return np.nan_to_num(x, copy=False, nan=0.0) if task == "logistic" else x


class Logistic:
    """On standardised columns, as ours is: the scaler is a part of the fit."""

    def __init__(self, settings: dict[str, Any], x: np.ndarray, y: np.ndarray) -> None:
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
        from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

        self.penalty = settings["logistic"]["penalty"]
        self.scaler = StandardScaler()
        # The tolerance with which it ends at the optimum to 1e-6.
        self.model = LogisticRegression(C=1.0 / self.penalty, tol=1e-4, max_iter=1000)
        self.model.fit(self.scaler.fit_transform(x), y)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self.model.predict_proba(self.scaler.transform(x))[:, 1]

    def objective(self, x: np.ndarray, y: np.ndarray) -> float:
        """What both sides minimise, penalty included."""
        coefficients = self.model.coef_[0]
        loss = 0.5 * self.penalty * float(np.sum(coefficients**2))
        for start in range(0, len(y), PART):
            rows = slice(start, start + PART)
            margin = self.scaler.transform(x[rows]) @ coefficients + self.model.intercept_[0]
            loss += float(np.sum(np.logaddexp(0.0, margin) - y[rows] * margin))
        return loss


PEERS: dict[str, Fit] = {
    "lightgbm": lightgbm,
    "lightgbm_reasons": lightgbm_reasons,
    "xgboost": xgboost,
    "hist_gradient_boosting": hist_gradient_boosting,
    "random_forest": random_forest,
    "logistic_regression": Logistic,
}


def auc(scores: np.ndarray, y: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415

    return float(roc_auc_score(y, scores))


def main() -> None:
    peer, task, settings, train, test, columns = sys.argv[1:]
    given = json.loads(Path(settings).read_text())
    x, y = table(Path(train), int(columns))
    x = filled(x, task)
    started = time.perf_counter()
    score = PEERS[peer](given, x, y)
    seconds = time.perf_counter() - started
    objective = {"objective": score.objective(x, y)} if isinstance(score, Logistic) else {}
    del x, y
    x, y = table(Path(test), int(columns))
    x = filled(x, task)
    started = time.perf_counter()
    scores = score(x)
    if task in ("score", "shap"):
        seconds = time.perf_counter() - started
    answer = {} if task == "shap" else {"auc": auc(scores, y)}
    print(json.dumps({"seconds": seconds, **answer, **objective}))


if __name__ == "__main__":
    main()
