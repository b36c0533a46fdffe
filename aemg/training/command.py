"""The command line that the stages share."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from aemg.config import load_config
from aemg.errors import AEMGError
from aemg.training.config import RunConfig
from aemg.training.loop import FitResult

_EPILOG = """
overrides (any key of the configuration):
  data.corpus=CORPUS                 prepared sets; see: python datasets prepare --help
  data.sets=[uci-gestures]           some of them only
  size=base                          tiny, base or large
  data.weights={{sim-myo: 0.5}}        half of that set's sentences an epoch, another half each time
  optim.epochs=3 optim.lr=1e-4       shorter, slower
  tracking.kind=wandb                figures to wandb (offline) or tensorboard besides metrics.csv
  output=runs/{name}{pad}where config, metrics, checkpoints and the model go

examples:
  accelerate launch {name} --config configs/{name}/tiny.yaml data.corpus=corpus{extra} output=runs/{name}
  accelerate launch --multi_gpu --num_processes 8 {name} --config configs/{name}/base.yaml data.corpus=corpus{extra}

A run that was stopped goes on from its last checkpoint when the same command is typed again.
"""


def stage_command(
    name: str, purpose: str, stage: Callable[[RunConfig], FitResult], argv: Sequence[str] | None, extra: str = ""
) -> int:
    """Parses `--config FILE key.sub=value ...`, runs a stage and says how it ended.

    Args:
        extra: overrides that the stage's examples need.

    Returns:
        The exit status: 0, or 2 for a mistake, which is told in one line.
    """
    epilog = _EPILOG.format(name=name, extra=extra, pad=" " * (24 - len(name)))
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=name, description=purpose, epilog=epilog, formatter_class=form)
    parser.add_argument("--config", help=f"a YAML file; the ready ones are in configs/{name}/")
    parser.add_argument("--permissive-only", action="store_true", help="train only on sets of which weights may be given away")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    arguments = parser.parse_intermixed_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("accelerate").setLevel(logging.WARNING)
    try:
        overrides = [*arguments.overrides, *(["data.permissive_only=true"] if arguments.permissive_only else [])]
        config = load_config(RunConfig, arguments.config, overrides)
        result = stage(config)
    except AEMGError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    state = f"model in {config.output / 'model'}" if result.finished else "type the same command to go on"
    figures = ", ".join(f"{key} {value:.4g}" for key, value in result.metrics.items())
    sys.stdout.write(f"step {result.step} of {result.steps}: {figures}; {state}\n")
    return 0
