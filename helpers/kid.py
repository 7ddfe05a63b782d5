"""How alike two sets of pictures are in the features of a net: KID, precision and recall."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from helpers.errors import UserError

AT_ONCE = 2_000  # rows of a set up to which all kernels are computed once, not anew for each subset: 32 MB each
BLOCK = 1_000  # rows that are compared with all others at a time


@dataclass(frozen=True)
class KernelInceptionDistance:
    """A KID: `mean` over `subsets` pairs of random subsets of `subset_size` rows each, and their standard `deviation`.

    The deviation is that of single subsets, as KIDs are published, not the error of their mean. Subsets that are most
    of a set have rows in common and differ too little: give sets of at least twice `subset_size`. Where both sets
    were used whole there was only one pair, and `deviation` is not a number (NaN).
    """

    mean: float
    deviation: float
    subsets: int
    subset_size: int

    def __str__(self) -> str:
        spread = f"± {self.deviation:.4f}" if self.subsets > 1 else "(one subset)"
        return f"{self.mean:.4f} {spread}"


@dataclass(frozen=True)
class PrecisionRecall:
    """Shares in [0, 1]: fakes that look like some real picture, and reals that look like some fake."""

    precision: float
    recall: float


def kernel_inception_distance(
    features_a: np.ndarray, features_b: np.ndarray, subsets: int = 50, subset_size: int = 500, seed: int = 0
) -> KernelInceptionDistance:
    """Return the KID of two sets: 0 on average where they come from one distribution, larger the less they are alike.

    Bińkowski et al. (2018), "Demystifying MMD GANs", arXiv:1801.01401: the squared maximum mean discrepancy with the
    kernel k(x, y) = (x·y / d + 1)³, estimated without bias (Gretton et al. 2012, "A Kernel Two-Sample Test", Lemma 6).
    Without bias means that sets of any size can be compared, and that a KID near 0 may fall below it.

    Args:
        features_a: finite numbers `(n, d)`, such as `picture_features(...).values`.
        features_b: likewise `(m, d)`, from the same net; the sets must not share pictures.
        subsets: how many pairs of subsets are drawn, at least 2; each without repetition within a set.
        subset_size: rows in each, at least 2; lowered to the smaller set where that has fewer.
        seed: of the drawing.

    Raises:
        UserError: a set has fewer than 2 rows or values that are not finite; the widths differ; or a count is below 2.
    """
    a, b = _checked_features(features_a, features_b)
    if min(subsets, subset_size) < 2:
        raise UserError(f"{subsets} subsets of {subset_size} rows have no spread. Give at least 2 of both.")
    size = min(subset_size, len(a), len(b))
    if size == len(a) == len(b):
        return KernelInceptionDistance(_squared_discrepancy(*_kernels(a, b)), float("nan"), 1, size)
    generator, drawn = np.random.default_rng(seed), []
    whole = _kernels(a, b) if max(len(a), len(b)) <= AT_ONCE else None
    for _ in range(subsets):
        i, j = (generator.choice(len(rows), size, replace=False) for rows in (a, b))
        if whole is None:
            some = _kernels(a[i], b[j])
        else:
            some = tuple(values[np.ix_(*pair)] for values, pair in zip(whole, ((i, i), (j, j), (i, j)), strict=True))
        drawn.append(_squared_discrepancy(*some))
    return KernelInceptionDistance(float(np.mean(drawn)), float(np.std(drawn, ddof=1)), subsets, size)


def precision_recall(real_features: np.ndarray, fake_features: np.ndarray, neighbours: int = 3) -> PrecisionRecall:
    """Return how many fakes look real (precision), and how much of the variety of the reals they have (recall).

    Kynkäänniemi et al. (2019), "Improved Precision and Recall Metric for Assessing Generative Models",
    arXiv:1904.06991, equations 1 and 2. Around each picture of a set lies a ball that reaches to its k-th nearest
    neighbour in that set; precision is the share of fakes inside a ball of some real picture, recall the share of
    reals inside a ball of some fake. Both depend on the sizes of the sets (more pictures make smaller balls), so
    compare only sets of the same sizes, and see what held-out reals reach against reals.

    Args:
        real_features: finite numbers `(n, d)`, such as `picture_features(...).values`.
        fake_features: likewise `(m, d)`, from the same net.
        neighbours: k, at least 1; 3 in the paper.

    Raises:
        UserError: a set has too few rows for k neighbours or values that are not finite, or the widths differ.
    """
    real, fake = _checked_features(real_features, fake_features)
    fewest = min(len(real), len(fake))
    if not 1 <= neighbours < fewest:
        raise UserError(f"{neighbours} neighbours cannot be found among {fewest} rows. Give 1 to {fewest - 1}.")
    return PrecisionRecall(_share_inside(fake, real, neighbours), _share_inside(real, fake, neighbours))


def _kernels(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cubic kernel of all rows of a, float64 `(n, d)`, and of b: a with itself, b with itself, a with b."""

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        base = x @ y.T / x.shape[1] + 1
        return base * base * base  # five times as fast as a power

    return kernel(a, a), kernel(b, b), kernel(a, b)


def _squared_discrepancy(aa: np.ndarray, bb: np.ndarray, ab: np.ndarray) -> float:
    """Return the unbiased estimate of the squared MMD from the kernels of two sets."""

    def mean_of_pairs(values: np.ndarray) -> float:  # a row with itself is no pair: to count it biases the estimate
        count = len(values)
        return (values.sum() - np.trace(values)) / (count * (count - 1))

    return float(mean_of_pairs(aa) + mean_of_pairs(bb) - 2 * ab.mean())


def _share_inside(rows: np.ndarray, others: np.ndarray, neighbours: int) -> float:
    """Return the share of rows inside the ball around some of the others that reaches to its k-th neighbour."""
    index = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(others)
    radii = index.kneighbors()[0][:, -1]  # without an argument a row is no neighbour of its own
    starts = range(0, len(rows), BLOCK)
    inside = [(euclidean_distances(rows[start : start + BLOCK], others) <= radii).any(axis=1) for start in starts]
    return float(np.concatenate(inside).mean())


def _checked_features(*sets: np.ndarray) -> tuple[np.ndarray, ...]:
    checked = tuple(np.asarray(features, np.float64) for features in sets)
    for features in checked:
        if features.ndim != 2 or len(features) < 2:
            raise UserError(f"features of at least 2 pictures, (n, d), are expected, not the shape {features.shape}.")
        if not np.isfinite(features).all():
            raise UserError("features are no numbers or infinite. Look at the pictures: has the training run to NaN?")
    widths = {features.shape[1] for features in checked}
    if len(widths) > 1:
        raise UserError(f"features of {' and '.join(map(str, sorted(widths)))} numbers are of two nets. Use one.")
    return checked
