"""A decoder of finger flexion from the EMG of a virtual user who moves the fingers along references.

Run from the repository: python simulate decoder --help
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from aemg.corpus.report import progress_bar
from aemg.errors import told

EXAMPLES = """examples:
  python simulate decoder --policy controller --out runs/decoder-controller
  python simulate decoder --policy runs/phase1/seed-0 --out runs/decoder
  python simulate decoder --policy runs/phase1/seed-0 --montage ring --noise-uv 5 --out runs/decoder-ring
  python simulate decoder --policy runs/phase1/seed-0 --kind aemg --encoder runs/pretrain/model --environments 40 \\
      --out runs/decoder-aemg

The user is a policy of the first phase, or the controller that learns nothing. 50 s of 120 environments are recorded; of 5 % of
the environments the accuracy is told, 5 % more decide when training ends. "tcn" is a temporal convolutional network on the log
amplitude of 8 ms bins that looks back 248 ms. "aemg" is AEMG's encoder with a head, on a ring of 16 electrodes at 2000 Hz.
Blocks of the recording that are there already are left alone, so a stopped command goes on when it is typed again.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: print(make(args)))


def make(args: argparse.Namespace) -> str:
    from aemg.virtual_user.dataset import behaviour, collect
    from aemg.virtual_user.decoder_training import TrainSettings, train_decoder
    from aemg.virtual_user.decoding import FINGERS
    from aemg.virtual_user.emg import EMGSettings
    from aemg.virtual_user.networks import fresh_network, save_network
    from aemg.virtual_user.users import load_policy

    torch.set_num_threads(args.jobs)
    torch.manual_seed(args.seed)
    aemg = args.kind == "aemg"
    emg = EMGSettings(
        montage="ring" if aemg else args.montage, rate_hz=2000.0 if aemg else 1000.0, person=args.person,
        noise_v=1e-6 * args.noise_uv,
    )  # fmt: skip
    policy = None if args.policy == "controller" else load_policy(Path(args.policy))
    made = behaviour(
        policy, emg, wrist=args.wrist, templates=args.templates, seconds=args.seconds, seed=args.seed, keep_emg=aemg
    )
    with progress_bar("recording") as progress:
        data = collect(
            made, args.out / "data", environments=args.environments, at_once=min(30, -(-args.environments // args.jobs)),
            threads=args.jobs, progress=progress,
        )  # fmt: skip
    extra = {"encoder": args.encoder, "freeze": args.freeze} if aemg else {"width": args.width}
    network = fresh_network(args.kind, data.amplitudes.shape[2], emg.rate_hz, **extra)
    settings = TrainSettings(rate=5e-4, batch=8, crop_steps=500) if aemg else TrainSettings()
    settings = replace(settings, minutes=args.minutes)
    with progress_bar("training") as progress:
        result = train_decoder(network, data, settings, seed=args.seed, progress=progress)
    words = " ".join(map(shlex.quote, ["python", "simulate", "decoder", *(args.words or [])]))
    save_network(network, emg, args.out, command=words, user=args.policy, result=asdict(result), training=asdict(settings))
    mean = sum(result.accuracy) / len(result.accuracy)
    lines = [
        "| finger | " + " | ".join(FINGERS) + " | mean | paper |", "|---" * (len(FINGERS) + 3) + "|",
        "| accuracy, % | " + " | ".join(f"{100 * a:.2f}" for a in result.accuracy) + f" | {100 * mean:.2f} | 91 |",
    ]  # fmt: skip
    table = "\n".join(lines)
    text = f"{args.kind} on {len(result.held_out)} held-out environments of {len(data)}, {args.seconds:g} s each:\n\n{table}\n"
    (args.out / "decoder.md").write_text(f"{text}\n`{words}`\n")
    return f"{text}\n{len(result.watched)} epochs in {result.seconds:.0f} s -> {args.out}"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python simulate decoder", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--policy", required=True, metavar="RUN", help='run or file of a phase-1 policy, or "controller"')
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of recording and decoder, made if missing")
    made.add_argument("--kind", choices=("tcn", "aemg"), default="tcn", help="(default %(default)s)")
    made.add_argument("--montage", choices=("isolated", "ring"), default="isolated",
                      help="a channel a muscle without cross-talk, or 16 electrodes\non the forearm")  # fmt: skip
    made.add_argument("--noise-uv", type=float, default=0.0, metavar="UV",
                      help="white noise of every channel (default %(default)s)")  # fmt: skip
    made.add_argument("--person", type=int, default=0, metavar="N", help="whose forearm the ring is on (default %(default)s)")
    made.add_argument("--environments", type=int, default=120, metavar="N", help="(default %(default)s)")
    made.add_argument("--seconds", type=float, default=50.0, help="of each environment (default %(default)s)")
    made.add_argument("--templates", choices=("sine", "square"), default="square", help="movements (default %(default)s)")
    made.add_argument("--wrist", choices=("fixed", "free"), default="fixed", help="(default %(default)s)")
    made.add_argument("--width", type=int, default=64, help="of the TCN's layers (default %(default)s)")
    made.add_argument("--encoder", metavar="DIR", help="pre-trained model for aemg; without it, fresh weights")
    made.add_argument("--freeze", action="store_true", help="leave that encoder as it is")
    made.add_argument("--minutes", type=float, default=30.0, help="of training at most (default %(default)s)")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--jobs", type=int, default=2, help="threads (default %(default)s)")
    made.set_defaults(words=sys.argv[1:])
    return made


if __name__ == "__main__":
    sys.exit(main())
