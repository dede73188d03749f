"""Golden values of the metrics: python golden.py > golden.json

scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6. An integer generator that tests.rs
repeats makes the data.
"""

import json

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

state, values = 20261121, []
for _ in range(400 * 4):
    state = state * 16807 % 2147483647
    values.append(state / 2147483647)
u = np.array(values).reshape(400, 4)
p = np.floor(u[:, 0] * 40) / 40 * 0.98 + 0.01  # ties
y = (u[:, 1] < p**1.3).astype(float)
w = 0.5 + u[:, 2]
other = u[:, 3]
log_odds = np.log(p / (1 - p))
line = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-13).fit(log_odds[:, None], y)
fpr, tpr, _ = metrics.roc_curve(y, p, drop_intermediate=False)
mann = stats.mannwhitneyu(
    p[y == 1], p[y == 0], alternative="greater", method="asymptotic", use_continuity=False
)
print(
    json.dumps(
        {
            "versions": {
                "scikit-learn": sklearn.__version__,
                "scipy": scipy.__version__,
                "numpy": np.__version__,
            },
            "roc_auc": [metrics.roc_auc_score(y, p), metrics.roc_auc_score(y, p, sample_weight=w)],
            "average_precision": [
                metrics.average_precision_score(y, p),
                metrics.average_precision_score(y, p, sample_weight=w),
            ],
            "log_loss": [metrics.log_loss(y, p), metrics.log_loss(y, p, sample_weight=w)],
            "brier": [metrics.brier_score_loss(y, p), metrics.brier_score_loss(y, p, sample_weight=w)],
            "kolmogorov_smirnov": [
                stats.ks_2samp(p[y == 1], p[y == 0]).statistic,
                max(
                    abs(a - b)
                    for a, b in zip(
                        *metrics.roc_curve(y, p, sample_weight=w, drop_intermediate=False)[:2], strict=True
                    )
                ),
            ],
            "mae": [
                metrics.mean_absolute_error(other, p),
                metrics.mean_absolute_error(other, p, sample_weight=w),
            ],
            "rmse": [
                metrics.root_mean_squared_error(other, p),
                metrics.root_mean_squared_error(other, p, sample_weight=w),
            ],
            "pinball": [
                metrics.mean_pinball_loss(other, p, alpha=0.8),
                metrics.mean_pinball_loss(other, p, sample_weight=w, alpha=0.8),
            ],
            "wape": [
                np.abs(other - p).sum() / other.sum(),
                (w * np.abs(other - p)).sum() / (w * other).sum(),
            ],
            "calibration_line": [line.coef_[0][0], line.intercept_[0]],
            "two_sample_p": mann.pvalue,
        },
        indent=1,
    )
)
