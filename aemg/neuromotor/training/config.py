"""Settings of a decoder's training and evaluation, each with its unit. The recipes are in configs/finetune/."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aemg.config import STRICT
from aemg.datasets.formats.neuromotor_file import Task
from aemg.errors import ConfigError
from aemg.training.config import FitSettings, Selection, TrackingConfig

FIGURES: dict[Task, tuple[str, ...]] = {
    "discrete_gestures": ("val_accuracy", "val_loss"),
    "wrist": ("val_loss", "val_mae_deg_s"),
    "handwriting": ("val_cer", "val_loss", "val_insertions", "val_deletions", "val_substitutions"),
}
"""What each epoch is validated by."""


@dataclass(frozen=True)
class AugmentationConfig:
    """What is changed at random in a training item.

    Args:
        rotation: channels are turned by a whole number drawn from -rotation to rotation.
        time_roll: gestures: samples are rolled in time, from -time_roll to time_roll; what the released training does in
            place of turning the channels.
    """

    __pydantic_config__ = STRICT
    rotation: int = 0
    time_roll: int = 0


@dataclass(frozen=True)
class DecoderDataConfig:
    """What is trained and tested on.

    Args:
        root: folder of the HDF5 files and `{task}_corpus.csv`.
        split: `corpus` as the CSV says; `mini`: one user a split, the small subset that is offered for a first try.
        corpus: another CSV.
        users: only these (`user_007`, or 7), in every split; None for all.
        train_users: so many of the training users, drawn at random by the seed; a smaller draw is part of a larger one.
        window, stride: gestures and wrist: samples of a training window and from one to the next; a stride of None is the
            window's length.
        jitter: windows are shifted at random within the stride.
        padding: handwriting: samples before and after a prompt.
        merge_s: handwriting: training prompts are joined until they last so long, in seconds; 0 for as they are.
        workers: of the data loader.
    """

    __pydantic_config__ = STRICT
    root: Path | None = None
    split: Literal["corpus", "mini"] = "corpus"
    corpus: Path | None = None
    users: tuple[str | int, ...] | None = None
    train_users: int | None = None
    window: int = 16000
    stride: int | None = None
    jitter: bool = True
    padding: tuple[int, int] = (19014, 974)
    merge_s: float = 16.0
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    workers: int = 0

    def __post_init__(self) -> None:
        for name in ("window", "stride", "train_users"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"data.{name} must be 1 or more, got {value}")


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Args:
        backbone: `meta` for the task's published network; `aemg` for AEMG's encoder under a head of the same outputs.
        encoder: of the backbone `aemg`: the folder of a pre-trained model, or `none` for a fresh one.
        network: settings of its constructor that differ from the published ones, e.g. {lstm_hidden: 128}.
    """

    __pydantic_config__ = STRICT
    backbone: Literal["meta", "aemg"] = "meta"
    encoder: Path | Literal["none"] = "none"
    network: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DecoderOptimConfig:
    """How the weights are moved.

    Args:
        optimizer: `adam` or `adamw`.
        schedule: learning rate by epoch: that of the task's recipe by its name, or `paper`: by step, 1500 steps up and a cosine
            down to 0.
        epochs: 0 to evaluate `init` as it is.
        batch: items a batch and process.
        accumulate: batches a step.
        clip_norm: longest gradient; None for any.
    """

    __pydantic_config__ = STRICT
    optimizer: Literal["adam", "adamw"] = "adamw"
    lr: float = 5e-4
    weight_decay: float = 0.0
    schedule: Literal["constant", "gestures", "handwriting", "paper"] = "constant"
    epochs: int = 10
    batch: int = 16
    accumulate: int = 1
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch", 1), ("accumulate", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"optim.{name} must be {least} or more, got {getattr(self, name)}")
        for name, value in (("lr", self.lr), ("clip_norm", self.clip_norm)):
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"optim.{name} must be a positive number, got {value}")


@dataclass(frozen=True)
class DecoderLossConfig:
    """Handwriting: the strength of FastEmit, 0 for the plain loss; the published models used it, their code does not."""

    __pydantic_config__ = STRICT
    fastemit: float = 0.0


@dataclass(frozen=True)
class DecodingConfig:
    """How the selected weights are tested.

    Args:
        validation: score the validation users' intervals or prompts in the same way as well.
        threshold, debounce_s, tolerance_s: of gesture events, see `decode_events` and `cler`.
        pair_releases: drop releases that do not follow their own press, see `PairedReleases`; the published figure does not.
        fake_pair: validation accuracy of gestures as the released training counts it, see `ValidationAccuracy`.
        piece_s: signal that goes through the network at once, in seconds.
        examples: excerpts in the report, at most so many.
    """

    __pydantic_config__ = STRICT
    validation: bool = True
    threshold: float = 0.35
    debounce_s: float = 0.05
    pair_releases: bool = False
    tolerance_s: tuple[float, float] = (-0.05, 0.25)
    fake_pair: bool = False
    piece_s: float = 20.0
    examples: int = 6


@dataclass(frozen=True)
class ScalingConfig:
    """The scaling curve: one training a number of users and seed, all tested on the same users.

    Args:
        users: numbers of training users; None for 1, 2, 4 ... and all.
        seeds: of the draw of users and of the training.
    """

    __pydantic_config__ = STRICT
    users: tuple[int, ...] | None = None
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class PersonalConfig:
    """Fine-tuning on one user's first minutes and testing on what comes after the longest of them.

    Args:
        users: whose; None for every test user.
        minutes: of data, ascending; 0, the decoder as it is, is always tested.
    """

    __pydantic_config__ = STRICT
    users: tuple[str | int, ...] | None = None
    minutes: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0)

    def __post_init__(self) -> None:
        if not self.minutes or list(self.minutes) != sorted(set(self.minutes)) or self.minutes[0] <= 0:
            raise ConfigError(f"personal.minutes must be positive and ascending, got {list(self.minutes)}")


@dataclass(frozen=True)
class DecoderConfig:
    """A decoder's training and evaluation.

    Args:
        task: what is decoded.
        protocol: `train`: one decoder; `scaling`: the curve over the number of training users; `personal`: few-shot on single
            users.
        output: folder of the run: config, figures, checkpoints, report and `model`.
        init: weights to start from: a released Lightning .ckpt, or the folder of a saved decoder.
        select: which epoch's weights are tested; None for the last ones.
        deterministic: take operations that give the same from run to run; a warning tells of any that cannot.
        precision: `auto` takes bf16 where the device has it.
        checkpoint_minutes: time between checkpoints.
        stop_after_steps: end early, e.g. to try a configuration; the run can be resumed.
    """

    __pydantic_config__ = STRICT
    task: Task
    protocol: Literal["train", "scaling", "personal"] = "train"
    output: Path = Path("runs/decoder")
    init: Path | None = None
    data: DecoderDataConfig = field(default_factory=DecoderDataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: DecoderOptimConfig = field(default_factory=DecoderOptimConfig)
    loss: DecoderLossConfig = field(default_factory=DecoderLossConfig)
    select: Selection | None = None
    test: DecodingConfig = field(default_factory=DecodingConfig)
    scaling: ScalingConfig = field(default_factory=ScalingConfig)
    personal: PersonalConfig = field(default_factory=PersonalConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    seed: int = 0
    deterministic: bool = False
    precision: Literal["auto", "no", "bf16"] = "no"
    checkpoint_minutes: float = 5.0
    stop_after_steps: int | None = None

    def __post_init__(self) -> None:
        if self.select is not None and self.select.metric not in FIGURES[self.task]:
            known = ", ".join(FIGURES[self.task])
            raise ConfigError(f"select.metric of {self.task} must be one of {known}, got {self.select.metric!r}")
        if self.optim.epochs == 0 and self.init is None and self.protocol == "train":
            raise ConfigError("optim.epochs=0 evaluates init=CHECKPOINT, which is missing")

    def fit_settings(self, world: int) -> FitSettings:
        """The part that the loop needs, for so many processes."""
        return FitSettings(
            output=self.output,
            epochs=self.optim.epochs,
            batch=self.optim.batch * world,
            accumulate=self.optim.accumulate,
            keep_last=True,
            clip_norm=self.optim.clip_norm,
            seed=self.seed,
            workers=self.data.workers,
            every_steps=self.tracking.every_steps,
            checkpoint_minutes=self.checkpoint_minutes,
            stop_after_steps=self.stop_after_steps,
            select=self.select,
        )
