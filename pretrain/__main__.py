"""Stage 2: pre-train the encoder by predicting the codes of hidden contractions. Stage 3: by telling movements apart.

Typed as `accelerate launch pretrain --config configs/pretrain/tiny.yaml data.corpus=CORPUS tokenizer=runs/tokenizer`, then
`accelerate launch pretrain --config configs/pretrain/movements-tiny.yaml data.corpus=CORPUS tokenizer=runs/pretrain`.
"""

import sys

from aemg.training import pretrain
from aemg.training.command import stage_command


def main(argv: list[str] | None = None) -> int:
    purpose = (
        "Stage 2: pre-train the encoder by predicting the codes of hidden contractions. Stage 3 (objective=movements, "
        "configs/pretrain/movements-*.yaml): by telling the movements of all labelled sets apart."
    )
    return stage_command("pretrain", purpose, pretrain, argv, " tokenizer=runs/tokenizer")


if __name__ == "__main__":
    sys.exit(main())
