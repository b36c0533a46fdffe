"""What the codes of a trained codebook stand for, as one HTML page. Run from the repository:
python tokenizer/inspect_codebook.py CHECKPOINT CORPUS --out page.html"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tqdm import tqdm

from aemg.errors import AEMGError
from aemg.report import inspect_codebook

EXAMPLES = """examples:
  python tokenizer/inspect_codebook.py runs/tokenizer/model corpus --out codes.html
  python tokenizer/inspect_codebook.py runs/tokenizer/model corpus --out codes.html --sets laval-myo,uci-gestures
  python tokenizer/inspect_codebook.py runs/tokenizer/model corpus --out codes.html --limit-hours 0.5 --top 48

CHECKPOINT is the folder `model` of a run of stage 1 or 2 (config.json and model.safetensors); CORPUS is the folder that
`python datasets prepare` made. Sessions that were not tokenised under the model's settings are tokenised first and kept
beside the corpus. The page needs no network. What to look at on it:
  perplexity       far below the number of codes: the codebook has collapsed onto few of them
  beyond chance    bits that a single code says of the movement; by chance alone many codes seem to say something
  surroundings     0 %: a code is the token's own; far more: it depends on the sentence that the token stands in
  people, sets     a code that one person or set alone uses stands for the person or the device, not for a movement
exit status: 0 done, 2 a mistake in the command or in a file (one line on stderr), 130 stopped"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    sets = [name.strip() for name in args.sets.split(",") if name.strip()] if args.sets is not None else None
    bars: dict[str, tqdm[None]] = {}

    def progress(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = tqdm(desc=what, total=total, disable=None)
        bars[what].update(done - bars[what].n)

    try:
        use = inspect_codebook(
            args.checkpoint, args.corpus, args.out, sets=sets, top=args.top, hours=args.limit_hours, progress=progress
        )
    except (AEMGError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    finally:
        for bar in bars.values():
            bar.close()
    print(f"{len(use.tokens):,} tokens of {len(use.people)} people, {use.hours:.2f} h -> {args.out}")
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python tokenizer/inspect_codebook.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    made.add_argument("checkpoint", metavar="CHECKPOINT", help="folder of a saved model with a trained codebook")
    made.add_argument("corpus", metavar="CORPUS", help="folder of prepared sets")
    made.add_argument("--out", required=True, metavar="PAGE", help="the page to write, e.g. codes.html")
    made.add_argument("--sets", metavar="A,B", help="sets to run over (default: all)")
    made.add_argument("--top", type=int, default=24, help="most used codes with a card each (default %(default)s)")
    made.add_argument(
        "--limit-hours", type=float, metavar="H", help="stop after so much signal, taken in turn from all sets"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
