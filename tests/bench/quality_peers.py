"""The peers of `make bench-model-quality`: what they say of rows that they had not learnt from.

Logistic regression has one-hot columns, scaled numbers and medians for what is missing; the tree models
have codes of categories in the order of their text, and know themselves what to do with what is missing.

What a peer says of a table over given folds is a function of the peer, its library's version, the table and
the folds. It is kept under their hash, so that only ours is computed anew when ours is what changed. Ours is
kept under that of the binary that said it.
"""

import hashlib
import platform
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import lightgbm
import numpy as np
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from tests.bench.quality_sets import Table

# Folds of these sizes are faster alone, so that seeds are what runs side by side.
THREADS = 1
PROCESSES = 2
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


def of_one_seed(table: Table, of: np.ndarray, peer: str) -> np.ndarray:
    """`of` is the fold of each row."""
    warnings.filterwarnings("ignore")
    x, y = matrix(table), table.target
    found = np.full(len(y), np.nan)
    # The variable OMP_NUM_THREADS is read when a library is loaded: too early to be set from here.
    with threadpool_limits(THREADS):
        for fold in range(of.max() + 1):
            train, test = of != fold, of == fold
            model = PEERS[peer](table).fit(x[train], y[train])
            found[test] = model.predict_proba(x[test])[:, 1]
    return found


def kept_as(table: Table, who: str, known: bytes) -> str:
    """A name that another answer would not have."""
    found = hashlib.sha256(known)
    found.update(repr([(column.name, column.values.tolist()) for column in table.columns]).encode())
    found.update(repr(table.target.tolist()).encode())
    return f"{table.name}-{who}-{found.hexdigest()[:24]}.npy"


def keep(file: Path, found: np.ndarray) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("wb") as out:
        np.save(out, found)
    part.rename(file)


def probabilities(table: Table, folds: list[np.ndarray], peer: str, kept: Path) -> np.ndarray:
    """Seeds x rows; `folds` has for each seed the fold of each row. What `kept` has is not computed again."""
    kept.mkdir(parents=True, exist_ok=True)
    versions = (platform.python_version(), np.__version__, sklearn.__version__, lightgbm.__version__)
    source = repr(versions).encode() + Path(__file__).read_bytes()
    files = [kept / kept_as(table, peer, source + repr(of.tolist()).encode()) for of in folds]
    missing = [(of, file) for of, file in zip(folds, files, strict=True) if not file.exists()]
    with ProcessPoolExecutor(PROCESSES) as pool:
        jobs = [(pool.submit(of_one_seed, table, of, peer), file) for of, file in missing]
        for job, file in jobs:
            keep(file, job.result())
    return np.array([np.load(file) for file in files])
