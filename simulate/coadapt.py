"""User and decoder learn from each other in rounds, with healthy users or under weakness, tremor or missing fingers.

Run from the repository: python simulate coadapt --help
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from aemg.corpus.report import progress_bar
from aemg.errors import told

EXAMPLES = """examples:
  python simulate coadapt --policy runs/phase1/seed-0 --decoder runs/decoder --out runs/coadapt
  python simulate coadapt --policy runs/phase1/seed-0 --decoder runs/decoder --weakness 0.4 --out runs/coadapt-weak
  python simulate coadapt --policy runs/phase1/seed-0 --decoder runs/decoder --tremor-depth 0.8 --out runs/coadapt-tremor
  python simulate coadapt --policy runs/phase1/seed-0 --decoder runs/decoder --missing little --out runs/coadapt-amputee

In a round the user learns with the decoder frozen (way "user"), the decoder is tuned on what the user does now (way
"decoder"), or one after the other ("both"). The decoder that they begin with is that of a healthy user, so a condition is a
sudden change.
Finished rounds are kept, so a stopped command goes on when it is typed again. OUT/coadapt.json, .md and .png hold the accuracies.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: print(make(args)))


def make(args: argparse.Namespace) -> str:
    from aemg.report.phase2 import coadaptation_plot, coadaptation_table
    from aemg.simulation.conditions import Condition
    from aemg.virtual_user.coadaptation import CoadaptationSettings, coadapt_from
    from aemg.virtual_user.jobs import run_all, write_experiment

    condition = Condition(args.weakness, args.tremor_hz, args.tremor_depth, tuple(args.missing))
    settings = CoadaptationSettings(rounds=args.rounds, condition=condition)
    settings = replace(settings, user=replace(settings.user, minutes=args.minutes, wrist=args.wrist))
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = [
        partial(coadapt_from, way, seed, args.out / way / f"seed-{seed}", args.policy, args.decoder, settings)
        for seed in seeds
        for way in args.ways
    ]
    with progress_bar("co-adaptation") as progress:
        results = run_all(runs, args.jobs, progress)
    table = coadaptation_table(results)
    write_experiment(args.out, "coadapt", args.words, results, table, coadaptation_plot(results), "accuracies")
    return f"{table}\n\n{len(results)} runs -> {args.out / 'coadapt.json'}, coadapt.md, coadapt.png"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python simulate coadapt", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--policy", required=True, type=Path, metavar="RUN", help="run or file of a phase-1 or phase-2 policy")
    made.add_argument("--decoder", required=True, type=Path, metavar="DIR", help="of `python simulate decoder`")
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the runs, made if missing")
    made.add_argument("--ways", nargs="+", choices=("user", "decoder", "both"), default=["user", "decoder", "both"],
                      help="who learns (default all three)")  # fmt: skip
    made.add_argument("--rounds", type=int, default=4, metavar="N", help="(default %(default)s)")
    made.add_argument("--minutes", type=float, default=3.0,
                      help="processor time that the user learns in a round (default %(default)s)")  # fmt: skip
    made.add_argument("--weakness", type=float, default=1.0, metavar="SHARE",
                      help="of the drive that is left (default %(default)s)")  # fmt: skip
    made.add_argument("--tremor-hz", type=float, default=5.0, metavar="HZ", help="(default %(default)s)")
    made.add_argument("--tremor-depth", type=float, default=0.0, metavar="SHARE", help="of the drive (default %(default)s)")
    made.add_argument("--missing", nargs="*", default=[], metavar="FINGER", help="fingers whose muscles are silent")
    made.add_argument("--seeds", type=int, default=1, metavar="N", help="(default %(default)s)")
    made.add_argument("--first-seed", type=int, default=0, metavar="N", help="(default %(default)s)")
    made.add_argument("--wrist", choices=("fixed", "free"), default="fixed", help="(default %(default)s)")
    made.add_argument("--jobs", type=int, default=2, help="runs side by side (default %(default)s)")
    made.set_defaults(words=sys.argv[1:])
    return made


if __name__ == "__main__":
    sys.exit(main())
