"""Stage 2: pre-train the encoder by predicting the codes of hidden contractions.

Typed as `accelerate launch pretrain --config configs/pretrain/tiny.yaml data.corpus=CORPUS tokenizer=runs/tokenizer output=runs/pretrain`.
"""

import argparse
import logging
import sys

from aemg.config import load_config
from aemg.errors import AEMGError
from aemg.training import RunConfig, pretrain

EPILOG = """
overrides (any key of the configuration):
  data.corpus=CORPUS                 prepared sets; see: python datasets prepare --help
  data.sets=[uci-gestures]           some of them only
  size=base                          tiny, base or large
  optim.epochs=3 optim.lr=1e-4       shorter, slower
  tracking.kind=wandb                figures to wandb (offline) or tensorboard besides metrics.csv
  output=runs/pretrain                 where config, metrics, checkpoints and the model go

examples:
  accelerate launch pretrain --config configs/pretrain/tiny.yaml data.corpus=corpus tokenizer=runs/tokenizer output=runs/pretrain
  accelerate launch --multi_gpu --num_processes 8 pretrain --config configs/pretrain/base.yaml data.corpus=corpus tokenizer=runs/tokenizer

A run that was stopped goes on from its last checkpoint when the same command is typed again.
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="pretrain", description="Stage 2: pre-train the encoder by predicting the codes of hidden contractions.", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", help="a YAML file; the ready ones are in configs/pretrain/")
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="changes to the configuration")
    arguments = parser.parse_intermixed_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = load_config(RunConfig, arguments.config, arguments.overrides)
        result = pretrain(config)
    except AEMGError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    state = f"model in {config.output / 'model'}" if result.finished else "type the same command to go on"
    figures = ", ".join(f"{name} {value:.4g}" for name, value in result.metrics.items())
    print(f"step {result.step} of {result.steps}: {figures}; {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
