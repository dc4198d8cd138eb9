"""Settings of residual networks, which trainings choose and files of weights may not state."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Literal

from dmcnn.settings.base import Conflict, Settings, setting

RESNETS = ("resnet18", "resnet34")
NORMS = {"bn": "batch", "gn": "group"}
"""Words of resnet_norm -> those of norm."""

log = logging.getLogger("dmcnn")


class ResNetSettings(Settings):
    """Keys of resnet18 and resnet34."""

    norm: Literal["batch", "group"] | None = setting(
        None,
        "network",
        "normalisation of resnet18 and resnet34: over a batch (default of a training) or within each image",
    )
    resnet_norm: Literal["bn", "gn"] | None = setting(None, "network", "norm by its short names")
    gn_groups: int | None = setting(
        None,
        "network",
        "groups of channels of norm = 'group' (default 32), which a file of weights without a card does not hold",
        ge=1,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield contradictions between keys that are each valid alone."""
        yield from super().conflicts()
        if None not in (self.norm, self.resnet_norm) and NORMS[str(self.resnet_norm)] != self.norm:
            yield (
                ("norm", "resnet_norm"),
                f"norm = {self.norm!r} contradicts resnet_norm = {self.resnet_norm!r}",
            )

    def resnet(self) -> dict[str, Any]:
        """Return norm and gn_groups; None where they are not given."""
        norm = self.norm if self.resnet_norm is None else NORMS[self.resnet_norm]
        return {"norm": norm, "gn_groups": self.gn_groups}

    def normalisation(self, model: str) -> dict[str, Any]:
        """Return norm and gn_groups where a network has them; log a warning of those that it has not.

        Users share cfg files between networks.
        """
        given = {name: value for name, value in self.resnet().items() if value is not None}
        is_used = "norm" in given and (model in RESNETS or self.norm is not None)
        used = {name for name in given if is_used and (name == "norm" or given["norm"] == "group")}
        for name in given.keys() - used:
            log.warning("warning: %s = %r has no effect on model = %r", name, given[name], model)
        return {name: given[name] for name in given if name in used}
