"""Summary of an occlusion campaign: every event is drawn, and means are those of events that have the distance."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from dmcnn.figures.occlusion_campaign import DropGroup, summary

EDGES = np.arange(6.0)


def group(name: str, events: int) -> DropGroup:
    random = np.random.default_rng(events)
    profile = random.normal(size=(events, 5))
    profile[:, 3:] = np.nan
    overlap = random.random(events)
    overlap[:1] = np.nan
    return DropGroup(name, random.random(events), overlap, profile)


@pytest.mark.slow
@pytest.mark.parametrize("events", [(4, 9), (1, 1), (0, 3)])
def test_every_event_is_drawn(events: tuple[int, int]) -> None:
    groups = [group("muon", events[0]), group("pion", events[1])]
    figure = summary([("signal score", groups), ("x [µm]", groups)], EDGES, what="change", title="Two")
    figure.draw_without_rendering()
    drawn = figure.axes
    assert len(drawn) == 6
    assert [axes.get_xlabel() for axes in drawn[:3]] == [
        "Largest change of the signal score",
        "Distance from the centre of the charge [pixels]",
        "Overlap of the changes with the charge",
    ]
    assert drawn[4].get_ylabel() == "Mean change of the x [µm]"
    assert figure.get_suptitle() == "Two"
    for panel, lost in ((0, 0), (2, 1)):
        stairs = [patch for patch in drawn[panel].patches if isinstance(patch, StepPatch)]
        assert [patch.get_data()[0].sum() for patch in stairs] == [max(count - lost, 0) for count in events]
    assert drawn[2].get_xlim()[0] <= 0 < 1 <= drawn[2].get_xlim()[1]
    for one, line in zip(groups, drawn[1].lines, strict=False):
        if len(one.profile):
            np.testing.assert_allclose(np.asarray(line.get_ydata())[:3], one.profile[:, :3].mean(axis=0))
    assert drawn[1].get_xlim() == (0, 3)
