"""Spaces: every value is listed, drawn with its own type, and checked at least once."""

from __future__ import annotations

import itertools

import optuna
import pytest

from dmcnn.tuning import space

FINITE = {
    "filters_1": [2, 4, 8],
    "crop": {"low": 8, "high": 17, "step": 4},
    "time_edges": [[0, 9, 1], [0, 9, 3]],
}


def drawn(of: space.Space, sampler: optuna.samplers.BaseSampler) -> dict[str, object]:
    return space.draw(optuna.create_study(sampler=sampler).ask(), of)


def test_ranges_end_on_a_step_and_have_the_type_of_their_setting() -> None:
    found = space.normalise(
        {
            "energy_min": {"low": 0, "high": 1},
            "drop_out": {"low": 0.1, "high": 0.55, "step": 0.1},
            "crop": {"low": 8, "high": 17, "step": 4},
            "filters_1": [2, 4],
        }
    )
    assert found["energy_min"] == {"low": 0.0, "high": 1.0}
    assert type(found["energy_min"]["high"]) is float
    assert found["drop_out"]["high"] == 0.5
    assert found["crop"] == {"low": 8, "high": 16, "step": 4}
    assert found["filters_1"] == [2, 4]


def test_values_of_a_range_are_exact_decimals() -> None:
    assert space.values({"low": 0.1, "high": 0.7, "step": 0.1}) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert space.values({"low": 8, "high": 17, "step": 4}) == [8, 12, 16]
    assert space.values({"low": 1e-4, "high": 3e-4, "step": 1e-4}) == [0.0001, 0.0002, 0.0003]


def test_points_are_the_product_of_all_values() -> None:
    assert space.combinations(FINITE) == 18
    expected = itertools.product(FINITE["filters_1"], [8, 12, 16], FINITE["time_edges"])
    found = [tuple(space.combination(FINITE, number).values()) for number in range(18)]
    assert sorted(found) == sorted(expected)
    assert space.combinations({**FINITE, "learning_rate": {"low": 0.1, "high": 1.0}}) is None


def test_shuffled_is_every_point_once_in_an_order_of_its_own() -> None:
    orders = [[space.random_combination(FINITE, seed, number) for number in range(18)] for seed in (1, 2)]
    points = [space.combination(FINITE, number) for number in range(18)]
    for order in orders:
        assert sorted(map(repr, order)) == sorted(map(repr, points))
    assert orders[0] != orders[1] != points
    assert space.random_combination(FINITE, 1, 18) is None
    assert space.random_combination({"learning_rate": {"low": 0.1, "high": 1.0}}, 1, 0) is None


def test_samples_hold_every_value() -> None:
    assert sorted(map(repr, space.samples(FINITE))) == sorted(
        repr(space.combination(FINITE, number)) for number in range(18)
    )
    some = list(space.samples({**FINITE, "learning_rate": {"low": 0.1, "high": 1.0, "log": True}}))
    assert len(some) == 3
    assert {row["learning_rate"] for row in some} == {0.1, 1.0}
    assert {row["filters_1"] for row in some} == {2, 4, 8}
    assert {row["crop"] for row in some} == {8, 12, 17}
    assert len(list(space.samples(FINITE, most=5))) == 3


@pytest.mark.parametrize("seed", range(5))
def test_draws_have_the_type_of_their_choice(seed: int) -> None:
    of = {
        **FINITE,
        "label": [{"a*": 1, "b*": 0}, "y"],
        "augment": [True, False],
        "learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
        "dense_1": {"low": 1, "high": 100, "log": True},
        "drop_out": {"low": 0.1, "high": 0.5, "step": 0.1},
    }
    found = drawn(space.normalise(of), optuna.samplers.RandomSampler(seed=seed))
    assert list(found) == list(of)
    assert found["time_edges"] in FINITE["time_edges"]
    assert found["label"] in of["label"]
    assert type(found["augment"]) is bool
    assert found["crop"] in (8, 12, 16)
    assert isinstance(found["learning_rate"], float)
    assert 1e-5 <= found["learning_rate"] <= 1e-2
    assert isinstance(found["dense_1"], int)
    assert found["drop_out"] in (0.1, 0.2, 0.3, 0.4, 0.5)
