"""Settings of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aemg.adaptation import Learning
from aemg.config import STRICT
from aemg.errors import ConfigError
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SpaceConfig

Control = Literal[
    "random-init", "from-scratch", "no-encoder", "td-lda-raw", "td-lda-z", "td-lda-registered", "tangent-lr", "tangent-lr-z",
    "tangent-lr-registered",
]
CONTROLS: tuple[Control, ...] = (
    "random-init", "from-scratch", "no-encoder", "td-lda-raw", "td-lda-z", "td-lda-registered", "tangent-lr", "tangent-lr-z",
    "tangent-lr-registered",
)


@dataclass(frozen=True)
class EvaluationDataConfig:
    """What is evaluated on.

    Args:
        sets: names of sets; each is evaluated by itself.
        root: folder of the native files, or of prepared sets (*.h5).
        cache: where native files are prepared to; `output`/cache if not given. Share it between runs.
        subjects: by set, the people to evaluate among; all if not given.
        tested: by set, those of them who are tested; the others only serve as sources. All if not given.
    """

    __pydantic_config__ = STRICT
    sets: tuple[str, ...] = ()
    root: Path | None = None
    cache: Path | None = None
    subjects: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    tested: dict[str, tuple[str | int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class FinetuneConfig:
    """Training of the encoder on the fold's sources, the same for the pre-trained one and its random twin.

    Args:
        epochs: 0 leaves the encoder as it is; the network from scratch is trained for `scratch_epochs`.
        lr, encoder_lr: of the fresh head and of the encoder.
        batch: trials a step.
        crop: share of the training sentences that are cut to a random part of their trial.
        jitter_slots: random turn by up to so many slots.
        drop_tokens: share of a sentence's tokens that is left out.
        gain_jitter: standard deviation of a random log gain of the whole sentence.
        level_jitter: standard deviation of random offsets of the standardised features by slot, as another fit of the band
            would give.
        smoothing: of the labels.
    """

    __pydantic_config__ = STRICT
    epochs: int = 0
    scratch_epochs: int = 12
    lr: float = 2e-3
    encoder_lr: float = 2e-3
    weight_decay: float = 0.05
    batch: int = 16
    dropout: float = 0.2
    crop: float = 0.7
    jitter_slots: int = 1
    drop_tokens: float = 0.2
    gain_jitter: float = 0.3
    level_jitter: float = 0.1
    smoothing: float = 0.1


@dataclass(frozen=True)
class AdaptationConfig:
    """What is learnt of the test subject's trials, with or without labels.

    Args:
        rounds: of dividing trials without labels among the movements; 0 to learn nothing from them.
        balance: how strongly such trials are held to be about equally many of each movement; 0 for not at all.
        least: trials a movement, with and without labels, below which nothing is learnt from those without.
    """

    __pydantic_config__ = STRICT
    rounds: int = 15
    balance: float = 0.3
    least: float = 2.0

    @property
    def learning(self) -> Learning:
        """As the model of people takes it."""
        return Learning(self.rounds, self.balance, self.least)


@dataclass(frozen=True)
class SelfTrainingConfig:
    """Adaptation of the linear control to the test subject's unlabelled trials: its surest decisions become labels.

    Args:
        rounds: of deciding and learning; 0 for none.
        share: of the trials decided for a movement that are believed, the surest ones.
    """

    __pydantic_config__ = STRICT
    rounds: int = 2
    share: float = 0.5


@dataclass(frozen=True)
class FewShotConfig:
    """Adaptation to the target's first repetitions; tested on the last ones, the same for every fraction.

    Args:
        fractions: of the target's trials, in time order.
        test_share: of the repetitions, that are tested.
    """

    __pydantic_config__ = STRICT
    fractions: tuple[float, ...] = (0.05, 0.2, 0.4, 0.8)
    test_share: float = 0.2


@dataclass(frozen=True)
class CommonConfig:
    """What evaluations of every kind are told.

    Args:
        encoder: a model's folder, or several, of which each fold takes the first that has not seen its test subject;
            "none" for a network from random start alone.
        adaptation: to the test subject's trials.
        self_training: of the linear control.
        seeds: of initialisation and order; each fold is run with each.
        size: of the network where there is no encoder.
        space, nct, sigma_condition: used where there is no encoder.
        jobs: processes for folds.
    """

    __pydantic_config__ = STRICT
    output: Path = Path("runs/evaluation")
    encoder: Path | tuple[Path, ...] | None = None
    data: EvaluationDataConfig = field(default_factory=EvaluationDataConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    adaptation: AdaptationConfig = field(default_factory=AdaptationConfig)
    self_training: SelfTrainingConfig = field(default_factory=SelfTrainingConfig)
    fewshot: FewShotConfig = field(default_factory=FewShotConfig)
    seeds: tuple[int, ...] = (0,)
    size: Literal["tiny", "base", "large"] = "tiny"
    space: SpaceConfig = field(default_factory=SpaceConfig)
    nct: TokenizerConfig = field(default_factory=TokenizerConfig)
    sigma_condition: bool = True
    jobs: int = 2

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ConfigError("seeds needs at least one number")
        if any(not 0 < f <= 1 - self.fewshot.test_share + 1e-9 for f in self.fewshot.fractions):
            raise ConfigError(f"fewshot.fractions must lie in (0, {1 - self.fewshot.test_share:g}]")

    @property
    def encoders(self) -> tuple[Path, ...]:
        """The encoders' folders, none for a random start."""
        given = self.encoder if isinstance(self.encoder, tuple) else (self.encoder,) if self.encoder else ()
        return tuple(path for path in given if str(path).lower() != "none")


@dataclass(frozen=True)
class EvaluationConfig(CommonConfig):
    """A LOSO or few-shot evaluation.

    Args:
        registration: bring every session to one frame, the test subject's from unlabelled signal.
        controls: which to run beside.
        max_folds: stop after so many folds a set, to try a configuration; the report says so.
    """

    output: Path = Path("runs/loso")
    registration: bool = True
    controls: tuple[Control, ...] = CONTROLS
    max_folds: int | None = None
