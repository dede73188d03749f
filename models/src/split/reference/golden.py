"""Counts that tests.rs quotes: python golden.py. scikit-learn 1.9.1."""

import numpy as np
from sklearn.model_selection import StratifiedKFold

y = (np.arange(103) < 22).astype(int)
for name, labels in (("first 22 are 1", y), ("classes as met first", 1 - y)):
    folds = [test for _, test in StratifiedKFold(5, shuffle=True, random_state=0).split(y, labels)]
    print(name, [len(f) for f in folds], [int((f < 22).sum()) for f in folds])
