"""Weights of events and classes in the loss: rules, scale, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from dmcnn._common.errors import InputError
from dmcnn.checkpoints.card import Card
from dmcnn.images.sparse import EVENT, SparseImages, join, sparse
from dmcnn.tasks import Regression
from dmcnn.training.weights import ClassWeights, EventWeights, of_classes, weigh

CLASSES = ["a", "b", "c"]


def events(labels: list[int], weight: list[float] | None = None) -> SparseImages:
    """Return images with one pixel each, of run 7 and subrun 2 in two files by turns."""
    ids = np.zeros(len(labels), EVENT)
    ids["run"], ids["subrun"], ids["event"] = 7, 2, 100 + np.arange(len(labels))
    ids["file"] = np.arange(len(labels)) % 2
    images = sparse(np.ones((len(labels), 1, 1, 1), np.float32), ids, label=np.array(labels))
    return replace(images, weight=None if weight is None else np.array(weight, np.float32))


@pytest.mark.parametrize("weight", [None, [1, 2, 5, 3, 4, 1]])
def test_balanced_classes_are_those_of_scikit_learn(weight: list[float] | None) -> None:
    labels = [0, 0, 0, 1, 2, 2]
    copies = np.repeat(labels, [1] * 6 if weight is None else weight)  # as many events as their weight
    expected = compute_class_weight("balanced", classes=np.arange(3), y=copies)
    assert of_classes("balanced", CLASSES, events(labels, weight)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("rule", "expected"), [([1, 2, 3], [1, 2, 3]), ({"b": 0.5}, [1, 0.5, 1]), ("balanced", [0.75, 1.5, 1])]
)
def test_rules_of_classes(rule: ClassWeights, expected: list[float]) -> None:
    assert of_classes(rule, CLASSES, events([0, 0, 1])).tolist() == expected


def test_weights_are_products_of_mean_1_over_the_training_events() -> None:
    images = {"train": events([0, 1, 1], [1, 2, 3]), "validation": events([1, 0], [4, 2])}
    weighed = weigh(images, {"b": 10}, CLASSES)
    raw, mean = np.array([1, 20, 30]), 17
    assert weighed["train"].weight == pytest.approx(raw / mean, rel=1e-6)
    assert weighed["validation"].weight == pytest.approx(np.array([40, 2]) / mean, rel=1e-6)
    taken = weighed["train"].take([2, 0])
    assert taken.weight == pytest.approx(raw[[2, 0]] / mean, rel=1e-6)
    assert join([taken, taken]).weight is None


def test_nothing_changes_without_weights() -> None:
    images = {"train": events([0, 1])}
    assert weigh(images, None, CLASSES)["train"] is images["train"]
    assert EventWeights().assign(images["train"], ["x", "y"], "train") is images["train"]


def test_a_number_per_file() -> None:
    files = ["data/signal_1.root", "data/cosmics.root"]
    rule = EventWeights({"signal*": 0.02, "data/cos*": 1.5})
    rule.check(files)
    assert rule.assign(events([0, 1, 0]), files, "train").weight == pytest.approx([0.02, 1.5, 0.02])
    with pytest.raises(InputError, match=r"event_weight: 'dirt' matches none of"):
        EventWeights({"dirt": 1.0}).check(files)
    with pytest.raises(InputError, match=r"no pattern matches data/cosmics.root"):
        EventWeights({"signal*": 1.0}).assign(events([0, 1]), files, "train")


def test_a_column_by_run_subrun_and_event(tmp_path: Path) -> None:
    path = tmp_path / "weights.csv"
    head = "event_number,run_number,subrun_number,spline\n"
    path.write_text(head + "101,7,2,0.5\n100,7,2,2\n999,7,2,4\n100,7.0,2,2.0\n")
    rule = EventWeights("spline", [str(path)])
    assert rule.assign(events([0, 1]), [], "train").weight == pytest.approx([2, 0.5])
    with pytest.raises(InputError, match=r"1 of 3 test events are in none of .*weights.csv, such as 7/2/102"):
        rule.assign(events([0, 1, 1]), [], "test")
    with pytest.raises(InputError, match=r"no column 'splin' .did you mean 'spline'"):
        EventWeights("splin", [str(path)]).assign(events([0]), [], "train")
    path.write_text(head + "100,7,2,1\n100,7,2,3\n")
    with pytest.raises(InputError, match=r"weights.csv:3: event 7/2/100 has spline = 3, and 1 before"):
        rule.assign(events([0]), [], "train")
    path.write_text(head + "100,7,2,-1\n")
    with pytest.raises(InputError, match="has weight -1, expected 0 or more"):
        rule.assign(events([0]), [], "train")


def test_evaluations_and_likelihoods_are_weighted_means() -> None:
    card = Card("none", {}, [], None, "none", {}, targets=["x"], target_scales=[1.0], loss="gaussian_nll")
    outputs, truth = np.array([[0.0, 0.5], [1.0, 0.2], [2.0, 3.0]]), np.array([[0.5], [0.5], [0.0]])
    images = replace(events([0, 0, 0]), label=truth.astype(np.float32))
    each = [Regression(card).loss_of(outputs[i : i + 1], images.take([i])) for i in range(3)]
    weighed = replace(images, weight=np.array([6, 3, 0], np.float32))
    assert Regression(card).loss_of(outputs, weighed) == pytest.approx((6 * each[0] + 3 * each[1]) / 9)
    assert Regression(card).loss_of(outputs, images) == pytest.approx(sum(each) / 3)


def test_a_part_without_any_weight_is_refused() -> None:
    images = {"train": events([0, 1]), "validation": events([1])}
    with pytest.raises(InputError, match="all validation events have weight 0"):
        weigh(images, [1, 0, 0], CLASSES)
