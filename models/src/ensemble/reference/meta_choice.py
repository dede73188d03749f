"""Which meta-model: free or non-negative weights, and how far log-odds are clipped.

    python meta_choice.py <../shared/data>

scikit-learn 1.9.1: StratifiedKFold(5, shuffle, seed 42) outside, five folds inside for the out-of-fold
log-odds of three members (scaled one-hot logistic, HistGradientBoosting, forest of 100 x depth 10); the
meta-model is an L2 logistic (C = 1) on standardised log-odds, solved here by projected L-BFGS so that both
variants share every digit. DECISIONS.md has the figures.
"""

import json
import sys
import warnings

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

warnings.filterwarnings("ignore")
root = sys.argv[1]


def sets():
    def read(path, **options):
        return pd.read_csv(f"{root}/{path}", **options)

    t = read("telco-churn/Telco-Customer-Churn.csv.gz").drop(columns="customerID")
    t["TotalCharges"] = pd.to_numeric(t["TotalCharges"], errors="coerce")
    yield "telco", t.drop(columns="Churn"), (t["Churn"] == "Yes")
    t = read("bank-churn-10k/Churn_Modelling.csv.gz").drop(columns=["RowNumber", "CustomerId", "Surname"])
    yield "bank-10k", t.drop(columns="Exited"), t["Exited"] == 1
    t = read("telecom-churn-5000/mlc_churn.csv.gz").drop(columns="rownames")
    yield "telecom-5000", t.drop(columns="churn"), t["churn"].astype(str).isin(["yes", "Yes", "True", "1"])
    t = read("iranian-churn/Customer_Churn.csv.gz").drop_duplicates().reset_index(drop=True)
    yield "iranian", t.drop(columns="Churn"), t["Churn"] == 1
    t = read("online-shoppers-12330/online_shoppers_intention.csv.gz", sep=";")
    yield (
        "online-shoppers",
        t.drop(columns="Revenue"),
        t["Revenue"].astype(str).str.lower().isin(["true", "1"]),
    )
    t = read("marketing-campaign-2240/marketing_campaign.tsv.gz", sep="\t").drop(columns="ID")
    t["Dt_Customer"] = (pd.to_datetime(t["Dt_Customer"], dayfirst=True) - pd.Timestamp("2012-01-01")).dt.days
    yield "marketing", t.drop(columns="Response"), t["Response"] == 1


def sigmoid(m):
    return 1 / (1 + np.exp(-m))


def meta(z, y, low):
    mean, scale = z.mean(0), z.std(0)
    s = (z - mean) / scale

    def loss(b):
        m = s @ b[:-1] + b[-1]
        r = sigmoid(m) - y
        return np.sum(np.logaddexp(0, m) - y * m) + 0.5 * b[:-1] @ b[:-1], np.append(
            s.T @ r + b[:-1], r.sum()
        )

    k = z.shape[1]
    b = minimize(
        loss, np.zeros(k + 1), jac=True, method="L-BFGS-B", bounds=[(low, None)] * k + [(None, None)]
    ).x
    return lambda new: sigmoid((new - mean) / scale @ b[:-1] + b[-1])


out = {}
for name, x, label_of_row in sets():
    y = label_of_row.to_numpy().astype(int)
    text = [c for c in x.columns if not pd.api.types.is_numeric_dtype(x[c])]
    x[text] = x[text].astype(object)
    number = [c for c in x.columns if c not in text]
    dense = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), number),
        (OneHotEncoder(handle_unknown="ignore"), text),
    )
    codes = make_column_transformer(
        (SimpleImputer(strategy="median"), number),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), text),
    )
    members = [
        make_pipeline(dense, LogisticRegression(max_iter=2000)),
        make_pipeline(codes, HistGradientBoostingClassifier(random_state=0)),
        make_pipeline(codes, RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=2)),
    ]
    scores = {}
    for train, test in StratifiedKFold(5, shuffle=True, random_state=42).split(x, y):
        inner = StratifiedKFold(5, shuffle=True, random_state=7)
        oof = np.column_stack(
            [
                cross_val_predict(m, x.iloc[train], y[train], cv=inner, method="predict_proba")[:, 1]
                for m in members
            ]
        )
        new = np.column_stack(
            [m.fit(x.iloc[train], y[train]).predict_proba(x.iloc[test])[:, 1] for m in members]
        )
        for k, label in enumerate(["lr", "hgb", "rf"]):
            scores.setdefault(label, []).append(
                (roc_auc_score(y[test], new[:, k]), log_loss(y[test], new[:, k]))
            )
        for clip in (1e-6, 1e-4, 1e-3, 5e-3):

            def logit(p, clip=clip):
                p = np.clip(p, clip, 1 - clip)
                return np.log(p / (1 - p))

            for label, low in (("free", None), ("non-negative", 0)):
                p = meta(logit(oof), y[train], low)(logit(new))
                scores.setdefault(f"{label} {clip:g}", []).append(
                    (roc_auc_score(y[test], p), log_loss(y[test], p))
                )
    out[name] = {key: [round(float(v), 5) for v in np.mean(value, 0)] for key, value in scores.items()}
    print(json.dumps({name: out[name]}), flush=True)
keys = list(next(iter(out.values())))
print(
    json.dumps(
        {"mean": {k: [round(float(v), 5) for v in np.mean([o[k] for o in out.values()], 0)] for k in keys}}
    )
)
