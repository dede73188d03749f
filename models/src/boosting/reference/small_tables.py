"""Scores of LightGBM and XGBoost on small tables where their bins and ours must be the same.

Made with lightgbm 4.7.0, xgboost 3.2.0, numpy 2.4.6: `python small_tables.py > small_tables.json`.

Values are whole numbers below 40, so that every value has a bin, and the table is made by arithmetic that the test
repeats. LightGBM sums gradients in f32, XGBoost stores f32: the tolerance of the test is 1e-4 on the raw score.
"""

import json

import lightgbm
import numpy as np
import xgboost

ROWS, ROUNDS, LEAVES, MIN_SAMPLES, SHRINKAGE = 500, 12, 7, 10, 0.2


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
        "min_data_in_leaf": MIN_SAMPLES,
        "min_data_in_bin": 1,
        "num_threads": 1,
        "verbose": -1,
    }
    data = lightgbm.Dataset(x, y, params={"min_data_in_bin": 1, "verbose": -1})
    return list(lightgbm.train(settings, data, ROUNDS).predict(x, raw_score=True))


def xgboost_scores(objective: dict[str, object], x: np.ndarray, y: np.ndarray) -> list[float]:
    settings = {
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_leaves": LEAVES,
        "max_depth": 0,
        "eta": SHRINKAGE,
        "lambda": 0.0,
        "min_child_weight": 5.0,
        "max_delta_step": 0.7,
        "base_score": float(y.mean()),
        "nthread": 1,
        **objective,
    }
    data = xgboost.QuantileDMatrix(x, y, max_bin=256)
    return xgboost.train(settings, data, ROUNDS).predict(xgboost.DMatrix(x), output_margin=True).tolist()


def main() -> None:
    x, y = table()
    classes = (y > np.median(y)).astype(float)
    counts = np.floor(np.maximum(y, 0.0))
    found = {
        "logistic": lightgbm_scores("binary", x, classes),
        "squared": lightgbm_scores("regression", x, y),
        "poisson": xgboost_scores({"objective": "count:poisson"}, x, counts),
        "tweedie": xgboost_scores(
            {"objective": "reg:tweedie", "tweedie_variance_power": 1.4}, x, np.maximum(y, 0.0)
        ),
    }
    print(json.dumps({name: [round(score, 7) for score in scores] for name, scores in found.items()}))


if __name__ == "__main__":
    main()
