"""Scores of LightGBM and XGBoost on small tables where their bins and ours must be the same.

Made with lightgbm 4.7.0, xgboost 3.2.0, numpy 2.4.6: `python small_tables.py > small_tables.json`.

Values are whole numbers below 40, so that every value has a bin, and the table is made by arithmetic that the
test repeats. Leaves are bounded by hessians, for LightGBM estimates rows from them. Both keep gradients
as f32: the tolerance of the test is 1e-4 on the raw score.
"""

import json

import lightgbm
import numpy as np
import xgboost

ROWS, ROUNDS, LEAVES, MIN_HESSIAN, SHRINKAGE = 500, 12, 7, 5.0, 0.2


def table() -> tuple[np.ndarray, np.ndarray]:
    row = np.arange(ROWS)
    x = np.stack([(row * 7919) % 37, (row * 104729) % 29, (row * 1299709) % 11], axis=1).astype(float)
    noise = ((row * 15485863) % 1009) / 1009.0
    return x, x[:, 0] / 12.0 - (x[:, 1] > 17.0) * 1.5 + x[:, 2] * (x[:, 0] > 20.0) / 8.0 + 2.0 * noise


def lightgbm_scores(objective: str, x: np.ndarray, y: np.ndarray) -> list[float]:
    settings = {
        "objective": objective,
        "num_leaves": LEAVES,
        "learning_rate": SHRINKAGE,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": MIN_HESSIAN,
        "min_data_in_bin": 1,
        "num_threads": 1,
        "verbose": -1,
    }
    data = lightgbm.Dataset(x, y, params={"min_data_in_bin": 1, "verbose": -1})
    return list(lightgbm.train(settings, data, ROUNDS).predict(x, raw_score=True))


def poisson(score: np.ndarray, data: xgboost.DMatrix) -> tuple[np.ndarray, np.ndarray]:
    """The loss itself: XGBoost's own `count:poisson` doubles the hessian."""
    mean = np.exp(score)
    return mean - data.get_label(), mean


def xgboost_scores(
    x: np.ndarray, y: np.ndarray, start: float, given: dict[str, object], loss: object = None
) -> list[float]:
    settings = {
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": LEAVES,
        "max_depth": 0,
        "eta": SHRINKAGE,
        "lambda": 0.0,
        "min_child_weight": MIN_HESSIAN,
        "max_delta_step": 0.7,
        "base_score": start,
        "nthread": 1,
        **given,
    }
    data = xgboost.QuantileDMatrix(x, y, max_bin=256)
    model = xgboost.train(settings, data, ROUNDS, obj=loss)
    return model.predict(xgboost.DMatrix(x), output_margin=True).tolist()


def main() -> None:
    x, y = table()
    classes = (y > np.median(y)).astype(float)
    counts, claims = np.floor(np.maximum(y, 0.0)), np.maximum(y, 0.0)
    tweedie = {"objective": "reg:tweedie", "tweedie_variance_power": 1.4}
    found = {
        "logistic": lightgbm_scores("binary", x, classes),
        "squared": lightgbm_scores("regression", x, y),
        "poisson": xgboost_scores(x, counts, float(np.log(counts.mean())), {}, poisson),
        "tweedie": xgboost_scores(x, claims, float(claims.mean()), tweedie),
    }
    print(json.dumps({name: [round(score, 7) for score in scores] for name, scores in found.items()}))


if __name__ == "__main__":
    main()
