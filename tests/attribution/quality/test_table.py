"""The quality table: every column against the measure it stands for, and events that have none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribution.quality.fakes import SHAPE, Gradient, Output, curved, image, linear
from dmcnn.attribution.methods.integrated_gradients import IntegratedGradients
from dmcnn.attribution.quality import deletion as curves
from dmcnn.attribution.quality import localisation, robustness
from dmcnn.attribution.quality.table import IDS, MEASURES, VALUES, Charge, Random, columns, ids, judge
from dmcnn.attribution.target import Target
from dmcnn.images.sparse import UNSET, sparse
from dmcnn.tables import table

TARGET = Output(1)
COLUMN = {measure.name: measure.column for measure in MEASURES}


def rows_of(net, x, methods, **options) -> dict[str, dict]:
    maps = {name: method(net, x[None], TARGET)[0].detach().numpy() for name, method in methods.items()}
    return {row["method"]: row for row in judge(net, x, maps, TARGET, methods=methods, **options)}


def test_every_column_is_its_measure():
    net, x = curved(), image(20)
    method = Gradient()
    values = method(net, x[None], TARGET)[0].detach().numpy()
    removing = {"steps": 5, "n_random": 4}
    row = rows_of(net, x, {"product": method}, ids={"file": "a.root"}, seed=3, radius=0.05, **removing)[
        "product"
    ]
    found = curves.measure(net, x, {"product": values}, TARGET, seed=3, **removing)
    areas = curves.area(found.fraction, found.random)
    deletion, insertion = (
        curves.area(found.fraction, curve["product"]) for curve in (found.deletion, found.insertion)
    )
    active = x.numpy() != 0
    pairs = robustness.correlations(method, robustness.redrawn(net, x, 3), x, TARGET, values)
    expected = {
        "base_score": found.base,
        "removed_score": found.removed,
        "active_pixels": 20,
        "occupancy": 20 / 84,
        "random_auc": areas.mean(),
        "random_auc_std": areas.std(),
        COLUMN["deletion_auc"]: deletion,
        COLUMN["deletion_auc_normalised"]: found.share(deletion),
        COLUMN["insertion_auc"]: insertion,
        COLUMN["insertion_auc_normalised"]: found.share(insertion),
        COLUMN["enrichment"]: localisation.enrichment(values, active),
        COLUMN["top_overlap"]: localisation.top_overlap(values, active),
        COLUMN["completeness_error"]: robustness.completeness_error(net, x, TARGET, values),
        COLUMN["halving_change"]: np.nan,
        COLUMN["max_sensitivity"]: robustness.sensitivity(
            method, net, x, TARGET, values, radius=0.05, seed=3
        ),
        COLUMN["redrawn_last_layer"]: pairs["last_layer"][0],
        COLUMN["redrawn_last_layer_all_pixels"]: pairs["last_layer"][1],
        COLUMN["redrawn_all_layers"]: pairs["all_layers"][0],
        COLUMN["redrawn_all_layers_all_pixels"]: pairs["all_layers"][1],
    }
    assert [*row] == ["file", "method", "target", "target_kind", *VALUES]
    assert (row["file"], row["target"], row["target_kind"]) == ("a.root", 1, "logit")
    for name in VALUES:
        np.testing.assert_array_equal(row[name], expected[name], err_msg=name)


def test_directions_are_told():
    assert COLUMN["deletion_auc"] == "deletion_auc_lower_better"
    assert COLUMN["insertion_auc"] == "insertion_auc_higher_better"
    assert {measure.better for measure in MEASURES} == {"lower", "higher"}


def test_the_ideal_map_beats_random_ones_and_charge():
    net, x = linear(), image(15)
    with torch.no_grad():
        net[1].weight.abs_()
    found = rows_of(net, x, {"product": Gradient()}, n_random=20, copies={})
    best, random, charge = (found[name] for name in ("product", "random", "charge"))
    for kind in ("deletion_auc", "deletion_auc_normalised"):
        assert best[COLUMN[kind]] < min(random[COLUMN[kind]], charge[COLUMN[kind]])
    for kind in ("insertion_auc", "insertion_auc_normalised", "enrichment", "top_overlap"):
        assert best[COLUMN[kind]] > random[COLUMN[kind]]
    assert best[COLUMN["completeness_error"]] < 1e-5
    assert random[COLUMN["deletion_auc"]] == random["random_auc"] == best["random_auc"]


def test_references_go_through_the_same_columns():
    net, x = curved(), image(25)
    found = rows_of(net, x, {"gradient": Gradient(times_input=False)}, n_random=60)
    random, charge = found["random"], found["charge"]
    assert random[COLUMN["enrichment"]] == pytest.approx(1, abs=0.1)
    assert random[COLUMN["top_overlap"]] == pytest.approx(25 / 84, abs=0.1)
    assert charge[COLUMN["enrichment"]] == 84 / 25
    assert charge[COLUMN["top_overlap"]] == 1
    assert random[COLUMN["max_sensitivity"]] == 0
    assert 0 < charge[COLUMN["max_sensitivity"]] < 0.02
    for row in (random, charge):
        assert row[COLUMN["redrawn_all_layers"]] == pytest.approx(1)
        assert np.isnan(row[COLUMN["completeness_error"]])


@pytest.mark.parametrize("baseline", ["zero", 2.0, torch.full(SHAPE, 3.0)], ids=["zero", "number", "image"])
def test_completeness_is_that_from_the_methods_own_baseline(baseline):
    net, x, target = curved(), image(20), Target(1, "score", "softmax")
    method = IntegratedGradients(baseline=baseline, n_steps=100)
    maps = 1.25 * method(net, x[None], target)  # a quarter too much
    (row, *_) = judge(net, x, {"ig": maps[0].numpy()}, target, methods={"ig": method}, n_random=1)
    off = method.completeness(net, x[None], maps, target).item()
    assert off == pytest.approx(0.25, abs=0.05)
    assert row[COLUMN["completeness_error"]] == pytest.approx(off, rel=1e-3)
    change = method.halving_change(net, x[None], maps, target).item()
    assert row[COLUMN["halving_change"]] == pytest.approx(change, rel=1e-3)
    assert 0.1 < change < 0.5  # a fifth of the map is too much
    assert (row["target"], row["target_kind"]) == (1, "score")


def test_random_maps_depend_on_the_seed_alone():
    x = image(5)
    one = Random(3)(linear(), x.expand(2, *SHAPE), TARGET)
    assert one.shape == (2, *SHAPE)
    assert torch.equal(one[0], one[1])
    assert torch.equal(one[:1], Random(3)(curved(), 2 * x[None], TARGET))
    assert not torch.equal(one, Random(4)(linear(), x.expand(2, *SHAPE), TARGET))


def test_maps_without_their_methods():
    net, x = curved(), image(9)
    maps = {"cam": np.random.default_rng(1).random(SHAPE)}
    rows = judge(net, x, maps, TARGET)
    assert [row["method"] for row in rows] == ["cam", "random", "charge"]
    needs_methods = {measure.column for measure in MEASURES if not measure.floor}
    for row in rows:
        assert {name for name in VALUES if np.isnan(row[name])} <= needs_methods | {
            COLUMN["deletion_auc_normalised"], COLUMN["insertion_auc_normalised"],
        }  # fmt: skip
        assert all(np.isnan(row[name]) for name in needs_methods)


def test_the_same_again_and_the_net_untouched():
    net, x = curved(), image(20)
    before = {name: values.clone() for name, values in net.state_dict().items()}
    random_state = torch.random.get_rng_state()
    one, other = (rows_of(net, x, {"product": Gradient()}, steps=4, n_random=2) for _ in range(2))
    np.testing.assert_equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert all(torch.equal(values, before[name]) for name, values in net.state_dict().items())
    assert all(values.grad is None and values.requires_grad for values in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m.training for m in net.modules())


def test_a_map_is_judged_alike_in_any_company():
    net, x = curved(), image(20)
    alone = rows_of(net, x, {"product": Gradient()}, steps=4, n_random=2)
    together = rows_of(
        net, x, {"gradient": Gradient(times_input=False), "product": Gradient()}, steps=4, n_random=2
    )
    np.testing.assert_equal(alone["product"], together["product"])


@pytest.mark.parametrize("x", [image(0), image(1), -image(4)], ids=["empty", "one", "negative"])
def test_odd_images_and_maps(x):
    net = curved()
    maps = {
        "zero": np.zeros(SHAPE),
        "constant": np.ones(SHAPE),
        "nan": np.full(SHAPE, np.nan),
        "inf": np.where(x == 0, 1, np.inf),
    }
    rows = judge(net, x, maps, TARGET, methods={name: Gradient() for name in maps}, n_random=2)
    found = {row["method"]: row for row in rows}
    event = ("base_score", "removed_score", "active_pixels", "occupancy")
    for row in rows:
        assert np.isfinite([row[name] for name in event]).all()
    measures = [measure.column for measure in MEASURES]
    assert np.isnan([found["nan"][name] for name in measures]).all()
    assert np.isnan([found["zero"][COLUMN[name]] for name in ("enrichment", "top_overlap")]).all()
    assert np.isfinite(found["constant"][COLUMN["deletion_auc"]]) == x.any().item()
    assert np.isnan(found["charge"][COLUMN["enrichment"]]) == (not x.any().item())


def test_curves_may_be_measured_before():
    net, x = curved(), image(10)
    maps = {"map": np.random.default_rng(1).random(SHAPE)}
    found = curves.measure(net, x, maps, TARGET, steps=3, n_random=2)
    np.testing.assert_equal(
        judge(net, x, maps, TARGET, curves=found), judge(net, x, maps, TARGET, steps=3, n_random=2)
    )


def test_ids_and_columns_become_a_table():
    events = sparse(np.zeros((2, *SHAPE), np.float32)).events
    events[["run", "subrun", "event"]][0] = 7, 1, 2**40
    for name, value in (("run", 7), ("subrun", UNSET), ("event", 2**40)):
        events[name][0] = value
    found = ids(events[0], "a.root")
    assert tuple(found) == IDS
    assert [*found.values()] == ["a.root", 0, 7, None, 2**40]
    rows = judge(curved(), image(4), {}, TARGET, ids=found, n_random=1)
    written = table.Table.from_columns(columns(rows))
    assert written.columns == (*IDS, "method", "target", "target_kind", *VALUES)
    assert written.column("method") == ["random", "charge"]
    assert written.column("subrun_number") == ["", ""]
    assert written.column(COLUMN["max_sensitivity"]) == ["", ""]
    assert [float(word) for word in written.column("base_score")] == [row["base_score"] for row in rows]
    assert columns([{"a": 1}, {"b": 2}]) == {"a": [1, None], "b": [None, 2]}


def test_methods_of_reference_are_plain():
    assert (Random.name, Random.signed, Charge.name, Charge.signed) == ("random", False, "charge", False)
