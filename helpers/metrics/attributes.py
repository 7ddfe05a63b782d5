"""Simple classifiers that read attributes off pictures: is this face smiling, does it wear glasses?"""

from collections.abc import Mapping

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from helpers.session import UserError

FEWEST = 5  # pictures with an attribute, and without it, that are needed to learn it
COMPONENTS = 60  # principal components, but at most a quarter of the number of pictures


class AttributeReaders:
    """For each attribute a logistic regression on the principal components of labelled pictures.

    Simple on purpose: quick to train, and linear, so that their answer changes evenly with the picture. An attribute is
    left out if too few pictures have it, or too few lack it: `names` has the others.
    """

    def __init__(self, pictures: np.ndarray, labels: Mapping[str, np.ndarray], seed: int = 0) -> None:
        """Learn from labelled pictures.

        Args:
            pictures: `(n, height, width, channels)`, uint8 in 0–255 or floats in [0, 1].
            labels: attribute → bool `(n,)`, which of the pictures have it.
            seed: of the principal components' random start.

        Raises:
            UserError: no attribute has at least 5 pictures of both kinds.
        """
        enough = {name: has for name, has in labels.items() if FEWEST <= np.sum(has) <= len(pictures) - FEWEST}
        if not enough:
            raise UserError(f"no attribute has {FEWEST} pictures with it and {FEWEST} without. Give more pictures.")
        self.names = list(enough)
        components = min(COMPONENTS, len(pictures) // 4)
        self._pca = PCA(components, svd_solver="randomized", random_state=seed).fit(_flat(pictures))
        codes, model = self._pca.transform(_flat(pictures)), {"max_iter": 300, "class_weight": "balanced"}
        self._models = [LogisticRegression(**model).fit(codes, has) for has in enough.values()]

    def read(self, pictures: np.ndarray) -> np.ndarray:
        """Return the probability that each picture has each of the `names`: float64 `(attributes, n)`."""
        codes = self._pca.transform(_flat(pictures))
        return np.array([model.predict_proba(codes)[:, 1] for model in self._models])


def _flat(pictures: np.ndarray) -> np.ndarray:
    return np.reshape(pictures, (len(pictures), -1)) / np.float32(255 if pictures.dtype == np.uint8 else 1)
