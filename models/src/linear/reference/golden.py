"""Golden values of the linear family: python golden.py > golden.json

scikit-learn 1.9.1, numpy 2.4.6, scipy 1.17.1. An integer generator that tests.rs
repeats makes the data.
"""

import json

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler


def made(rows, columns):
    """x, y, w by the generator of Park and Miller: exact in f64 on both sides."""
    state, out = 20261121, []
    for _ in range(rows * (columns + 2)):
        state = state * 16807 % 2147483647
        out.append(state / 2147483647)
    u = np.array(out).reshape(rows, columns + 2)
    x = (u[:, :columns] - 0.5) * (1 + np.arange(columns)) + 3 * np.arange(columns)
    x[:, 1] += x[:, 0]
    score = x[:, 0] - 0.7 * (x[:, 1] - 3) + 0.2 * (x[:, 2] - 6) - 0.4
    y = (u[:, columns] < 1 / (1 + np.exp(-2 * score))).astype(float)
    return x, y, 0.5 + u[:, columns + 1], score


x, y, w, score = made(600, 6)
scaler = StandardScaler().fit(x, sample_weight=w)
z = scaler.transform(x)
out = {
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "logistic": [],
    "ridge": [],
}
for penalty, ratio in [(1.0, 0.0), (50.0, 0.0), (0.01, 0.0), (5.0, 1.0), (20.0, 0.5), (60.0, 1.0)]:
    if ratio == 0.0:
        model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    else:
        model = LogisticRegression(C=1 / penalty, l1_ratio=ratio, solver="saga", tol=1e-13, max_iter=200000)
    model.fit(z, y, sample_weight=w)
    b, b0 = model.coef_[0], model.intercept_[0]
    m = z @ b + b0
    objective = np.sum(w * (np.logaddexp(0, m) - y * m))
    objective += penalty * (ratio * np.abs(b).sum() + (1 - ratio) / 2 * b @ b)
    out["logistic"].append(
        {
            "penalty": penalty,
            "l1_ratio": ratio,
            "objective": objective,
            "coefficients": list(b / scaler.scale_),
            "intercept": b0 - np.sum(b / scaler.scale_ * scaler.mean_),
        }
    )
target = score * 10 + 5 * w
for penalty in [0.0, 7.0]:
    model = Ridge(alpha=penalty, solver="cholesky").fit(z, target, sample_weight=w)
    out["ridge"].append(
        {
            "penalty": penalty,
            "coefficients": list(model.coef_ / scaler.scale_),
            "intercept": model.intercept_ - np.sum(model.coef_ / scaler.scale_ * scaler.mean_),
        }
    )
print(json.dumps(out, indent=1))
