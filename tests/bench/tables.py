"""Tables to learn from, as raw little-endian f64 files, the same bytes for the same seed.

Columns are what a churn table has: amounts (log-normal), counts (geometric), shares, trends that are
sometimes missing, ages in days. The target is drawn from a logistic law of main effects, a
threshold and interactions.
"""

from pathlib import Path

import numpy as np

KINDS = 5
# Rows are made in parts, so that the maker needs less memory than the table.
PART = 100_000


def column(kind: int, normal: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    if kind == 0:
        return np.exp(normal)
    if kind == 1:
        return np.floor(-4.0 * np.log1p(-uniform))
    if kind == 2:
        return uniform
    if kind == 3:
        return np.where(uniform < 0.1, np.nan, normal)
    return np.round(365.0 * uniform**2)


def log_odds(x: np.ndarray) -> np.ndarray:
    amount, count, share, trend, age = (x[:, kind] for kind in range(KINDS))
    known = np.nan_to_num(trend, nan=-0.5)
    score = 0.8 * np.log(amount) - 0.15 * count + 1.5 * (share > 0.7) * (age < 90.0) - 0.7 * known
    score += 0.6 * known * np.log(x[:, KINDS]) - 0.4 * np.sin(x[:, KINDS + 4] / 40.0) * x[:, KINDS + 1] / 4.0
    return score - 1.0


def write_part(rows: int, columns: int, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    normal, uniform = chance.standard_normal((rows, columns)), chance.random((rows, columns))
    x = np.empty((rows, columns))
    for place in range(columns):
        x[:, place] = column(place % KINDS, normal[:, place], uniform[:, place])
    p = 1.0 / (1.0 + np.exp(-log_odds(x)))
    return x, (chance.random(rows) < p).astype(np.float64)


def table(folder: Path, rows: int, columns: int, seed: int) -> Path:
    """A folder with x.f64 (rows x columns, row by row) and y.f64; its name carries what it depends on."""
    here = folder / f"table_{rows}x{columns}_{seed}"
    if not (here / "y.f64").exists():
        here.mkdir(parents=True, exist_ok=True)
        chance = np.random.Generator(np.random.PCG64(seed))
        targets = []
        with (here / "x.f64").open("wb") as file:
            for start in range(0, rows, PART):
                x, y = write_part(min(PART, rows - start), columns, chance)
                x.astype("<f8").tofile(file)
                targets.append(y)
        np.concatenate(targets).astype("<f8").tofile(here / "y.f64")
    return here
