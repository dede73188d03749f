"""AUC of LightGBM and of scikit-learn's forest on real sets, split by row number.

Made with lightgbm 4.7.0, scikit-learn 1.9.1: `python real_sets.py <data folder> > real_sets.json`. Every
fifth row is tested. A column of numbers stays as it is, empty is missing; any other column becomes the place
of its text in sorted order, for both sides the same way.
"""

import csv
import gzip
import json
import sys
from pathlib import Path

import lightgbm
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

# Folder, target, its positive text, columns left out.
SETS = {
    "bank-churn-10k": ("Exited", "1", ["RowNumber", "CustomerId", "Surname"]),
    "telco-churn": ("Churn", "Yes", ["customerID"]),
    "online-shoppers-12330": ("Revenue", "TRUE", []),
}
SEEDS = 5


def numbers(texts: list[str]) -> np.ndarray:
    try:
        return np.array([float(text) if text.strip() else np.nan for text in texts])
    except ValueError:
        order = {text: place for place, text in enumerate(sorted(set(texts)))}
        return np.array([float(order[text]) for text in texts])


def table(file: Path, target: str, positive: str, dropped: list[str]) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(file, "rt", newline="") as lines:
        first = lines.readline()
        separator = ";" if ";" in first else ","
        header, *rows = csv.reader([first, *lines], delimiter=separator)
    columns = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    y = np.array([float(text == positive) for text in columns.pop(target)])
    return np.stack([numbers(texts) for name, texts in columns.items() if name not in dropped], axis=1), y


def main() -> None:
    found = {}
    for name, (target, positive, dropped) in SETS.items():
        file = next((Path(sys.argv[1]) / name).glob("*.csv.gz"))
        x, y = table(file, target, positive, dropped)
        tested = np.arange(len(y)) % 5 == 0
        settings = {"objective": "binary", "num_threads": 1, "verbose": -1}
        model = lightgbm.train(settings, lightgbm.Dataset(x[~tested], y[~tested]), 100)
        filled = np.nan_to_num(x, nan=-1.0)
        forests = [
            RandomForestClassifier(100, max_depth=10, random_state=seed).fit(filled[~tested], y[~tested])
            for seed in range(SEEDS)
        ]
        aucs = [roc_auc_score(y[tested], forest.predict_proba(filled[tested])[:, 1]) for forest in forests]
        found[name] = {
            "lightgbm": round(roc_auc_score(y[tested], model.predict(x[tested])), 5),
            "forest": round(float(np.mean(aucs)), 5),
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
