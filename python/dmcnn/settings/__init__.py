"""Settings of every command: typed, described, validated, frozen."""

from dmcnn.settings.attribute import AttributeSettings
from dmcnn.settings.base import Settings
from dmcnn.settings.display import DisplaySettings
from dmcnn.settings.evaluate import EvaluateSettings
from dmcnn.settings.export import ExportSettings
from dmcnn.settings.infer import InferSettings
from dmcnn.settings.network import NetworkSettings
from dmcnn.settings.occlude import OccludeSettings
from dmcnn.settings.reading import Reading
from dmcnn.settings.report import ReportSettings
from dmcnn.settings.simulate import SimulateSettings
from dmcnn.settings.train import TrainSettings
from dmcnn.settings.tune import TuneSettings

__all__ = ["COMMANDS", "AttributeSettings", "DisplaySettings", "EvaluateSettings", "ExportSettings",
           "InferSettings", "NetworkSettings", "OccludeSettings", "Reading", "ReportSettings", "Settings",
           "SimulateSettings", "TrainSettings", "TuneSettings"]  # fmt: skip

COMMANDS: dict[str, type[Settings]] = {
    "train": TrainSettings,
    "infer": InferSettings,
    "display": DisplaySettings,
    "occlude": OccludeSettings,
    "attribute": AttributeSettings,
    "evaluate": EvaluateSettings,
    "report": ReportSettings,
    "simulate": SimulateSettings,
    "tune": TuneSettings,
    "export": ExportSettings,
}
