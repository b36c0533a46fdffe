"""Stage 1: train encoder, neural codebook and decoder by reconstruction.

Typed as `accelerate launch tokenizer --config configs/tokenizer/tiny.yaml data.corpus=CORPUS`.
"""

import sys

from aemg.training import train_tokenizer
from aemg.training.command import stage_command


def main(argv: list[str] | None = None) -> int:
    purpose = "Stage 1: train encoder, neural codebook and decoder by reconstruction."
    return stage_command("tokenizer", purpose, train_tokenizer, argv)


if __name__ == "__main__":
    sys.exit(main())
