"""KID, precision and recall: against brute force, and against known distributions."""

import math

import numpy as np
import pytest

from helpers import kid
from helpers.errors import UserError


def rows(count=200, width=8, seed=0, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, (count, width))


def brute_force(a, b):
    """The unbiased squared MMD, summed pair by pair."""

    def k(x, y):
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    def within(s):
        pairs = [k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]
        return sum(pairs) / len(pairs)

    return within(a) + within(b) - 2 * sum(k(x, y) for x in a for y in b) / (len(a) * len(b))


# KID


def test_the_kid_is_the_sum_over_pairs():
    a, b = rows(6, 3), rows(6, 3, seed=1, shift=0.5)
    found = kid.kernel_inception_distance(a, b)
    assert found.mean == pytest.approx(brute_force(a, b), rel=1e-12)
    assert (found.subsets, found.subset_size) == (1, 6)


def test_subsets_are_drawn_from_each_set_without_repetition():
    a, b = np.full((30, 1), 2.0), np.full((40, 1), 3.0)
    a[:15] = 0  # a subset of all 30 has 15 of each; one drawn with repetition has that only by chance
    found = kid.kernel_inception_distance(a, b, subsets=20, subset_size=30)
    assert found.deviation == pytest.approx(0, abs=1e-9)
    assert found.mean == pytest.approx(brute_force(a, b[:30]), rel=1e-9)


def test_mean_and_deviation_are_those_of_the_subsets():
    """Only a subset that takes both odd rows differs from 0: of all, 10 · 9 / (20 · 19) do."""
    a, b = np.zeros((20, 1)), np.zeros((20, 1))
    a[:2] = 3
    with_both = brute_force(a[:10], b[:10])
    found = kid.kernel_inception_distance(a, b, subsets=400, subset_size=10)
    share = found.mean / with_both
    assert share == pytest.approx(90 / 380, abs=0.07)
    assert found.deviation == pytest.approx(with_both * math.sqrt(share * (1 - share) * 400 / 399), rel=1e-9)


def test_the_kid_of_known_gaussians_is_that_of_their_moments():
    """In one dimension MMD² = Σⱼ C(3, j) (E xʲ - E yʲ)²; for N(0, ½²) and N(½, ½²): 3 · ½² + 3 · ¼² + ½² = 1.1875."""
    generator = np.random.default_rng(5)
    a, b = generator.normal(0, 0.5, (40_000, 1)), generator.normal(0.5, 0.5, (40_000, 1))
    found = kid.kernel_inception_distance(a, b, subsets=40, subset_size=1_000)
    assert found.mean == pytest.approx(1.1875, rel=0.06)


def test_the_kid_in_several_dimensions_is_that_of_a_quadrature():
    """Gauss-Hermite nodes give the expectation of the cubic kernel exactly, without drawing anything."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(4)
    grid = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weight = np.outer(weights, weights).ravel() / weights.sum() ** 2
    means, deviations = np.array([[0.1, 0.3], [0.6, -0.2]]), np.array([[0.4, 0.5], [0.6, 0.3]])
    p, q = (mean + deviation * grid for mean, deviation in zip(means, deviations, strict=True))
    between = [weight @ (x @ y.T / 2 + 1) ** 3 @ weight for x, y in ((p, p), (q, q), (p, q))]
    population = between[0] + between[1] - 2 * between[2]
    generator = np.random.default_rng(6)
    a, b = (generator.normal(m, d, (40_000, 2)) for m, d in zip(means, deviations, strict=True))
    found = kid.kernel_inception_distance(a, b, subsets=40, subset_size=1_000)
    assert population > 0.3
    assert found.mean == pytest.approx(population, rel=0.06)


def test_sets_of_one_distribution_have_a_kid_of_zero_on_average_and_often_below():
    """Sets of 5 rows, where counting a row as its own pair would add some 3 to each."""
    generator = np.random.default_rng(2)
    drawn = [kid.kernel_inception_distance(*generator.normal(size=(2, 5, 4))).mean for _ in range(3_000)]
    assert abs(np.mean(drawn)) < 4 * np.std(drawn) / math.sqrt(len(drawn)) < 0.2
    assert np.mean(np.array(drawn) < 0) > 0.3


def test_the_size_of_subsets_moves_the_deviation_but_not_the_mean():
    a, b = rows(2_000), rows(2_000, seed=1, shift=0.3)
    small, large = (kid.kernel_inception_distance(a, b, 100, size) for size in (10, 200))
    assert small.mean == pytest.approx(large.mean, abs=4 * small.deviation / math.sqrt(100))
    assert small.deviation > 3 * large.deviation


def test_the_kid_grows_with_a_shift_and_with_a_lost_spread():
    a = rows(400)
    shifted = [kid.kernel_inception_distance(a, rows(400, seed=1, shift=s)).mean for s in (0, 0.3, 0.6, 1)]
    assert sorted(shifted) == shifted and shifted[1] > 5 * abs(shifted[0])
    shrunk = [kid.kernel_inception_distance(a, s * rows(400, seed=1)).mean for s in (1, 0.7, 0.4)]
    assert sorted(shrunk) == shrunk and shrunk[1] > 5 * abs(shrunk[0])


def test_the_kid_is_symmetric_and_knows_no_order():
    a, b = rows(60), rows(60, seed=1, shift=0.4)
    whole = kid.kernel_inception_distance(a, b).mean
    assert kid.kernel_inception_distance(b, a).mean == pytest.approx(whole, rel=1e-12)
    order = np.random.default_rng(3).permutation(60)
    assert kid.kernel_inception_distance(a[order], b).mean == pytest.approx(whole, rel=1e-12)
    subsets = [kid.kernel_inception_distance(*sets, subset_size=30) for sets in ((a, b), (b, a), (a[order], b))]
    for found in subsets:
        assert found.mean == pytest.approx(whole, abs=4 * found.deviation / math.sqrt(50))


def test_the_same_seed_draws_the_same_subsets():
    a, b = rows(100), rows(100, seed=1)
    first, again, other = (kid.kernel_inception_distance(a, b, 5, 20, seed=seed) for seed in (1, 1, 2))
    assert first == again and first.mean != other.mean


def test_large_sets_are_compared_subset_by_subset_with_the_same_result(monkeypatch):
    a, b = rows(70), rows(50, seed=1, shift=0.4)
    at_once = kid.kernel_inception_distance(a, b, 9, 20)
    monkeypatch.setattr(kid, "AT_ONCE", 69)
    calls, kernels = [], kid._kernels
    monkeypatch.setattr(kid, "_kernels", lambda x, y: calls.append((len(x), len(y))) or kernels(x, y))
    one_by_one = kid.kernel_inception_distance(a, b, 9, 20)
    assert calls == [(20, 20)] * 9
    assert one_by_one.mean == pytest.approx(at_once.mean, rel=1e-9)
    assert one_by_one.deviation == pytest.approx(at_once.deviation, rel=1e-9)


def test_subsets_are_no_larger_than_the_smaller_set_and_the_size_is_recorded():
    found = kid.kernel_inception_distance(rows(50), rows(30), subsets=7)
    assert (found.subsets, found.subset_size) == (7, 30) and found.deviation > 0
    assert str(found) == f"{found.mean:.4f} ± {found.deviation:.4f}"


def test_sets_that_are_used_whole_have_no_spread_to_tell():
    found = kid.kernel_inception_distance(rows(30), rows(30, seed=1))
    assert found.subsets == 1 and math.isnan(found.deviation)
    assert str(found) == f"{found.mean:.4f} (one subset)"


def test_float32_features_are_summed_in_float64():
    a, b = (
        rows(300, 16, seed, shift=30).astype(np.float32) for seed in (0, 1)
    )  # kernels near 10⁹, their difference 10³
    exact = kid.kernel_inception_distance(a.astype(np.float64), b.astype(np.float64)).mean
    assert kid.kernel_inception_distance(a, b).mean == exact


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (rows(1), rows(9), {}, "at least 2 pictures"),
        (rows(9), rows(0), {}, "at least 2 pictures"),
        (rows(9)[0], rows(9), {}, "at least 2 pictures"),
        (rows(9, 3), rows(9, 4), {}, "of 3 and 4 numbers are of two nets"),
        (rows(9), np.where(rows(9) > 1, np.nan, rows(9)), {}, "no numbers or infinite"),
        (np.full((9, 8), np.inf), rows(9), {}, "no numbers or infinite"),
        (rows(9), rows(9), {"subsets": 1}, "Give at least 2 of both"),
        (rows(9), rows(9), {"subset_size": 1}, "Give at least 2 of both"),
    ],
)
def test_features_without_a_kid_are_refused(a, b, options, message):
    with pytest.raises(UserError, match=message):
        kid.kernel_inception_distance(a, b, **options)


# Precision and recall


def modes(count, places, seed, width=6):
    """Rows around places far from each other, as many at each: (count * len(places), width)."""
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.normal(0, 1, (count, width)) + 50 * place for place in places])


def test_the_same_rows_are_all_inside():
    assert kid.precision_recall(rows(), rows()) == kid.PrecisionRecall(1.0, 1.0)


def test_one_distribution_drawn_twice_reaches_most_of_it():
    found = kid.precision_recall(rows(500, 3), rows(500, 3, seed=1))
    assert 0.8 < found.precision < 1 and 0.8 < found.recall < 1


def test_sets_far_apart_share_nothing():
    assert kid.precision_recall(rows(), rows(shift=100)) == kid.PrecisionRecall(0.0, 0.0)


def test_half_the_modes_dropped_halve_the_recall_only():
    real, all_modes = modes(100, range(4), 0), modes(100, range(4), 1)
    both, half = kid.precision_recall(real, all_modes), kid.precision_recall(real, all_modes[:200])
    assert half.recall == pytest.approx(both.recall / 2, abs=0.05)
    assert half.precision == pytest.approx(both.precision, abs=0.1) and half.precision > 0.6


def test_fakes_that_look_like_nothing_lower_the_precision_only():
    real, fake = modes(100, range(4), 0), modes(100, range(4), 1)
    odd = fake.copy()
    odd[::2] += 1_000 * (1 + np.arange(len(odd[::2])))[:, None]  # each alone, so that its ball holds no real one
    before, after = kid.precision_recall(real, fake), kid.precision_recall(real, np.concatenate([fake, odd[::2]]))
    assert after.precision == pytest.approx(before.precision * 2 / 3)
    assert after.recall == pytest.approx(before.recall, abs=0.02)


def test_the_ball_reaches_to_the_kth_neighbour_its_edge_included():
    real, fake = np.array([[0.0], [1], [3], [6]]), np.array([[-2.0], [-1], [20], [21]])
    # Radii to the first neighbour: reals 1, 1, 2, 3; fakes 1, 1, 1, 1. To the second: 3, 2, 3, 5 and 22, 21, 21, 22.
    assert kid.precision_recall(real, fake, neighbours=1) == kid.PrecisionRecall(0.25, 0.25)
    assert kid.precision_recall(real, fake, neighbours=2) == kid.PrecisionRecall(0.5, 1.0)


def test_blocks_change_nothing(monkeypatch):
    sets = rows(100, 3), rows(90, 3, seed=1, shift=1)
    whole = kid.precision_recall(*sets)
    monkeypatch.setattr(kid, "BLOCK", 7)
    assert kid.precision_recall(*sets) == whole


@pytest.mark.parametrize(
    ("real", "fake", "neighbours", "message"),
    [
        (rows(9), rows(3), 3, "3 neighbours cannot be found among 3 rows. Give 1 to 2"),
        (rows(9), rows(9), 0, "Give 1 to 8"),
        (rows(9), rows(9, 4), 3, "of 4 and 8 numbers"),
        (rows(9), rows(9) * np.nan, 3, "no numbers"),
    ],
)
def test_sets_without_precision_are_refused(real, fake, neighbours, message):
    with pytest.raises(UserError, match=message):
        kid.precision_recall(real, fake, neighbours)
