"""Settings of a training run, each with its unit."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aemg.config import STRICT
from aemg.errors import ConfigError
from aemg.model import SIZES, AEMGConfig, NetworkConfig
from aemg.model.augment import Augmentation
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SpaceConfig


@dataclass(frozen=True)
class OptimConfig:
    """AdamW under a cosine with warm-up.

    Args:
        lr, final_lr: learning rate after the warm-up and at the end.
        batch: sentences a step, over all processes.
    """

    __pydantic_config__ = STRICT
    lr: float = 5e-4
    final_lr: float = 1e-5
    weight_decay: float = 0.05
    warmup_epochs: float = 0.5
    epochs: int = 10
    batch: int = 64
    clip_norm: float = 1.0


@dataclass(frozen=True)
class TrainingDataConfig:
    """What is trained on.

    Args:
        corpus: folder of prepared sets (`python datasets prepare`), or the address of one (s3://, http://).
        sessions: folder of the tokenised sessions; null: in the corpus.
        sets: None for all; envelope sets are refused when named, left out otherwise.
        weights: by set, how many times its sentences are seen an epoch, whole passes and a random part; 1 where not named.
        permissive_only: leave out sets of which weights may not be given away freely; refused where such a set, or a
            tokenizer that was trained on one, is named.
        exclude_people: by set, subjects that must not be seen; they are left out of every set with the same people.
        sentence_tokens: longest training sentence; longer recordings give several, of longer labelled stretches a part is seen.
        turns: `registered` by the labels, where there are any; `nominal` as worn; `random` a fresh turn and mirror each time.
        jitter_slots: random turn by up to so many slots on top.
        workers: of the data loader.
    """

    __pydantic_config__ = STRICT
    corpus: Path | None = None
    sessions: Path | None = None
    sets: tuple[str, ...] | None = None
    weights: dict[str, float] = field(default_factory=dict)
    permissive_only: bool = False
    exclude_people: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sentence_tokens: int = 32
    turns: Literal["registered", "nominal", "random"] = "registered"
    jitter_slots: int = 1
    workers: int = 0

    def __post_init__(self) -> None:
        bad = {name: weight for name, weight in self.weights.items() if not 0 < weight < 1000}
        if bad:
            raise ConfigError(f"data.weights must lie between 0 and 1000, got {bad}")


@dataclass(frozen=True)
class TrackingConfig:
    """Where figures go besides `metrics.csv`: wandb writes offline unless told otherwise by WANDB_MODE."""

    __pydantic_config__ = STRICT
    kind: Literal["csv", "tensorboard", "wandb"] = "csv"
    project: str = "aemg"
    every_steps: int = 20


@dataclass(frozen=True)
class Selection:
    """Which epoch's weights are kept beside the last ones: those with the best `metric` among the figures of an epoch's end.

    Args:
        patience: epochs without a better one after which the run ends; None for never.
    """

    __pydantic_config__ = STRICT
    metric: str
    best: Literal["max", "min"]
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.patience is not None and self.patience < 1:
            raise ConfigError(f"select.patience must be at least 1 epoch, or null, got {self.patience}")

    def better(self, value: float, than: float | None) -> bool:
        """Whether a figure beats the best so far; one that is not a number never does."""
        if math.isnan(value) or than is None:
            return not math.isnan(value)
        return value > than if self.best == "max" else value < than


@dataclass(frozen=True)
class FitSettings:
    """What the loop has to know of a run, whatever it trains.

    Args:
        batch: samples a batch, over all processes.
        accumulate: batches a step; their losses are averaged.
        keep_last: train on the smaller batch that is left at the end of an epoch, too.
        clip_norm: longest gradient; None for any.
        every_steps: steps between rows of metrics.csv.
    """

    output: Path
    epochs: int
    batch: int
    accumulate: int = 1
    keep_last: bool = False
    clip_norm: float | None = None
    seed: int = 0
    workers: int = 0
    every_steps: int = 20
    checkpoint_minutes: float = 5.0
    stop_after_steps: int | None = None
    select: Selection | None = None


@dataclass(frozen=True)
class LossConfig:
    """Weights of what the decoder reconstructs: waves (z-scored), log band powers, time-domain features by slot."""

    __pydantic_config__ = STRICT
    wave: float = 1.0
    spectrum: float = 1.0
    features: float = 1.0


@dataclass(frozen=True)
class MovementsConfig:
    """How movements are learnt from labelled stretches; how far these are turned is `data.jitter_slots`.

    Args:
        dropout: before the heads.
        smoothing: share of a target that is spread over the labels of the stretch's own set.
        measured: weight of telling, from the same vectors, what was measured of the stretch (`aemg.model.describe`): without it
            the encoder forgets what the movements it is trained on do not need, and another set's might.
        unified: that is measured at the unified rate, for encoders that are to go from one device to another.
        crop, drop_tokens, gain_jitter, level_jitter: as in `Augmentation`.
    """

    __pydantic_config__ = STRICT
    dropout: float = 0.2
    smoothing: float = 0.1
    measured: float = 10.0
    unified: bool = False
    crop: float = 0.7
    drop_tokens: float = 0.2
    gain_jitter: float = 0.3
    level_jitter: float = 0.1

    def __post_init__(self) -> None:
        if self.measured < 0:
            raise ConfigError(f"movements.measured must be 0 or more, got {self.measured}")
        for name in ("dropout", "smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"movements.{name} must lie in [0, 1), got {getattr(self, name)}")
        self.augmentation(0)

    def augmentation(self, jitter_slots: int) -> Augmentation:
        """What is done to a stretch."""
        return Augmentation(self.crop, self.drop_tokens, self.gain_jitter, self.level_jitter, jitter_slots)


@dataclass(frozen=True)
class RunConfig:
    """A training run of stage 1 (`tokenizer`), stage 2 or stage 3 (`pretrain`).

    Args:
        output: folder of the run: config, metrics, checkpoints and, at the end, `model`.
        objective: of `pretrain`: `codes` of hidden tokens (stage 2), or `movements` from the labels of all sets (stage 3).
        tokenizer: the run (or model) of the stage before, whose tokenizer is kept as it is; not for stage 1.
        start: of `pretrain`: the `given` model's encoder, or a `fresh` one.
        size: a ready network; `network` overrides it whole where given.
        mask_ratio: stage 2: share of the tokens that are hidden.
        code_temperature: stage 2: how far near-synonyms of the true code count as well; null for the one code alone.
        precision: `auto` takes bf16 where the device has it.
        checkpoint_minutes: time between checkpoints.
        stop_after_steps: end early, e.g. to try a configuration; the run can be resumed.
    """

    __pydantic_config__ = STRICT
    output: Path = Path("runs/run")
    objective: Literal["codes", "movements"] = "codes"
    tokenizer: Path | None = None
    start: Literal["given", "fresh"] = "given"
    data: TrainingDataConfig = field(default_factory=TrainingDataConfig)
    size: Literal["tiny", "base", "large"] = "tiny"
    network: NetworkConfig | None = None
    space: SpaceConfig = field(default_factory=SpaceConfig)
    nct: TokenizerConfig = field(default_factory=TokenizerConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    movements: MovementsConfig = field(default_factory=MovementsConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    mask_ratio: float = 0.5
    code_temperature: float | None = 0.1
    seed: int = 0
    precision: Literal["auto", "no", "bf16"] = "auto"
    checkpoint_minutes: float = 5.0
    stop_after_steps: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.mask_ratio < 1:
            raise ConfigError(f"mask_ratio must lie in (0, 1), got {self.mask_ratio}")

    @property
    def fit(self) -> FitSettings:
        """The part that the loop needs."""
        return FitSettings(
            output=self.output,
            epochs=self.optim.epochs,
            batch=self.optim.batch,
            clip_norm=self.optim.clip_norm,
            seed=self.seed,
            workers=self.data.workers,
            every_steps=self.tracking.every_steps,
            checkpoint_minutes=self.checkpoint_minutes,
            stop_after_steps=self.stop_after_steps,
        )

    @property
    def model(self) -> AEMGConfig:
        """Space, tokenizer and network together."""
        return AEMGConfig(self.space, self.nct, self.network or SIZES[self.size])
