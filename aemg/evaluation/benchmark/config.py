"""Settings of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aemg.errors import ConfigError
from aemg.evaluation.baselines import BASELINES
from aemg.evaluation.benchmark.protocols import protocol_named
from aemg.evaluation.config import CommonConfig

Network = Literal["aemg", "random-init", "no-encoder"]


@dataclass(frozen=True)
class BenchmarkConfig(CommonConfig):
    """A run of the benchmark suite over `data.sets`.

    Args:
        protocols: names, as listed by `finetune benchmark --list`.
        baselines: names of methods of the literature; all if not given. They are run with the first seed.
        fewshot_baselines: those of them that are run in the few-shot protocols too.
        networks: ours from the encoder, its twin from random start, and the same classifier without an encoder.
        source_windows: of all people trained on, that a baseline is fitted to; more are thinned evenly.
        max_people: test so many people a set, to try a configuration.
        published_root: folder of the native files of published protocols.
    """

    output: Path = Path("runs/benchmark")
    protocols: tuple[str, ...] = ("loso-inductive", "loso-calibrated-30s", "loso-transductive")
    baselines: tuple[str, ...] | None = None
    fewshot_baselines: tuple[str, ...] = ("td-lda",)
    networks: tuple[Network, ...] = ("aemg", "random-init", "no-encoder")
    source_windows: int = 10_000
    max_people: int | None = None
    published_root: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.protocols:
            protocol = protocol_named(name)
            if protocol.fraction and protocol.fraction > 1 - self.fewshot.test_share + 1e-9:
                raise ConfigError(f"{name}: {self.fewshot.test_share:.0%} of the repetitions are tested (fewshot.test_share)")
        if unknown := [n for n in (*(self.baselines or ()), *self.fewshot_baselines) if n not in BASELINES]:
            raise ConfigError(f"no baseline {', '.join(unknown)}; known are {', '.join(BASELINES)}")
