"""scikit-learn beside examples/logistic_bench.rs: same files, same objective, two threads.

    python logistic_bench.py <the example's binary> <folder for the data> <rows> <columns> [penalty] [threads]

Prints both sides' seconds (best of three), the objective of both solutions by one formula, and the ratio.
Written for scikit-learn 1.9.1, numpy 2.4.6.
"""

import json
import os
import subprocess
import sys
import time

binary, folder, rows, columns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
penalty = float(sys.argv[5]) if len(sys.argv) > 5 else 1.0
threads = sys.argv[6] if len(sys.argv) > 6 else "2"
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = threads

# Read when these are loaded: the number of threads has to be set before.
import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

x_path, y_path = (os.path.join(folder, f"{name}-{rows}x{columns}.f64") for name in "xy")
if not os.path.exists(y_path):
    rng = np.random.default_rng(20261121)
    x = rng.standard_normal((rows, columns))
    x[:, 1::3] = np.exp(x[:, 1::3])  # skewed, as money is
    x[:, 2::3] = x[:, 2::3] * 0.6 + x[:, 0:-2:3] * 0.8  # correlated
    x *= rng.uniform(0.1, 100.0, columns)
    z = (x - x.mean(0)) / x.std(0)
    margin = z @ rng.normal(0, 0.5, columns) - 1.5
    y = (rng.uniform(size=rows) < 1 / (1 + np.exp(-margin))).astype(float)
    x.tofile(x_path)
    y.tofile(y_path)
x = np.fromfile(x_path).reshape(rows, columns)
y = np.fromfile(y_path)


def sklearn_fit():
    begin = time.perf_counter()
    scaler = StandardScaler()
    z = scaler.fit_transform(x)
    model = LogisticRegression(C=1 / penalty, tol=1e-4, max_iter=1000).fit(z, y)
    seconds = time.perf_counter() - begin
    margin = z @ model.coef_[0] + model.intercept_[0]
    loss = np.sum(np.logaddexp(0, margin) - y * margin) + 0.5 * penalty * np.sum(model.coef_**2)
    return seconds, loss, int(model.n_iter_[0])


def ours():
    command = [binary, x_path, y_path, str(rows), str(columns), threads, str(penalty)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


theirs = sorted(sklearn_fit() for _ in range(3))[0]
mine = sorted((ours() for _ in range(3)), key=lambda run: run["seconds"])[0]
print(
    json.dumps(
        {
            "rows": rows,
            "columns": columns,
            "threads": int(threads),
            "penalty": penalty,
            "scikit_learn_seconds": round(theirs[0], 4),
            "scikit_learn_iterations": theirs[2],
            "seconds": round(mine["seconds"], 4),
            "iterations": mine["iterations"],
            "ratio": round(mine["seconds"] / theirs[0], 4),
            "objective_relative_difference": (mine["objective"] - theirs[1]) / theirs[1],
        }
    )
)
