"""Figure of robustness: the drawn numbers are the shifts and AUCs, and no text covers a panel."""

from __future__ import annotations

import numpy as np
import pytest

from dmcnn.figures.robustness import score_shifts
from dmcnn.figures.text import Figure

AREAS = (0.90, 0.88, 0.93), (0.85, 0.80, 0.89)


def draw(variations: int, networks: list[str], has_areas: bool = True, unit: str = "") -> Figure:
    random = np.random.default_rng(1)
    names = [f"dead_wires {number}" for number in range(variations)]
    shifts = {name: {net: random.normal(0, 0.1, 200) for net in networks} for name in names}
    areas = {name: dict.fromkeys(networks, AREAS) for name in names} if has_areas else None
    return score_shifts(shifts, "signal score", unit, areas)


def test_histograms_and_areas_are_those_of_the_shifts() -> None:
    shifts = {"flip_x": {"a": [-0.2, 0.0, 0.0, 0.1], "b": [0.05]}, "noise 2": {"a": [0.0, 0.0, 0.0, 0.0]}}
    figure = score_shifts(shifts, "signal score", areas={"flip_x": {"a": AREAS}})
    first, second, areas, none = figure.axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("flip_x", "noise 2")
    assert second.get_xlabel() == "Shift of signal score"
    drawn = [patch.get_data() for patch in first.patches if patch.get_alpha() is None]
    assert len(drawn) == 2
    for (counts, edges, _), row in zip(drawn, shifts["flip_x"].values(), strict=True):
        np.testing.assert_array_equal(counts, np.histogram(row, edges)[0])
        assert counts.sum() == len(row)
        assert edges[0] < -0.2
        assert edges[-1] > 0.2
        middle = len(edges) // 2
        assert edges[middle - 1] == pytest.approx(-edges[middle])
    assert [text.get_text() for text in first.texts] == ["rms 0.11", "rms 0.05"]
    assert [text.get_text() for text in second.texts] == ["rms 0"]
    points = [line.get_xdata()[0] for line in areas.lines if line.get_marker() == "o"]
    assert points == [0.90, 0.85]
    (as_it_is, varied) = (bar.get_segments()[0] for bar in areas.collections)
    np.testing.assert_allclose(as_it_is[:, 0], [0.88, 0.93])
    np.testing.assert_allclose(varied[:, 0], [0.80, 0.89])
    assert as_it_is[0, 1] < varied[0, 1]
    assert not none.lines


@pytest.mark.parametrize(
    ("variations", "networks", "has_areas"),
    [
        (1, [""], True),
        (1, ["a", "b"], False),
        pytest.param(12, [""], False, marks=pytest.mark.slow),
        pytest.param(12, list("abcde"), True, marks=pytest.mark.slow),
    ],
)
def test_no_text_covers_a_panel(variations: int, networks: list[str], has_areas: bool) -> None:
    """Nor another text, and nothing is cut."""
    figure = draw(variations, networks, has_areas, unit="µm")
    figure.draw_without_rendering()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    texts = [text for axes in figure.axes for text in (*axes.texts, axes.yaxis.label, axes.xaxis.label)]
    places = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(places) >= variations * (1 + len(networks))
    for number, place in enumerate(places):
        assert not any(box.overlaps(place) for box in boxes)
        assert not any(other.overlaps(place) for other in places[:number])
        assert place.x0 >= 0
        assert place.x1 <= figure.bbox.x1
    assert min(box.height for box in boxes) > 0.4 * figure.dpi
    legends = [text.get_text() for one in figure.legends for text in one.get_texts()]
    assert legends == [*filter(None, networks), *(["as it is", "varied"] if has_areas else [])]


def test_networks_that_never_shift_and_no_event_are_drawn() -> None:
    for values in ([0.0, 0.0], []):
        score_shifts({"flip_x": {"": values}}, "x", "µm").draw_without_rendering()
