"""Announcement of a training: its events, network and evaluations, before the first step."""

from __future__ import annotations

import logging

from dmcnn.images.sparse import SparseImages
from dmcnn.training.session import Run

log = logging.getLogger("dmcnn")


def announce(run: Run, images: dict[str, SparseImages]) -> None:
    """Log the events of every part, the network, and the events of the evaluations."""
    for part, batch in images.items():
        labels = "" if batch.label is None else run.task.about(batch.label)
        log.info("%d %s events: %s", len(batch), "training" if part == "train" else part, labels)
    for remark in run.card.remarks:
        log.warning("warning: %s", remark)
    size = sum(parameter.numel() for parameter in run.net.parameters())
    log.info(
        "%s: %d parameters, %d steps on %s, precision %s, engine %s",
        run.card.model,
        size,
        run.total,
        run.device,
        run.precision,
        run.engine,
    )
    if run.test_every_step:
        part = run.task.part
        every, some, whole = run.test_every_step, len(run.chosen_on), len(images[part])
        reason = "" if some == whole else f" (test_events_nums = {some})"
        log.info("evaluating every %d steps on %d of %d %s events%s", every, some, whole, part, reason)
