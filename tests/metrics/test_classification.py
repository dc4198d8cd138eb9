"""Classification metrics against their definitions, analytic cases, and the score files of published networks."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from dmcnn._common.errors import InputError
from dmcnn.metrics import classification
from dmcnn.tables import table

# Few distinct values: ties everywhere. Infinite ones are logits of scores that saturated.
SCORES = st.lists(
    st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 0.5, 0.75, 1.0, np.inf]), min_size=1, max_size=12
)


def kernel(signal, background):
    """Return (m, n) of 1 where the signal event has the higher score, 1/2 for a tie, else 0."""
    s, b = np.asarray(signal)[:, None], np.asarray(background)[None, :]
    return np.where(s > b, 1.0, np.where(s == b, 0.5, 0.0))


@given(SCORES, SCORES)
def test_auc_is_the_mean_over_all_pairs(signal, background):
    assert classification.auc(signal=signal, background=background) == pytest.approx(
        kernel(signal, background).mean(), abs=1e-15
    )


def test_auc_by_hand():
    assert classification.auc(signal=[3, 2], background=[1, 2]) == 0.875
    assert classification.auc(signal=[1.0], background=[1.0]) == 0.5
    assert classification.auc(signal=[2, 3], background=[0, 1]) == 1.0


@pytest.mark.slow
@given(SCORES, SCORES)
def test_roc_is_the_fraction_passing_each_score(signal, background):
    curve = classification.roc(signal=signal, background=background)
    assert curve.cut.tolist()[1:] == sorted({*signal, *background}, reverse=True)
    for x, y, cut in list(zip(curve.background, curve.signal, curve.cut, strict=True))[1:]:
        assert y == np.mean([s >= cut for s in signal])
        assert x == np.mean([b >= cut for b in background])
    assert (curve.background[0], curve.signal[0], curve.cut[0]) == (0, 0, np.inf)
    assert (curve.background[-1], curve.signal[-1]) == (1, 1)


@given(SCORES, SCORES)
def test_area_under_the_roc_is_the_auc(signal, background):
    curve = classification.roc(signal=signal, background=background)
    heights = (curve.signal[1:] + curve.signal[:-1]) / 2
    area = (np.diff(curve.background) * heights).sum()
    assert area == pytest.approx(classification.auc(signal=signal, background=background), abs=1e-12)


@pytest.mark.parametrize("levels", [4, 100_000])
def test_auc_roc_and_confusion_are_those_of_scikit_learn(levels):
    random = np.random.default_rng(levels)
    label = random.integers(0, 2, 500)
    score = (random.integers(0, levels, 500) + label * levels / 3).astype(float)
    signal, background = score[label == 1], score[label == 0]
    auc = classification.auc(signal=signal, background=background)
    assert auc == pytest.approx(sklearn_metrics.roc_auc_score(label, score), abs=1e-12)
    curve = classification.roc(signal=signal, background=background)
    false, true, cuts = sklearn_metrics.roc_curve(label, score, drop_intermediate=False)
    np.testing.assert_allclose([curve.background, curve.signal], [false, true], atol=1e-15)
    np.testing.assert_array_equal(curve.cut, cuts)
    predicted = (score >= np.median(score)).astype(int)
    np.testing.assert_array_equal(
        classification.confusion(label, predicted, 2), sklearn_metrics.confusion_matrix(label, predicted)
    )


@given(SCORES, SCORES)
def test_delong_variance_by_its_definition(signal, background):
    pairs = kernel(signal, background)
    m, n = pairs.shape
    variance = classification.auc_variance(signal=signal, background=background)
    if min(m, n) < 2:
        assert np.isnan(variance)
        assert (
            classification.auc_interval(signal=signal, background=background).low,
            classification.auc_interval(signal=signal, background=background).high,
        ) == (
            0,
            1,
        )
        return
    v10, v01 = pairs.mean(axis=1), pairs.mean(axis=0)
    s10 = ((v10 - pairs.mean()) ** 2).sum() / (m - 1)
    s01 = ((v01 - pairs.mean()) ** 2).sum() / (n - 1)
    assert variance == pytest.approx(s10 / m + s01 / n, abs=1e-14)


def test_auc_interval_covers_the_true_auc():
    rng, shift = np.random.default_rng(7), 1.2
    true = NormalDist().cdf(shift / np.sqrt(2))  # AUC of two unit Gaussians
    covered = 0
    for _ in range(600):
        found = classification.auc_interval(
            signal=rng.normal(shift, 1, 120), background=rng.normal(0, 1, 180), level=0.9
        )
        covered += found.low <= true <= found.high
    assert 0.87 < covered / 600 < 0.93  # 2.5 binomial standard deviations


def test_auc_interval_is_clipped_and_widens_with_the_level():
    signal, background = [0.9, 0.8, 0.2], [0.1, 0.3]
    narrow, wide = (
        classification.auc_interval(signal=signal, background=background, level=level)
        for level in (0.5, 0.999)
    )
    assert 0 < narrow.low < narrow.value < narrow.high < 1
    assert (wide.low < narrow.low, wide.high) == (True, 1.0)


@pytest.mark.parametrize(
    ("n", "low", "high"), [(2, 0.0, 0.3), (8, 0.6, 0.85), (20, 0.85, 0.93), (2000, 0.998, 1)]
)
def test_separated_events_do_not_prove_an_auc_of_one(n: int, low: float, high: float):
    scores = np.arange(2.0 * n)
    for signal, background in ((scores[n:], scores[:n]), (scores[:n], scores[n:])):
        found = classification.auc_interval(signal=signal, background=background)
        far = found.low if found.value else 1 - found.high
        near = found.high if found.value else 1 - found.low
        assert low < far < high
        assert near == 1
    alone = classification.auc_interval(signal=[1.0], background=scores)
    assert (alone.low, alone.high) == (0, 1)


def test_the_interval_is_delong_s_in_large_samples():
    random = np.random.default_rng(3)
    signal, background = random.normal(1, 1, 40_000), random.normal(0, 2, 30_000)
    found = classification.auc_interval(signal=signal, background=background)
    half = 1.959964 * np.sqrt(classification.auc_variance(signal=signal, background=background))
    assert found.high - found.low == pytest.approx(2 * half, rel=1e-3)


def test_auc_with_weights_is_that_of_repeated_events_and_its_variance_is_the_influence_functions():
    random = np.random.default_rng(5)
    signal, background = random.integers(0, 6, 40) + 1.0, random.integers(0, 6, 30) * 1.0
    weights = random.integers(0, 4, 40), random.integers(1, 4, 30)
    repeated = {"signal": np.repeat(signal, weights[0]), "background": np.repeat(background, weights[1])}
    samples = {"signal": signal, "background": background}
    area = classification.auc(**samples, weights=weights)
    assert area == pytest.approx(classification.auc(**repeated), abs=1e-14)
    one, other = classification.roc(**samples, weights=weights), classification.roc(**repeated)
    np.testing.assert_allclose([one.signal, one.background], [other.signal, other.background], atol=1e-14)
    pairs = kernel(signal, background)
    w, v = weights
    influence = [
        (a**2 * (pairs @ v / v.sum() - area) ** 2).sum() / a.sum() ** 2 * (n / (n - 1))
        for a, pairs, v, n in (
            (w, pairs, v, w.sum() ** 2 / (w**2).sum()),
            (v, pairs.T, w, v.sum() ** 2 / (v**2).sum()),
        )
    ]
    found = classification.auc_variance(**samples, weights=weights)
    assert found == pytest.approx(sum(influence), rel=1e-12)
    scaled = classification.auc_interval(**samples, weights=(0.01 * w, 7.0 * v))
    plain = classification.auc_interval(**samples, weights=weights)
    np.testing.assert_allclose([scaled.low, scaled.high], [plain.low, plain.high], rtol=1e-12)


def test_weights_of_one_are_no_weights_and_labels_take_them_too():
    random = np.random.default_rng(6)
    signal, background = random.normal(1, 1, 77), random.normal(0, 1, 51)
    given = {"signal": signal, "background": background}
    ones = {**given, "weights": (np.ones(77), np.ones(51))}
    by_label = {
        "labels": np.repeat([1, 0], [77, 51]), "scores": np.concatenate([signal, background]), "weights": np.ones(128)
    }  # fmt: skip
    for name in ("auc", "auc_interval", "auc_variance", "roc", "roc_band"):
        function = getattr(classification, name)
        assert repr(function(**given)) == repr(function(**ones)) == repr(function(**by_label))


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_roc_curve_refuses_what_is_no_weight(weight: float):
    with pytest.raises(InputError, match=r"1 of 2 weights of signal events are no weights .* histograms"):
        classification.roc(signal=[1, 2], background=[0], weights=([1.0, weight], None))
    with pytest.raises(InputError, match="all weights of background events are 0"):
        classification.auc(signal=[1, 2], background=[0], weights=(None, [0.0]))
    with pytest.raises(InputError, match="3 weights for 2 signal scores"):
        classification.auc(signal=[1, 2], background=[0], weights=([1, 1, 1], None))


def test_accuracies_with_weights():
    matrix = classification.confusion([0, 1, 1, 1], [0, 1, 0, 1], 2, weights=[1, 2, 3, 4])
    assert matrix.tolist() == [[1, 0], [3, 6]]
    squares = classification.confusion([0, 1, 1, 1], [0, 1, 0, 1], 2, weights=[1, 4, 9, 16])
    assert classification.accuracy(matrix, squares=squares).value == 0.7
    wide, narrow = (classification.class_accuracy(matrix, squares=s) for s in (squares, None))
    assert wide.value.tolist() == [1, 6 / 9]
    assert wide.high[1] - wide.low[1] > narrow.high[1] - narrow.low[1]


def test_wilson_solves_its_equation():
    k, n = np.array([1, 7, 19, 500]), np.array([10, 20, 20, 4218])
    z = NormalDist().inv_cdf(0.975)
    found = classification.wilson(k, n)
    np.testing.assert_array_equal(found.value, k / n)
    for p in (found.low, found.high):
        np.testing.assert_allclose((k / n - p) ** 2, z**2 * p * (1 - p) / n, rtol=1e-9)
    # 1 of 10, as tables of the interval print it
    assert (round(float(found.low[0]), 4), round(float(found.high[0]), 4)) == (0.0179, 0.4042)


def test_wilson_at_the_ends():
    found = classification.wilson([0, 5, 0], [5, 5, 0])
    np.testing.assert_array_equal(found.value, [0, 1, np.nan])
    np.testing.assert_array_equal(found.low[[0, 2]], [0, 0])
    np.testing.assert_array_equal(found.high[[1, 2]], [1, 1])
    assert found.high[0] == pytest.approx(1 - found.low[1])
    assert 0 < found.high[0] < 1


@given(SCORES, st.lists(st.sampled_from([-np.inf, 0.0, 0.3, 0.5, 1.0]), min_size=1, max_size=4))
def test_efficiency_and_rejection_count_events(scores, cuts):
    passing, failing = classification.efficiency(scores, cuts), classification.rejection(scores, cuts)
    for nth, cut in enumerate(cuts):
        expected = classification.wilson(sum(s >= cut for s in scores), len(scores))
        assert passing.value[nth] == expected.value
        assert (passing.low[nth], passing.high[nth]) == (expected.low, expected.high)
        assert failing.value[nth] == np.mean([s < cut for s in scores])
        assert failing.low[nth] == pytest.approx(1 - expected.high)


def test_float32_scores_pass_the_cut_they_are_stored_at():
    score = np.array([0.2], np.float32)
    assert classification.efficiency(score, [float(score[0])]).value == 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_confusion_counts_pairs(pairs):
    label, predicted = [a for a, _ in pairs], [b for _, b in pairs]
    matrix = classification.confusion(label, predicted, 4)
    assert matrix.tolist() == [[pairs.count((row, column)) for column in range(4)] for row in range(4)]
    right = sum(a == b for a, b in pairs)
    if pairs:
        assert classification.accuracy(matrix).value == right / len(pairs)
    for row, value in enumerate(classification.class_accuracy(matrix).value):
        assert (value != value) if row not in label else value == pairs.count((row, row)) / label.count(row)


def test_confusion_at_cut_is_confusion_of_the_decisions():
    signal, background = np.array([0.5, 0.2, 0.9]), np.array([0.1, 0.5])
    label = [1, 1, 1, 0, 0]
    predicted = (np.concatenate([signal, background]) >= 0.5).astype(int)
    np.testing.assert_array_equal(
        classification.confusion_at_cut(signal=signal, background=background, cut=0.5),
        classification.confusion(label, predicted, 2),
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classification.auc(signal=[], background=[1]), "no signal events"),
        (lambda: classification.roc(signal=[1], background=[]), "no background events"),
        (lambda: classification.auc(signal=[1, np.nan], background=[1]), "1 of 2 signal scores are NaN"),
        (
            lambda: classification.auc_interval(signal=[1, 2], background=[1, 2], level=95),
            "confidence level 95",
        ),
        (lambda: classification.confusion([0, 2], [0, 1], 2), "label 2 is not a class number 0..1"),
        (lambda: classification.confusion([0, 1], [0, -1], 2), "prediction -1 is not a class number 0..1"),
        (lambda: classification.confusion([0, 1], [0], 2), "2 labels for 1 predictions"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["roc", "auc", "auc_interval", "auc_variance", "confusion_at_cut"])
def test_scores_are_given_by_name(name: str):
    function, more = getattr(classification, name), {"cut": 0.5} if name == "confusion_at_cut" else {}
    labels, scores = [1, 0, 1, 0, 0], [0.9, 0.4, 0.3, 0.1, 0.3]
    kinds = {"signal": [0.9, 0.3], "background": [0.4, 0.1, 0.3]}
    one, other = function(**kinds, **more), function(labels=labels, scores=scores, **more)
    assert repr(one) == repr(other)
    for wrong in ((labels, scores), (scores,), ()):
        with pytest.raises(TypeError, match=rf"{name}\(labels=…, scores=…\) with 1 for signal"):
            function(*wrong, **more)
    for wrong in ({"labels": labels}, {**kinds, "scores": scores}, {"signal": scores, "labels": labels}):
        with pytest.raises(TypeError, match=rf"{name}\(signal=…, background=…\)"):
            function(**wrong, **more)
    with pytest.raises(InputError, match="label 2, expected 1 or True"):
        function(labels=[1, 0, 2], scores=[1, 2, 3], **more)
    with pytest.raises(InputError, match="2 labels for 3 scores"):
        function(labels=[1, 0], scores=[1, 2, 3], **more)


@pytest.mark.parametrize(("net", "expected"), [("mpid", 0.938357), ("resnet34_gn", 0.968246)])
def test_auc_of_the_published_scores(shared_data: Path, net: str, expected: float):
    signal, background = (
        np.concatenate([table.scores(path)[0] for path in sorted((shared_data / "scores").glob(pattern))])
        for pattern in (f"signal_{net}__*.csv", f"samples_{net}__*.csv")
    )
    assert (np.isnan(signal).sum(), np.isnan(background).sum()) == (1, 35)
    signal, background = signal[~np.isnan(signal)], background[~np.isnan(background)]
    assert (len(signal), len(background)) == (4218, 20955)
    found = classification.auc_interval(signal=signal, background=background)
    assert round(float(found.value), 6) == expected
    assert 0.002 < found.high - found.value < 0.005
