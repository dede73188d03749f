"""Golden values of calibration: python golden.py > golden.json

scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6. An integer generator that tests.rs
repeats makes the data.
Platt: Lin, Lin & Weng's objective minimised by scipy. Beta: their logistic regression minimised by scipy,
unbounded (both coefficients come out positive on these data).
"""

import json

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

state, values = 20261121, []
for _ in range(500 * 3):
    state = state * 16807 % 2147483647
    values.append(state / 2147483647)
u = np.array(values).reshape(500, 3)
p = np.floor(u[:, 0] * 200) / 200 * 0.98 + 0.01
y = (u[:, 1] < p**1.7).astype(float)
w = 0.5 + u[:, 2]
grid = np.arange(21) / 20
iso = IsotonicRegression(out_of_bounds="clip").fit(p, y, sample_weight=w)
score = np.log(p / (1 - p))
positive, negative = (w * y).sum(), (w * (1 - y)).sum()
target = np.where(y == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))


def minimum(x, t):
    def loss(b):
        m = x @ b[:-1] + b[-1]
        r = w * (1 / (1 + np.exp(-m)) - t)
        return np.sum(w * (np.logaddexp(0, m) - t * m)), np.append(x.T @ r, r.sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="BFGS", options={"gtol": 1e-9})
    return list(found.x)


print(
    json.dumps(
        {
            "versions": {
                "scikit-learn": sklearn.__version__,
                "scipy": scipy.__version__,
                "numpy": np.__version__,
            },
            "isotonic": list(iso.predict(grid)),
            "platt": minimum(score[:, None], target),
            "beta": minimum(np.column_stack([np.log(p), -np.log1p(-p)]), y),
        },
        indent=1,
    )
)
