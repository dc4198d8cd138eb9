"""The settings of every command: typed, described, validated, frozen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

import dmcnn
from dmcnn.config import write_cfg
from dmcnn.errors import InputError, nearest
from dmcnn.files import expand, replacing

Paths = str | list[str]
Label = str | dict[str | int, str | int]
Conflict = tuple[tuple[str, ...], str]
"""The keys that contradict each other (or the world), and what is wrong."""


def quarter_turn(value: Any) -> Any:
    """DM-CNN wrote ``rotation = False``; its True never worked, for the angle was undefined."""
    if value is True:
        raise ValueError("give the angle in degrees (90, 180 or 270): DM-CNN's True never named one")
    return 0 if value is False else value


class Settings(BaseModel):
    """What all commands share: reading a cfg, and telling every fault in it at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    retired: ClassVar[dict[str, str]] = {}
    """Keys of DM-CNN's cfg files that nothing uses any more, and why."""

    name: str = Field("", description="tag in the names of all output files")

    inputs: ClassVar[tuple[str, ...]] = ()
    """Keys that name files which must exist."""

    def conflicts(self) -> Iterator[Conflict]:
        """Contradictions between keys that are each fine alone."""
        for key in self.inputs:
            value = getattr(self, key)
            if value is not None:
                try:
                    expand(value)
                except InputError as error:
                    yield from (((key,), f"{key}: {fault}") for fault in error.faults)

    @property
    def tag(self) -> str:
        """What the name adds to the names of output files: ``_name``, or nothing."""
        return f"_{self.name}" if self.name else ""

    def save(self, stem: Path, more: str = "") -> None:
        """Leave the used cfg as ``<stem>.cfg``, whole or not at all; ``more`` goes into its comment."""
        with replacing(stem.with_name(stem.name + ".cfg")) as temporary:
            temporary.write_text(self.text(f"dmcnn {dmcnn.__version__}{more}"))

    def text(self, comment: str) -> str:
        """The cfg that makes these settings again."""
        return write_cfg(self.model_dump(exclude_none=True), comment)


class Reading(Settings):
    """How images are taken from files."""

    producer: str | None = Field(
        None, description="producer of the images (default: the only one in the file)"
    )
    plane: int | None = Field(None, ge=0, description="projection id of the plane (default: the only image)")
    image_index: int | None = Field(
        None, ge=0, description="position of the image in the event, instead of plane"
    )
    adc_lo: float | None = Field(None, description="[ADC] pixels below are set to 0")
    adc_hi: float | None = Field(None, description="[ADC] pixels above are set to this")
    xdim: int | None = Field(
        None, gt=0, le=65536, description="[pixels] image width, wires; centred pad or crop"
    )
    ydim: int | None = Field(
        None, gt=0, le=65536, description="[pixels] image height, ticks; centred pad or crop"
    )
    bad_pixels: Literal["zero", "stop"] = Field(
        "zero", description="NaN and Inf pixels: count and zero, or stop"
    )
    tick_order: Literal["auto", "descending", "ascending"] = Field(
        "auto", description="order of rows in LArCV1 files, which do not tell"
    )
    GPUID: str = Field("", description='number of the GPU, or "cpu"; default: the first GPU if there is one')

    def reading(self) -> dict[str, Any]:
        """The arguments of a reader."""
        return {name: getattr(self, name) for name in Reading.model_fields if name not in ("name", "GPUID")}

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.adc_lo is not None and self.adc_hi is not None and self.adc_lo >= self.adc_hi:
            yield ("adc_lo", "adc_hi"), f"adc_lo = {self.adc_lo:g} is not below adc_hi = {self.adc_hi:g}"
        if self.plane is not None and self.image_index is not None:
            yield ("image_index", "plane"), "plane and image_index both choose the image: give one"
        if (self.xdim is None) != (self.ydim is None):
            yield ("xdim", "ydim"), "xdim and ydim go together"


class TrainSettings(Reading):
    """Train a network; resumes where an interrupted run of the same name stopped."""

    input_train: Paths = Field(
        description="training files: path, list, globs, or sample://name/split?events=N"
    )
    input_test: Paths = Field(description="test files, likewise")
    learning_rate: float = Field(gt=0, description="step size of Adam")
    EPOCHS: int = Field(ge=1, description="passes over the training set")

    model: str = Field("mpid", description="network")
    num_class: int = Field(2, ge=2, description="number of classes")
    classes: list[str] | None = Field(None, description="class names in the order of the logits")
    signal: str | None = Field(None, description='name of the signal class (default: "signal")')
    label: Label = Field(
        "run == 100",
        description="class of an event: a condition on run/subrun/event (true = signal), "
        '{"file pattern": class} or {PDG code: class}',
    )
    loss: Literal["bce", "cross_entropy", "focal"] = Field("bce", description="loss function on the logits")
    focal_gamma: float | None = Field(None, ge=0, description="focusing exponent of loss = focal (default 2)")
    drop_out: float = Field(0.5, ge=0, lt=1, description="dropout probability")
    augment: bool = Field(True, description="random flips and transposition of training images")
    batch_size_train: int = Field(32, ge=1, description="training images per step")
    batch_size_test: int = Field(16, ge=1, description="images per test batch")
    run_test: bool = Field(True, description="evaluate during training")
    test_every_step: int = Field(0, ge=0, description="steps between evaluations; 0 = once per epoch")
    test_events_nums: int | None = Field(None, ge=1, description="test events per evaluation (default: all)")
    save_weights: bool = Field(True, description="write checkpoints")
    save_every_step: int = Field(200, ge=1, description="steps between checkpoints to resume from")
    seed: bool = Field(True, description="use seed_number; False draws a seed and records it")
    seed_number: int = Field(1, ge=0, le=2**32 - 1, description="seed of Python, NumPy, torch and the loader")
    cache: str = Field(
        "memory", description='where read images are kept: "memory", or a folder for files mapped into memory'
    )
    precision: Literal["auto", "32", "bf16"] = Field(
        "auto", description="auto = bf16 where the hardware has it"
    )
    resume: bool = Field(
        True, description="continue from the last checkpoint of this name; False starts anew"
    )
    weights_directory: str = Field("outputs", description="folder of the checkpoints")
    output_directory: str = Field("outputs", description="folder of metrics, figures and the used cfg")

    retired: ClassVar[dict[str, str]] = {
        "batch": "the batch sizes are batch_size_train and batch_size_test",
        "weight_file_mpid_0": "inference takes its network from weight_file",
        "weight_file_mpid_1": "inference takes its network from weight_file",
        "weight_file_mpid_2": "inference takes its network from weight_file",
    }

    inputs: ClassVar[tuple[str, ...]] = ("input_train", "input_test")

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if self.focal_gamma is not None and self.loss != "focal":
            yield ("focal_gamma", "loss"), f"focal_gamma needs loss = 'focal', not {self.loss!r}"
        names = self.class_names
        if self.classes is None and (self.num_class != 2 or not isinstance(self.label, str)):
            yield ("classes",), "classes is missing: name the classes in the order of their numbers"
        elif len(names) != self.num_class or len(set(names)) != len(names):
            yield ("classes", "num_class"), f"classes = {names} are not num_class = {self.num_class} names"
        elif self.signal is not None and self.signal not in names:
            yield ("signal",), f"signal = {self.signal!r} is not one of {names}{nearest(self.signal, names)}"
        elif self.signal_class is None and len(names) == 2:
            yield ("signal",), f"signal is missing: which of {names} is the signal?"
        elif self.label != TrainSettings.model_fields["label"].default:
            from dmcnn.labels import LabelRule  # NumPy, which a cfg with the usual label need not wait for

            try:
                LabelRule.parse(self.label, tuple(names), self.signal_class)
            except ValueError as error:
                yield ("label",), str(error)

    @property
    def class_names(self) -> list[str]:
        """The classes in the order of the logits; DM-CNN's are signal, background."""
        return self.classes or ["signal", "background"]

    @property
    def signal_class(self) -> str | None:
        """The class whose score is the signal score, if any is named."""
        return self.signal or ("signal" if "signal" in self.class_names else None)


class Network(Reading):
    """How a trained network is used; what is not given here comes from its checkpoint."""

    input_file: Paths = Field(description="image files: path, list, globs, or sample://name/split?events=N")
    weight_file: str | None = Field(None, description="checkpoint of dmcnn or a .pwf of DM-CNN")
    output_dir: str = Field("outputs", description="folder of everything that is written")
    batch_size: int = Field(8, ge=1, description="images per forward pass")
    precision: Literal["32", "bf16"] = Field(
        "32", description="bf16 is faster and wrong by up to 0.02 in the logit"
    )

    def network(self) -> dict[str, Any]:
        """How to open the weight file."""
        return {
            "asked": self.reading(),
            "gpuid": self.GPUID,
            "precision": self.precision,
            "batch_size": self.batch_size,
        }

    retired: ClassVar[dict[str, str]] = {
        **{f"weight_file_mpid_{plane}": "name the network of the plane in weight_file" for plane in range(3)},
        "batch": "the batch size is batch_size",
        "batch_size_test": "the batch size is batch_size",
        "run_test": "only training tests",
    }


class InferSettings(Network):
    """Score every entry of every file, into one CSV per file."""

    weight_file: str = Field(description="checkpoint of dmcnn or a .pwf of DM-CNN")
    input_csv: Paths | None = Field(
        None, description="analysis CSV joined on run, subrun, event; one per input file"
    )
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = Field(
        0, description="[degrees] turn every image first, a test of robustness"
    )
    label: Label | None = Field(None, description="as in training (default: the checkpoint's rule)")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "input_csv")


class DisplaySettings(Network):
    """Draw events with their scores."""

    entries: int | list[int] | None = Field(None, description="entry number(s) to draw; also -n ENTRY")
    top: int | None = Field(None, ge=1, description="draw the events of highest score; also --top K")
    score_csv: str | None = Field(None, description="scores from this CSV instead of the network")
    score_label: bool = Field(True, description="write the score on the picture")
    logit: bool = Field(False, description="write log(score/(1-score)) instead of the score")
    data: bool = Field(False, description="detector data, not simulation: chooses the label")
    data_label: str = Field("MicroBooNE NuMI Data", description="text on pictures of data")
    simulation_label: str = Field("MicroBooNE Simulation", description="text on pictures of simulation")
    colorbar: bool = Field(True, description="draw a colour bar")
    logo: bool | str = Field(False, description="picture file to draw in a corner")
    rotation: Annotated[Literal[0, 90, 180, 270], BeforeValidator(quarter_turn)] = Field(
        0, description="[degrees] turn the image first"
    )
    transpose: bool = Field(False, description="tick on the horizontal axis, as in DM-CNN's pictures")
    cmap: str = Field("jet", description="matplotlib colour map")
    gamma: float = Field(0.35, gt=0, description="exponent of the colour scale")
    dpi: int = Field(150, ge=30, le=600, description="[pixels per inch] of the 8-inch picture")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file", "score_csv")

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        if (self.entries is None) == (self.top is None):
            yield ("entries", "top"), "which events? give either entries (-n ENTRY) or top (--top K)"
        if self.weight_file is None and self.score_csv is None and (self.score_label or self.top):
            yield ("weight_file",), "the score needs weight_file or score_csv (or score_label = False)"
        if self.logit and not self.score_label:
            yield ("logit", "score_label"), "logit = True needs score_label = True"


class OccludeSettings(Network):
    """Score an event again with every charged pixel's surroundings blanked; resumes where it stopped."""

    weight_file: str = Field(description="checkpoint of dmcnn or a .pwf of DM-CNN")
    entries: int | list[int] = Field(description="entry number(s) to scan; also -n ENTRY")
    occlusion_size: int = Field(4, ge=0, description="[pixels] k of the (2k+1) x (2k+1) window")
    normalization: bool = Field(True, description="draw the maps scaled to 0..1 instead of raw scores")
    border: Literal["clip", "skip"] = Field(
        "clip", description="windows over the border: clipped to the image, or skipped as DM-CNN does"
    )
    fill: Literal["zero", "mean", "noise"] = Field(
        "zero",
        description="charge under a window: none, the mean of the plane's charged pixels, or drawn from them",
    )
    stride: int = Field(
        1,
        ge=1,
        description="[pixels] 1 = a window around every charged pixel; s = one per s x s cell with charge",
    )
    seed_number: int = Field(1, ge=0, le=2**32 - 1, description="seed of fill = noise")
    zoom: bool = Field(False, description="draw only the part of the image that holds charge")

    inputs: ClassVar[tuple[str, ...]] = ("input_file", "weight_file")


class EvaluateSettings(Settings):
    """Judge score CSVs: ROC, AUC with interval, efficiencies, confusion matrix."""

    signal: Paths | None = Field(None, description="score CSVs of signal events: path, list, globs")
    background: Paths | None = Field(None, description="score CSVs of background events, likewise")
    scores: Paths | None = Field(None, description="score CSVs of both, told apart by their label column")
    signal_label: str = Field("signal", description="value of the label column that is signal")
    score_column: str = Field("signal_score", description="column of the score")
    cut: float = Field(0.5, description="score from which an event is called signal")
    confidence: float = Field(0.95, gt=0, lt=1, description="confidence level of all intervals")
    output_dir: str = Field("outputs", description="folder of the figures and of the JSON")

    inputs: ClassVar[tuple[str, ...]] = ("signal", "background", "scores")

    def conflicts(self) -> Iterator[Conflict]:
        yield from super().conflicts()
        pair = (self.signal is not None, self.background is not None)
        if self.scores is not None and any(pair):
            yield ("scores",), "scores replaces signal and background: give one or the other"
        if self.scores is None and not all(pair):
            yield ("signal", "background"), "give signal and background, or scores"


class SimulateSettings(Settings):
    """Write a simulated sample as a LArCV3 file."""

    output: str = Field(description="file to write (.h5)")
    events: int = Field(ge=1, description="number of events")
    kind: str = Field("dark-trident", description="sample")
    product: Literal["sparse2d", "image2d"] = Field(
        "sparse2d", description="LArCV3 product; image2d stores zeros too"
    )
    producer: str = Field("image2d_binary", description="producer name in the file")
    seed_number: int = Field(1, ge=0, le=2**32 - 1, description="seed; event i depends on it and on i alone")
    xdim: int = Field(512, description="[wires] image width")
    ydim: int = Field(512, description="[rows of 6 ticks] image height")
    vertex_jitter: float = Field(8.0, description="[pixels] rms distance of the vertex from the middle")
    signal_fraction: float = Field(0.5, description="share of signal events (run = 100)")
    dark_photon_mass: float = Field(50.0, description="[MeV] with the energy it sets the e+e- opening angle")
    dark_photon_energy: float = Field(400.0, description="[MeV] mean kinetic energy")
    angular_spread: float = Field(0.25, description="[rad] rms of the flight direction about the beam")
    cosmic_fraction: float = Field(
        0.3, description="share of cosmic muons in the background; the rest: neutrinos"
    )
    stopping_fraction: float = Field(0.5, description="share of these muons that stop at the vertex")
    charged_current: float = Field(0.7, description="share of neutrino interactions with a muon")
    neutral_pions: float = Field(0.4, description="mean number of neutral pions of a neutrino interaction")
    cosmic_flux: float = Field(1.0, description="[1/(cm^2 min)] muons laid over every event")
    gain: float = Field(220.0, description="[ADC/MeV] per ionisation energy that escapes recombination")
    lifetime: float = Field(18000.0, description="[us] of drifting electrons")
    shaping: float = Field(2.5, description="[ticks] Gaussian width of the pulse")
    noise: float = Field(2.8, description="[ADC] rms of a pixel")
    zero_suppression: float = Field(7.0, description="[ADC] pixels below are not stored")


COMMANDS: dict[str, type[Settings]] = {
    "train": TrainSettings,
    "infer": InferSettings,
    "display": DisplaySettings,
    "occlude": OccludeSettings,
    "evaluate": EvaluateSettings,
    "simulate": SimulateSettings,
}
