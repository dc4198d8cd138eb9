"""Engines of a scan against each other, their choice, and the certificate of a scan with a tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dmcnn._common.errors import InputError
from dmcnn._common.journal import Journal, Rows
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.models import MODELS
from dmcnn.occlusion import certificate, preview
from dmcnn.occlusion.certificate import Certificate
from dmcnn.occlusion.choice import choose
from dmcnn.occlusion.engines import ENGINES, Engine
from dmcnn.occlusion.result import OcclusionResult, Scan, read, scan_event


def make_event(side: int = 40, share: float = 0.1, channels: int = 1, seed: int = 1) -> SparseImages:
    random = np.random.default_rng(seed)
    shape = (1, channels, side, side + 2)
    return sparse((random.uniform(10, 200, shape) * (random.random(shape) < share)).astype(np.float32))


def make_net(event: SparseImages, norm: str = "group", seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    norms = {"group": lambda: nn.GroupNorm(8, 8), "batch": lambda: nn.BatchNorm2d(8)}
    net = nn.Sequential(
        nn.Conv2d(event.shape[0], 8, 3, stride=2, padding=1), nn.ReLU(), norms[norm](), nn.Conv2d(8, 8, 3), nn.ReLU(),
        norms[norm](), nn.AvgPool2d(2, padding=1), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2),
    ).eval()  # fmt: skip
    net(torch.from_numpy(event.dense()))
    return net


def run(
    net: nn.Module, event: SparseImages, scan: Scan, name: str, folder: Path, **options: str
) -> OcclusionResult:
    windows = scan.windows(event)
    engine = scan.engine(name, 8, **options)
    base = net(torch.from_numpy(event.dense())).detach().double().numpy()[0]
    journal = Journal(folder / f"{name}.journal", {"of": repr(scan)}, engine.row_width(len(base)))
    return scan_event(net, event, windows, engine, base, journal)


@pytest.mark.parametrize("fill", ["zero", "mean", "noise"])
@pytest.mark.parametrize("scaling", ["none", "minmax"])
@pytest.mark.parametrize(
    ("norm", "name"), [("group", "sparse"), ("batch", "sparse"), ("batch", "incremental")]
)
def test_exact_engines_agree(norm: str, name: str, scaling: str, fill: str, tmp_path: Path) -> None:
    event = make_event(channels=2)
    net = make_net(event, norm)
    scan = Scan(k=2, fill=fill, seed=3)
    dense, rows = (run(net, event, scan, engine, tmp_path, scaling=scaling) for engine in ("dense", name))
    assert dense.logits.std() > 1e-3
    np.testing.assert_allclose(rows.logits, dense.logits, rtol=0, atol=1e-5 * np.abs(dense.logits).max())


def test_boxes_in_time(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = MODELS["cnn3d"](channels=7, height=16, width=16).eval()
    event = make_event(14, 0.05, channels=7)
    event = sparse(np.pad(event.dense(), ((0, 0), (0, 0), (1, 1), (0, 0))))
    scan = Scan(k=1, depth=1, stride=2)
    dense, rows = (run(net, event, scan, engine, tmp_path) for engine in ("dense", "incremental"))
    np.testing.assert_allclose(rows.logits, dense.logits, rtol=0, atol=1e-5 * np.abs(dense.logits).max())


def test_the_order_of_windows_is_free() -> None:
    event, scan = make_event(), Scan(k=1)
    net = make_net(event)
    windows = scan.windows(event)
    which = np.random.default_rng(0).permutation(len(windows))[:21]
    for name in ENGINES:
        some = np.concatenate(list(scan.engine(name, 4).scores(net, event, windows, which)))
        everything = np.concatenate(list(scan.engine(name, 4).scores(net, event, windows)))
        np.testing.assert_allclose(some, everything[which], rtol=0, atol=1e-6)


def test_an_own_network_that_rows_cannot_follow_is_scanned_dense(tmp_path: Path) -> None:
    class Own(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.sum((1, 2, 3))[:, None] if bool((images > 0).any()) else images[:, 0, 0, :1]

    net, event = nn.Sequential(Own(), nn.Linear(1, 1)).eval(), make_event()
    dense, rows = (run(net, event, Scan(k=1), name, tmp_path) for name in ("dense", "sparse"))
    np.testing.assert_allclose(rows.logits, dense.logits, rtol=0, atol=1e-4 * np.abs(dense.logits).max())
    with pytest.raises(InputError, match="engine = incremental: the network is dense, for"):
        choice_of("incremental", net, event)


class Dithered(nn.Module):
    """A map plus random numbers of its own, which tracing takes for a constant."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps + maps.abs().max() * torch.rand(())


# ---- choice


def choice_of(word: str, net: nn.Module, event: SparseImages, precision: str = "32", **options: float) -> str:
    scan = Scan(k=2, **options)  # type: ignore[arg-type]
    return choose(word, net, event, scan, scan.windows(event), batch_size=4, precision=precision).engine


@pytest.mark.slow
def test_auto_takes_what_the_network_and_tolerance_allow() -> None:
    event, full, small = make_event(), make_event(60, 0.3), make_event(20, 0.05)
    assert choice_of("auto", make_net(event), event) in ("dense", "sparse")
    assert choice_of("auto", make_net(event, "batch"), event) in ("dense", "sparse", "incremental")
    assert choice_of("auto", make_net(full), full, tolerance=0.5) == "first_order"
    assert choice_of("auto", make_net(small), small, tolerance=0.5) in ("dense", "sparse")
    wide = make_event(128, 0.005)
    random = nn.Sequential(
        nn.Conv2d(1, 64, 5), nn.Conv2d(64, 64, 5, stride=4), Dithered(), nn.Flatten()
    ).eval()
    assert choice_of("auto", random, wide) == "dense"
    random.pop(2)
    assert choice_of("auto", random, wide) == "incremental"
    large = MODELS["resnet18"](height=128, width=128).eval()
    assert choice_of("auto", large, make_event(128, 0.005)) == "incremental"


@pytest.mark.parametrize(
    ("word", "norm", "options", "line"),
    [
        ("incremental", "group", {}, "engine = incremental: 2 \\(GroupNorm\\) needs all places of an image"),
        ("first_order", "group", {}, "engine = first_order needs a tolerance above 0"),
        ("sparse", "group", {"tolerance": 0.1}, "engine = sparse is exact: tolerance = 0.1 has no use"),
        (
            "auto",
            "group",
            {"tolerance": 0.1, "precision": "bf16"},
            "certified against precision = 32, not bf16",
        ),
        ("auto", "group", {"tolerance": -1.0}, "tolerance = -1.0, expected at least 0"),
        ("sparce", "group", {}, "did you mean 'sparse'"),
    ],
)
def test_impossible_pairs_are_refused(word: str, norm: str, options: dict[str, float], line: str) -> None:
    event = make_event()
    with pytest.raises(InputError, match=line):
        choice_of(word, make_net(event, norm), event, **options)  # type: ignore[arg-type]


def test_first_order_of_fixed_statistics_is_refused(tmp_path: Path) -> None:
    event = make_event()
    with pytest.raises(InputError, match="incremental is exact"):
        run(make_net(event, "batch"), event, Scan(k=1, tolerance=0.5), "first_order", tmp_path)


# ---- certificate


@pytest.mark.parametrize("centres", [1, 10, 35, 50, 1750])
@pytest.mark.parametrize("misses", [0, 1])
def test_the_number_to_draw_is_the_smallest_that_the_hypergeometric_distribution_allows(
    centres: int, misses: int
) -> None:
    far = int(0.05 * centres) + 1
    drawn = certificate.number_to_draw(centres, misses)

    def chance(number: int) -> float:
        """Probability that the claim is wrong and at most ``misses`` of the drawn centres are far."""
        return sum(
            comb(far, i) * comb(centres - far, number - i) / comb(centres, number) for i in range(misses + 1)
        )

    assert drawn == centres or chance(drawn) <= 0.01
    assert drawn <= 1 or chance(drawn - 1) > 0.01
    known = {(50, 0): 39, (1750, 0): 87, (1750, 1): 126}  # Hahn and Meeker's finite population bounds
    assert drawn == known.get((centres, misses), drawn)


def test_the_bound_leaves_out_as_many_centres_as_may_miss() -> None:
    errors, scale = np.array([[0.1, 0.0], [0.2, -3.0], [0.5, 0.1]]), np.array([1.0, 10.0])
    assert certificate.bound(errors, scale, 0) == 0.5
    assert certificate.bound(errors, scale, 1) == pytest.approx(0.3)
    assert certificate.bound(errors, np.array([1.0, 0.0]), 0) == np.inf
    assert certificate.bound(0 * errors, np.zeros(2), 0) == 0


@pytest.mark.slow
def test_a_scan_with_a_tolerance_keeps_it_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    event = make_event(60, 0.2)
    net = make_net(event)
    exact = run(net, event, Scan(k=2), "sparse", tmp_path)
    scan = Scan(k=2, tolerance=0.5)
    result = run(net, event, scan, "first_order", tmp_path)
    assert result.certificate is not None
    assert result.exact is not None
    error = np.abs(result.logits - exact.logits)
    assert (error[result.exact] <= 1e-5).all()
    assert (error <= np.array(result.certificate.within) + 1e-9).all(axis=1).mean() >= 0.95
    assert max(result.certificate.within) <= 0.5 * result.logits.std(axis=0).max() * 1.0001
    assert result.certificate.exact == result.exact.mean() < 1
    assert "centres within" in str(result.certificate)
    # the journal holds the exact windows with their numbers: cut short, the scan ends the same
    path = tmp_path / "first_order.journal"
    journal = Journal(path, {"of": repr(scan)}, 3)
    rows = journal.rows
    journal.close()
    Journal(path, {"of": repr(scan)}, 3).append(rows[: len(rows) // 2])
    again = run(net, event, scan, "first_order", tmp_path)
    np.testing.assert_allclose(again.logits, result.logits, rtol=0, atol=1e-6)
    assert again.certificate == result.certificate
    assert len(Journal(path, {"of": repr(scan)}, 3)) == len(rows)
    # and the npz tells it
    key = scan.key(event, "", "32")
    result.save(tmp_path / "x.npz", key, event, ("a", "b"), lambda logits: logits)
    back = read(tmp_path / "x.npz", key, scan.windows(event))
    assert back is not None
    assert back.certificate == result.certificate
    np.testing.assert_array_equal(back.exact, result.exact)
    assert read(tmp_path / "x.npz", Scan(k=2).key(event, "", "32"), scan.windows(event)) is None


@dataclass(frozen=True)
class Stored(Engine):
    """Engine whose scores are known."""

    outputs: NDArray[np.float64] | None = None

    def scores(self, net, event, windows, which=None) -> Iterator[NDArray[np.float64]]:  # type: ignore[no-untyped-def]
        assert self.outputs is not None
        yield self.outputs[which]


class StoredPreview:
    """First-order outputs that are known."""

    def __init__(self, rows: NDArray[np.float64], order: NDArray[np.int64]) -> None:
        self.rows, self.order = rows, order


@pytest.mark.slow
@pytest.mark.parametrize("tolerance", [0.1, 0.5])
def test_certificates_of_a_thousand_maps_fail_no_more_often_than_they_say(
    tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = maps = shares = 0.0
    for number in range(10):
        event = make_event(44, 0.15, seed=number)
        net = make_net(event, seed=number)
        windows = Scan(k=2).windows(event)
        exact = np.concatenate(list(Scan(k=2).engine("sparse", 32).scores(net, event, windows)))
        first = preview.Preview(net, event, windows, Scan(k=2).engine("sparse", 32))
        with monkeypatch.context() as patch:
            patch.setattr(preview, "Preview", lambda *_, first=first: StoredPreview(first.rows, first.order))
            for seed in range(100):
                bar = preview.ProgressBar(total=len(windows), disable=True)
                rows, _, found = preview.scan(
                    net,
                    event,
                    windows,
                    Stored(10**6, seed=seed, tolerance=tolerance, outputs=exact),
                    Rows(3),
                    bar,
                )
                error = np.abs(rows - exact)[windows.number]
                failures += (error <= np.array(found.within)).all(axis=1).mean() < 0.95
                shares += found.exact
                maps += 1
    assert maps == 1000
    assert failures <= 18  # the 99 % quantile of Binomial(1000, 0.01)
    assert shares / maps < 0.9  # something is gained


def test_two_certificates_differ_by_their_contents() -> None:
    one = Certificate(0.5, (0.1, 0.2), 100, 53, 0, 0.6)
    assert Certificate.parse(one.json()) == one != replace(one, exact=0.5)
