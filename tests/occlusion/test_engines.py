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

from dmcnn._common import npz
from dmcnn._common.errors import InputError
from dmcnn._common.journal import Journal, Rows
from dmcnn._common.progress import ProgressBar
from dmcnn.engines import cost
from dmcnn.images.sparse import SparseImages, sparse
from dmcnn.models import MODELS
from dmcnn.occlusion import certificate, tolerance
from dmcnn.occlusion.approximations import APPROXIMATIONS, Approximation
from dmcnn.occlusion.certificate import Certificate
from dmcnn.occlusion.choice import EngineChoice, choose
from dmcnn.occlusion.engines import ENGINES, Engine
from dmcnn.occlusion.result import OcclusionResult, Scan, read, scan_event
from dmcnn.occlusion.tolerance import Step, ToleranceScan, steps


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


@pytest.mark.slow
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


@pytest.mark.slow
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
        (
            "first_order",
            "group",
            {},
            "engine = first_order needs a tolerance above 0, such as tolerance = 0.5",
        ),
        ("delta", "group", {}, "engine = delta needs a tolerance above 0, such as tolerance = 0.1"),
        (
            "delta",
            "batch",
            {"tolerance": 0.1},
            "statistics of an image; engine = incremental is exact and cheaper",
        ),
        ("cascade", "batch", {"tolerance": 0.1}, "engine = incremental is exact and cheaper"),
        (
            "delta",
            "group",
            {"tolerance": 0.1, "precision": "bf16"},
            "certified against precision = 32, not bf16",
        ),
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


@pytest.mark.parametrize("name", ["delta", "first_order"])
def test_approximations_of_fixed_statistics_are_refused(name: str, tmp_path: Path) -> None:
    event = make_event()
    with pytest.raises(InputError, match="incremental is exact"):
        run(make_net(event, "batch"), event, Scan(k=1, tolerance=0.5), name, tmp_path)


class Pooled(nn.Module):
    """Means over all places, weighted by functions of themselves: global, but without a normalisation."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return (maps * torch.sigmoid(maps.mean((2, 3), keepdim=True))).mean((2, 3))


def test_auto_stays_exact_where_nothing_normalises_by_the_statistics_of_an_image() -> None:
    event = make_event(60, 0.3)
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), Pooled()).eval()
    assert choice_of("auto", net, event, tolerance=0.5) in ("dense", "sparse")


def with_bf16(patch: pytest.MonkeyPatch, matrix: float) -> None:
    """Fake a processor with bfloat16 matrices whose products take ``matrix`` times those of float32."""
    rates = cost.Rates(1e-11, 1e-11, 1e-12, 1e-12, 1e-12, 1e-12, 1e-12)
    found = {"32": rates, "bf16": replace(rates, matrix=matrix * rates.matrix)}
    patch.setattr(cost, "rates", lambda precision="32": found[precision])
    for word in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        patch.setattr(torch.cpu, word, lambda: matrix < 10)


class Folded(nn.Module):
    """Normalised maps of all images in one, so that rows end before."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        flat = maps.reshape(-1, maps.shape[2] * maps.shape[3])
        return flat.sum(1).reshape(-1, maps.shape[1])


@pytest.mark.slow
def test_auto_takes_differences_where_the_processor_multiplies_bfloat16_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = make_event(60, 0.3)
    net, small = make_net(event), make_event(20, 0.05)
    for matrix, name in ((0.1, "cascade"), (1.0, "first_order"), (100.0, "first_order")):
        with monkeypatch.context() as patch:
            with_bf16(patch, matrix)
            assert choice_of("auto", net, event, tolerance=0.5) == name
            assert choice_of("auto", make_net(small), small, tolerance=0.5) in ("dense", "sparse")
            if name == "cascade":
                plain = make_net(event)
                plain[2] = nn.GroupNorm(8, 8, affine=False)
                assert choice_of("auto", plain, event, tolerance=0.5) == "delta"
                folded = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(4, 4), nn.ReLU(), Folded()).eval()
                assert choice_of("auto", folded, event, tolerance=0.5) == "first_order"
                with pytest.raises(InputError, match="engine = delta: differences fail"):
                    choice_of("delta", folded, event, tolerance=0.5)


def test_delta_says_where_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    event, scan = make_event(), Scan(k=2, tolerance=0.5)
    net, windows = make_net(event), scan.windows(event)
    for name in ("delta", "cascade"):
        for matrix, is_slow in ((100.0, True), (0.1, False)):
            with monkeypatch.context() as patch:
                with_bf16(patch, matrix)
                chosen = choose(name, net, event, scan, windows, batch_size=4)
                assert chosen.engine == name
                assert ("this processor has no bfloat16 products" in chosen.line) == is_slow


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


def test_steps_go_from_exact_to_cheapest() -> None:
    assert steps(("delta",)) == [Step(1.0, "sparse", ""), Step(0.0, "sparse", "delta")]
    for names in (("first_order",), ("delta", "first_order")):
        exact, *order = steps(names)
        assert exact == Step(1.0, "sparse", "")
        assert list(dict.fromkeys(step.rest for step in order)) == list(names)
        coarse = [step for step in order if step.rest == "first_order"]
        shares = [step.share for step in coarse]
        assert shares == sorted(shares, reverse=True)
        assert (shares[0], shares[-1]) == (0.75, 0)
        # what scores the share costs less than it would in the step before
        assert {step.by for step in coarse} == {"sparse" if len(names) == 1 else "delta"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "allowed", "rest"),
    [
        ("first_order", 0.5, "first_order"),
        ("delta", 0.1, "delta"),
        ("delta", 1e-6, ""),
        ("cascade", 0.02, "delta"),
        ("cascade", 3.0, "first_order"),
    ],
)
def test_a_scan_with_a_tolerance_keeps_it_and_goes_on_where_it_stopped(
    name: str, allowed: float, rest: str, tmp_path: Path
) -> None:
    event = make_event(60, 0.2)
    net = make_net(event)
    exact = run(net, event, Scan(k=2), "sparse", tmp_path)
    scan = Scan(k=2, tolerance=allowed)
    result = run(net, event, scan, name, tmp_path)
    assert result.certificate is not None
    assert result.exact is not None
    assert result.made_by is not None
    assert set(result.made_by) == {"sparse", rest} - {""}
    error = np.abs(result.logits - exact.logits)
    assert (error[result.exact] <= 1e-5).all()
    assert (error <= np.array(result.certificate.within) + 1e-9).all(axis=1).mean() >= 0.95 or not rest
    assert max(result.certificate.within) <= allowed * result.logits.std(axis=0).max() * 1.0001
    assert result.certificate.exact == result.exact.mean()
    assert (result.certificate.exact < 1) == bool(rest)
    assert result.certificate.rest == rest
    assert "centres within" in str(result.certificate)
    assert (f"others by {rest}" in str(result.certificate)) == bool(rest)
    # the journal holds the exact windows with their numbers: cut short, the scan ends the same
    path = tmp_path / f"{name}.journal"
    journal = Journal(path, {"of": repr(scan)}, 3)
    rows = journal.rows
    journal.close()
    Journal(path, {"of": repr(scan)}, 3).append(rows[: len(rows) // 2])
    again = run(net, event, scan, name, tmp_path)
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
    np.testing.assert_array_equal(back.made_by, result.made_by)
    assert read(tmp_path / "x.npz", Scan(k=2).key(event, "", "32"), scan.windows(event)) is None


def test_a_scan_goes_on_with_the_engine_with_which_it_began(tmp_path: Path) -> None:
    event, scan = make_event(), Scan(k=2, tolerance=0.5)
    net, path = make_net(event), tmp_path / "x.journal"
    key, windows = scan.key(event, "", "32"), scan.windows(event)
    engine = scan.engine("delta", 4)
    journal = Journal(path, key | {"engine": "delta"}, engine.row_width(2))
    journal.append(np.column_stack([[3], *engine.scores(net, event, windows, np.array([3]))]))
    assert EngineChoice("auto", net, 4, "32", "none").begun(path, key, scan, 2) == "delta"
    assert EngineChoice("delta", net, 4, "32", "none").begun(path, key, scan, 2) == "delta"
    with pytest.raises(InputError, match="made with engine = delta, now first_order; engine = auto goes on"):
        EngineChoice("first_order", net, 4, "32", "none").begun(path, key, scan, 2)


def test_npz_of_earlier_versions_name_the_first_order(tmp_path: Path) -> None:
    event, scan = make_event(), Scan(k=2, tolerance=0.5)
    windows, key = scan.windows(event), scan.key(event, "", "32")
    outputs, exact = np.zeros((len(windows.number), 2)), np.arange(len(windows.number)) % 2 == 0
    made_by = np.where(exact, "sparse", "first_order")
    one = Certificate(0.5, (0.1, 0.2), len(exact), 53, 0, 0.5)
    result = OcclusionResult(windows, outputs, outputs[0], outputs[0], made_by, one)
    result.save(tmp_path / "x.npz", key, event, ("a", "b"), lambda logits: logits)
    with np.load(tmp_path / "x.npz") as file:
        old = {name: file[name] for name in file if name not in ("made_by", "key", "checksum", "check")}
    old["certificate"] = np.array(one.json().replace(', "rest": "first_order"', ""))
    npz.write(tmp_path / "x.npz", key, **old)
    back = read(tmp_path / "x.npz", key, windows)
    assert back is not None
    np.testing.assert_array_equal(back.made_by, made_by)
    assert back.certificate == one


@dataclass(frozen=True)
class Stored(Engine):
    """Engine whose scores are known."""

    approximations = ("delta", "first_order")
    outputs: NDArray[np.float64] | None = None

    def scores(self, net, event, windows, which=None) -> Iterator[NDArray[np.float64]]:  # type: ignore[no-untyped-def]
        assert self.outputs is not None
        yield self.outputs[which]


class StoredApproximation:
    """Approximate outputs that are known."""

    def __init__(self, rows: NDArray[np.float64], rank: NDArray[np.int64], typical_change: float) -> None:
        self.rows, self.rank, self.typical_change = rows, rank, typical_change

    def scores(self, which: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        yield self.rows[which]


def stored(one: Approximation, windows: int) -> StoredApproximation:
    """Evaluate an approximation once."""
    return StoredApproximation(
        np.concatenate([*one.scores(np.arange(windows))]), one.rank, one.typical_change
    )


def test_windows_that_the_first_order_is_too_coarse_for_take_differences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But where windows hardly change the statistics, and the map may be coarse, differences are not tried."""
    event = make_event(60, 0.3)
    windows, random = Scan(k=2).windows(event), np.random.default_rng(2)
    exact, rank = random.normal(size=(len(windows), 2)), random.permutation(len(windows))
    coarse = exact + np.where(rank < 0.28 * len(windows), 9.0, 0.01)[:, None]
    for typical in (0.2, 0.001):
        with monkeypatch.context() as patch:
            known = {
                "delta": StoredApproximation(exact + 0.001, rank, np.inf),
                "first_order": StoredApproximation(coarse, rank, typical),
            }
            if typical < 0.01:
                del known["delta"]
            patch.setattr(
                tolerance, "APPROXIMATIONS", {n: lambda *_, one=one: one for n, one in known.items()}
            )
            bar = ProgressBar(total=len(windows), disable=True)
            engine = Stored(10**6, tolerance=0.5, outputs=exact)
            rows, made, found = ToleranceScan(event=event, net=nn.Identity(), windows=windows, engine=engine,
                                              journal=Rows(3), bar=bar).run()  # fmt: skip
            better = "delta" if "delta" in known else "sparse"
            assert set(made) == {"sparse", "first_order", better}
            assert (made[rank < 0.2 * len(windows)] != "first_order").all()
            assert (np.abs(rows - exact) <= np.array(found.within)).all(axis=1).mean() > 0.9
            centres = made[windows.number]
            assert found.exact == (centres == "sparse").mean()
            assert found.delta == (centres == "delta").mean()
            assert ("% by delta, others by first_order" in str(found)) == (better == "delta")
            assert Certificate.parse(found.json()) == found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (("first_order",), 0.1),
        (("first_order",), 0.5),
        (("delta",), 0.012),
        (("delta",), 0.1),
        (("delta", "first_order"), 0.1),
        (("delta", "first_order"), 0.5),
    ],
)
def test_certificates_of_a_thousand_maps_fail_no_more_often_than_they_say(
    names: tuple[str, ...], allowed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = maps = shares = 0.0
    monkeypatch.setattr(Stored, "approximations", names)
    # the same rounding on every processor: hardware rounds products, too
    monkeypatch.setattr("dmcnn.engines.delta.bf16_is_fast", lambda device: False)
    for number in range(10):
        event = make_event(44, 0.15, seed=number)
        net = make_net(event, seed=number)
        windows, engine = Scan(k=2).windows(event), Scan(k=2).engine("sparse", 32)
        exact = np.concatenate(list(engine.scores(net, event, windows)))
        known = {
            name: stored(APPROXIMATIONS[name](net, event, windows, engine), len(windows)) for name in names
        }
        with monkeypatch.context() as patch:
            makers = {name: lambda *_, one=one: one for name, one in known.items()}
            patch.setattr(tolerance, "APPROXIMATIONS", makers)
            for seed in range(100):
                bar = ProgressBar(total=len(windows), disable=True)
                engine = Stored(10**6, seed=seed, tolerance=allowed, outputs=exact)
                rows, _, found = ToleranceScan(net, event, windows, engine, Rows(3), bar).run()
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
    assert Certificate.parse(one.json()) != replace(one, rest="delta")
