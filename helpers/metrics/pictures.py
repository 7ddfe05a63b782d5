"""How good sets of pictures are: features by a net, KID, precision and recall, distances between pixels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from helpers.images import resize
from helpers.networks import pretrained
from helpers.session import UserError

AT_ONCE = 2_000  # rows of a set up to which all kernels are computed once, not anew for each subset: 32 MB each
BLOCK = 1_000  # rows, or pictures, that are compared at a time: 98 MB on either side for faces of 64x64
# For each net: its name in figures, the side in pixels that pictures are resized to, and the layer.
_CHOICES = {
    "inception_v3": ("InceptionV3 mixed8", 150, "mixed8"),
    pretrained.EMBEDDED: (f"{pretrained.EMBEDDED} block4_conv3", 64, "block4_conv3"),
}


@dataclass(frozen=True, eq=False)
class FeatureModel:
    """A net that describes a picture by some hundred numbers.

    Attributes:
        name: the net and its layer, for figures: "InceptionV3 mixed8".
        size: height and width in pixels that pictures are resized to.
        width: how many numbers describe a picture.
        compute: uint8 `(n, h, w, 3)` → float32 `(n, width)`, one compiled function for all n, h and w.
    """

    name: str
    size: int
    width: int
    compute: Callable = field(repr=False)

    @property
    def caution(self) -> str:
        """The sentence to print beside every figure that depends on these features."""
        return (
            f"Features: {self.name}, averaged over the picture ({self.width:,} numbers), at {self.size}x{self.size} "
            "pixels. Not comparable with published KIDs, which use InceptionV3's last pooling layer at 299 pixels."
        )


def feature_model(net: str = "inception_v3") -> FeatureModel:
    """Load the net that describes pictures, and print its name and the source of its weights.

    The features are averaged over the picture: InceptionV3's `mixed8` (1,280 numbers) on pictures resized to 150x150,
    or the embedded net's last convolution (256) at 64x64, the size it was trained on. KIDs of the one are not
    comparable with those of the other, nor with published ones: `caution` says so. The embedded net depends on texture
    more than on shape: for it, photographs of faces with some noise (16 of 255) are farther from photographs than drawn
    faces are. For InceptionV3 the drawn ones are six times as far (1,000 faces of CelebA each).

    Args:
        net: "inception_v3" (the embedded net is used if its weights are not available), or "feature_net".

    Raises:
        UserError: as `load_network`.
    """
    backbone = pretrained.load_network(net)
    name, size, layer = _CHOICES[backbone.name]
    model, preprocess = pretrained.features(backbone, (layer,)), backbone.preprocessing.preprocess

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
    def compute(pictures):
        # With `antialias` pictures that shrink lose no pixel; pictures that are enlarged stay the same.
        resized = tf.image.resize(tf.cast(pictures, tf.float32) / 255, (size, size), "bilinear", antialias=True)
        return tf.reduce_mean(model(preprocess(resized), training=False)[layer], axis=(1, 2))

    return FeatureModel(name, size, backbone.channels(layer), compute)


def picture_features(model: FeatureModel, pictures: np.ndarray) -> np.ndarray:
    """Return a net's description of each picture, float32 `(n, model.width)`.

    Args:
        model: from `feature_model`.
        pictures: uint8 `(n, h, w, 3)`, RGB in 0–255, resized bilinearly to the size that the model takes.

    Raises:
        UserError: there are no pictures, or they have another shape or dtype.
    """
    pictures = _checked_pictures(pictures)
    starts = range(0, len(pictures), 50)  # this bounds the memory
    return np.concatenate([model.compute(tf.constant(pictures[k : k + 50])).numpy() for k in starts])


@dataclass(frozen=True)
class KernelInceptionDistance:
    """A KID: `mean` over `subsets` pairs of random subsets of `subset_size` rows each, and their standard `deviation`.

    The deviation is that of single subsets, as KIDs are published, not the error of their mean. It is too small if
    the sets have fewer than twice `subset_size` rows, and NaN if both sets were used whole (one pair).
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
    """Return the KID of two sets: 0 on average for sets of one distribution, larger the more they differ.

    Bińkowski et al. (2018), "Demystifying MMD GANs", arXiv:1801.01401: the squared maximum mean discrepancy with the
    kernel k(x, y) = (x·y / d + 1)³, estimated without bias (Gretton et al. 2012, "A Kernel Two-Sample Test", Lemma 6).
    Without bias, sets of any size can be compared, and a KID near 0 may be negative.

    Args:
        features_a: finite numbers `(n, d)`, from `picture_features`.
        features_b: likewise `(m, d)`, from the same net; the sets must not share pictures.
        subsets: how many pairs of subsets are drawn, without repetition within a subset.
        subset_size: rows in each, at least 2; at most the rows of the smaller set.
        seed: of the drawing.

    Raises:
        UserError: a set has fewer than 2 rows or values that are not finite.
    """
    a, b = _checked_features(features_a, features_b)
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
    arXiv:1904.06991, equations 1 and 2. Each picture has a ball that reaches to its k-th nearest neighbour in its own
    set. Precision is the share of fakes inside the ball of a real picture, recall the share of reals inside the ball
    of a fake. Larger sets have smaller balls, so compare only sets of the same size, and compute both for held-out
    reals against reals as well.

    Args:
        real_features: finite numbers `(n, d)`, from `picture_features`.
        fake_features: likewise `(m, d)`, from the same net.
        neighbours: k, at least 1 and below n and m; 3 in the paper.

    Raises:
        UserError: a set has fewer than 2 rows or values that are not finite.
    """
    real, fake = _checked_features(real_features, fake_features)
    return PrecisionRecall(_share_inside(fake, real, neighbours), _share_inside(real, fake, neighbours))


def nearest_neighbours(fakes: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each fake the nearest training picture, pixel by pixel, and the distance to it.

    Args:
        fakes: uint8 `(n, h, w, channels)`, 0–255.
        training: uint8 `(m, h, w, channels)`.

    Returns:
        int64 `(n,)`, places in `training`; float64 `(n,)`, root mean squared differences of values in [0, 1] (not
        0–255): 0 is a copy.

    Raises:
        UserError: a set is empty or not of uint8.
    """
    distances, places = np.full(len(fakes), np.inf), np.zeros(len(fakes), np.int64)
    for rows, columns, block in _distance_blocks(fakes, training):
        nearest = block.argmin(axis=1)
        least = block[np.arange(len(block)), nearest]
        is_nearer = least < distances[rows]
        places[rows] = np.where(is_nearer, nearest + columns.start, places[rows])
        distances[rows] = np.where(is_nearer, least, distances[rows])
    return places, distances


def mean_pairwise_distance(pictures: np.ndarray) -> float:
    """Return the mean distance of all pairs of different pictures, as `nearest_neighbours` measures distances.

    A score of collapse: for a generator that always paints the same picture it is near 0, far below that of reals.

    Args:
        pictures: uint8 `(n, h, w, channels)`, 0–255, at least 2. The time grows with n squared; a few hundred suffice.

    Raises:
        UserError: as `nearest_neighbours`.
    """
    count = len(pictures)
    total = sum(block.sum() for _, _, block in _distance_blocks(pictures, pictures))  # to itself a picture is at 0
    return float(total / (count * (count - 1)))


def share_by_size(change: np.ndarray, halvings: int = 5) -> np.ndarray:
    """Return the shares of a change's energy in structures of about 2, 4, 8 … pixels, the finest first.

    Each halving of the size loses one band. The last of the `halvings` + 1 shares is that of the remaining picture.

    Args:
        change: the difference of two pictures, `(height, width, channels)` floats.
        halvings: how often the size is halved.
    """
    energies = []
    for _ in range(halvings):
        height, width = change.shape[:2]
        smaller = resize(change, max(1, height // 2), max(1, width // 2))
        energies.append(np.mean((change - resize(smaller, height, width)) ** 2))
        change = smaller
    energies.append(np.mean(change**2))
    return np.array(energies) / max(np.sum(energies), 1e-12)


def side_of_share(strength: np.ndarray, share: float = 0.9) -> int:
    """Return the side of the smallest square, wherever it lies in a map, that holds a share of its sum.

    Args:
        strength: `(height, width)` numbers, none negative. A square that is higher or wider than the map is cut there.
        share: in (0, 1].
    """
    sums = np.pad(np.cumsum(np.cumsum(strength, axis=0, dtype=np.float64), axis=1), ((1, 0), (1, 0)))
    for side in range(1, max(strength.shape) + 1):
        rows, columns = min(side, strength.shape[0]), min(side, strength.shape[1])
        held = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
        if held.max() >= share * sums[-1, -1] * (1 - 1e-6):
            break
    return side


def _kernels(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the cubic kernel of float64 rows: a with itself, b with itself, a with b."""
    bases = (x @ y.T / x.shape[1] + 1 for x, y in ((a, a), (b, b), (a, b)))
    return tuple(base * base * base for base in bases)  # five times as fast as a power


def _squared_discrepancy(aa: np.ndarray, bb: np.ndarray, ab: np.ndarray) -> float:
    """Return the unbiased estimate of the squared MMD from the kernels of two sets of n rows each."""
    pairs = len(aa) * (len(aa) - 1)  # a row paired with itself would bias the estimate
    within = [(values.sum() - np.trace(values)) / pairs for values in (aa, bb)]
    return float(sum(within) - 2 * ab.mean())


def _share_inside(rows: np.ndarray, others: np.ndarray, neighbours: int) -> float:
    """Return the share of rows inside the ball around some of the others that reaches to its k-th neighbour."""
    index = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(others)
    radii = index.kneighbors()[0][:, -1]  # without an argument a row is not its own neighbour
    starts = range(0, len(rows), BLOCK)
    inside = [(euclidean_distances(rows[start : start + BLOCK], others) <= radii).any(axis=1) for start in starts]
    return float(np.concatenate(inside).mean())


def _distance_blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield blocks of the distances (n, m) between pictures, in float64, so that a copy is at exactly 0."""
    a, b = _checked_pictures(a), _checked_pictures(b)
    scale = 255 * np.sqrt(np.prod(a.shape[1:]))
    for row in range(0, len(a), BLOCK):
        rows = slice(row, row + BLOCK)
        flat = a[rows].reshape(-1, a[0].size).astype(np.float64)
        for column in range(0, len(b), BLOCK):
            columns = slice(column, column + BLOCK)
            yield rows, columns, euclidean_distances(flat, b[columns].reshape(-1, b[0].size).astype(np.float64)) / scale


def _checked_pictures(pictures: np.ndarray) -> np.ndarray:
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or not pictures.size:
        raise UserError(
            f"pictures of uint8, (n, h, w, channels), are expected, not {pictures.dtype} {pictures.shape}. "
            "Use images.to_uint8 for floats in [0, 1]."
        )
    return pictures


def _checked_features(*sets: np.ndarray) -> list[np.ndarray]:
    checked = [np.asarray(features, np.float64) for features in sets]
    for features in checked:
        if len(features) < 2 or not np.isfinite(features).all():
            raise UserError(
                f"features of at least 2 pictures, all finite numbers, are expected; these have the shape "
                f"{features.shape}. Look at the pictures: has the training run to NaN?"
            )
    return checked
