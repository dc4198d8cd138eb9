"""The settings of every command: typed, described, validated, frozen."""

from dmcnn.settings.base import Settings
from dmcnn.settings.evaluate import EvaluateSettings
from dmcnn.settings.network import DisplaySettings, InferSettings, Network, OccludeSettings
from dmcnn.settings.reading import Reading
from dmcnn.settings.simulate import SimulateSettings
from dmcnn.settings.train import TrainSettings

__all__ = ["COMMANDS", "DisplaySettings", "EvaluateSettings", "InferSettings", "Network", "OccludeSettings",
           "Reading", "Settings", "SimulateSettings", "TrainSettings"]  # fmt: skip

COMMANDS: dict[str, type[Settings]] = {
    "train": TrainSettings,
    "infer": InferSettings,
    "display": DisplaySettings,
    "occlude": OccludeSettings,
    "evaluate": EvaluateSettings,
    "simulate": SimulateSettings,
}
