"""A film of a virtual user: the hand that follows its references, its EMG beside it, and what a decoder makes of it.

Run from the repository: python simulate film --help
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aemg.corpus.report import progress_bar
from aemg.errors import told
from aemg.report.film import check_film, write_film

EXAMPLES = """examples:
  python simulate film --out hand.gif                                     # the controller that learns nothing, fine-wire EMG
  python simulate film --out hand.gif --montage ring                      # 16 electrodes around the forearm
  python simulate film --out hand.gif --policy runs/phase1/seed-0 --decoder runs/decoder
  python simulate film --out hand.mp4 --seconds 20 --frames 25            # MP4 needs ffmpeg
  python simulate film --out hand.png                                     # the middle frame alone

Nothing is shown on a screen. A square's border says that the finger is wanted flexed, its filling what the decoder understood.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: make(args), stopped="nothing was written")


def make(args: argparse.Namespace) -> None:
    check_film(args.out)
    from aemg.virtual_user.emg import EMGSettings
    from aemg.virtual_user.networks import load_network
    from aemg.virtual_user.take import film_take
    from aemg.virtual_user.users import load_policy

    policy = None if args.policy == "controller" else load_policy(Path(args.policy))
    decoder, emg = (None, EMGSettings(montage=args.montage)) if args.decoder is None else load_network(args.decoder)
    take = film_take(
        policy, decoder, emg, seconds=args.seconds, frames_per_s=args.frames, templates=args.templates, seed=args.seed
    )
    with progress_bar("frames") as progress:
        written = write_film(take, args.out, progress)
    size = f"{written.stat().st_size / 1e6:.1f} MB"
    print(f"{written}: {len(take.frame_s)} frames, {size}; mean distance of the fingertips {1e3 * take.tip_error_m:.1f} mm")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python simulate film", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    made.add_argument("--out", required=True, type=Path, metavar="FILE", help=".gif, .mp4 or .png")
    made.add_argument("--policy", default="controller", metavar="RUN", help="a run of phase1 or its policy (default %(default)s)")
    made.add_argument("--decoder", type=Path, metavar="RUN", help="folder of a decoder; the EMG is made as it takes it")
    made.add_argument("--montage", default="isolated", choices=("isolated", "ring"), help="of the EMG, without a decoder")
    made.add_argument("--templates", default="square", choices=("sine", "square"), help="of the references (default %(default)s)")
    made.add_argument("--seconds", type=float, default=6.0, help="(default %(default)s)")
    made.add_argument("--frames", type=float, default=12.5, metavar="RATE", help="a second (default %(default)s)")
    made.add_argument("--seed", type=int, default=0)
    return made


if __name__ == "__main__":
    sys.exit(main())
