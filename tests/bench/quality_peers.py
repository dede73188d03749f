"""The peers of `make bench-model-quality`: what they say of rows that they had not learnt from.

Logistic regression has one-hot columns, scaled numbers and medians for what is missing; the tree models
have codes of categories in the order of their text, and know themselves what to do with what is missing.
"""

import warnings
from collections.abc import Callable

import lightgbm
import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from tests.bench.quality_sets import Table

# Folds of these sizes are faster alone.
THREADS = 1
CALIBRATION_FOLDS = 5
UNSEEN = -1


def matrix(table: Table) -> np.ndarray:
    x = np.empty((len(table.target), len(table.columns)), dtype=object)
    for place, column in enumerate(table.columns):
        x[:, place] = (
            ["" if value is None else value for value in column.values] if column.is_text else column.values
        )
    return x


def places(table: Table) -> tuple[list[int], list[int]]:
    text = [place for place, column in enumerate(table.columns) if column.is_text]
    return text, [place for place in range(len(table.columns)) if place not in text]


def dense(table: Table) -> ColumnTransformer:
    text, numbers = places(table)
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer([("n", scaled, numbers), ("t", OneHotEncoder(handle_unknown="ignore"), text)])


def coded(table: Table) -> ColumnTransformer:
    text, numbers = places(table)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=UNSEEN)
    return ColumnTransformer([("n", "passthrough", numbers), ("t", codes, text)])


def as_numbers(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=float)


def hist_gradient_boosting(table: Table) -> Pipeline:
    model = HistGradientBoostingClassifier(random_state=0)
    return make_pipeline(coded(table), FunctionTransformer(as_numbers), model)


def logistic(table: Table) -> Pipeline:
    return make_pipeline(dense(table), LogisticRegression(max_iter=5000))


def calibrated(table: Table) -> CalibratedClassifierCV:
    # Rows of bank-marketing are in order of time: folds that are not shuffled would make the peer a poor one.
    shuffled = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=0)
    return CalibratedClassifierCV(hist_gradient_boosting(table), method="isotonic", cv=shuffled)


def light(table: Table) -> Pipeline:
    text, numbers = places(table)
    categories = [len(numbers) + place for place in range(len(text))]
    given = {"categorical_feature": categories} if categories else {}
    model = lightgbm.LGBMClassifier(random_state=0, n_jobs=THREADS, verbose=-1, **given)
    return make_pipeline(coded(table), FunctionTransformer(as_numbers), model)


PEERS: dict[str, Callable[[Table], object]] = {
    "logistic": logistic,
    "hist_gradient_boosting": hist_gradient_boosting,
    "calibrated_hist_gradient_boosting": calibrated,
    "lightgbm": light,
}


def probabilities(table: Table, folds: list[np.ndarray], peer: str) -> np.ndarray:
    """Seeds x rows; `folds` has for each seed the fold of each row."""
    warnings.filterwarnings("ignore")
    x, y = matrix(table), table.target
    found = np.full((len(folds), len(y)), np.nan)
    for seed, of in enumerate(folds):
        for fold in range(of.max() + 1):
            train, test = of != fold, of == fold
            model = PEERS[peer](table).fit(x[train], y[train])
            found[seed, test] = model.predict_proba(x[test])[:, 1]
    return found
