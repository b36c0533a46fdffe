"""Stage 2: pre-train the encoder by predicting the codes of hidden contractions.

Typed as `accelerate launch pretrain --config configs/pretrain/tiny.yaml data.corpus=CORPUS tokenizer=runs/tokenizer`.
"""

import sys

from aemg.training import pretrain
from aemg.training.command import stage_command


def main(argv: list[str] | None = None) -> int:
    purpose = "Stage 2: pre-train the encoder by predicting the codes of hidden contractions."
    return stage_command("pretrain", purpose, pretrain, argv, " tokenizer=runs/tokenizer")


if __name__ == "__main__":
    sys.exit(main())
