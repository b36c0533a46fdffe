"""The first phase: virtual users learn to move their fingers along given movements by exciting muscles.

Run from the repository: python simulate phase1 --help
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from aemg.corpus.report import progress_bar
from aemg.errors import AEMGError, told

EXAMPLES = """examples:
  python simulate phase1 --out runs/phase1
  python simulate phase1 --seeds 1 --minutes 2 --imitate --out runs/try
  python simulate phase1 --space joints --out runs/phase1-joints
  python simulate phase1 --templates square --out runs/phase1-square
  python simulate phase1 --out runs/phase1 --beside runs/phase1-joints runs/phase1-square
  python simulate phase1 --templates square --from runs/phase1 --minutes 30 --out runs/phase1-longer

Users learn by PPO from the distance of their finger tips (equations 1 to 6), first on sines of 0.1 to 0.5 Hz and then on the
smoothed squares; then they are scored on fresh movements, without chance in their actions and without an end of episodes, and
pushed to see how soon they are back. Every run keeps a checkpoint, so a stopped command goes on when it is typed again, and
seeds can be added. OUT/phase1.json, .md and .png hold the numbers, the tables and the curves; OUT/seed-0/policy.safetensors is
what `python simulate decoder` and `python simulate phase2` take.
--minutes is processor time of one run and template: two runs side by side take as long as one where there are two cores.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: print(make(args)))


def make(args: argparse.Namespace) -> str:
    from aemg.report.phase1 import phase1_plot, phase1_table, seeds_table
    from aemg.virtual_user.jobs import run_all, write_experiment
    from aemg.virtual_user.phase1 import Phase1Settings, run_from

    settings = Phase1Settings(
        wrist=args.wrist, environments=args.environments, threads=args.threads, minutes=args.minutes, imitate=args.imitate,
        curriculum=("sine", "square") if args.templates == "curriculum" else (args.templates,),
    )  # fmt: skip
    fingers = tuple(args.fingers) if args.fingers else None
    settings = replace(settings, task=replace(settings.task, space=args.space, fingers=fingers))
    beside = {str(other): results_of(other) for other in args.beside}
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    runs = [partial(run_from, seed, args.out / f"seed-{seed}", args.start, settings) for seed in seeds]
    with progress_bar("phase 1") as progress:
        results = run_all(runs, args.jobs, progress)
    every = {str(args.out): results, **beside}
    table = f"{phase1_table(every)}\n\n{seeds_table(results)}"
    write_experiment(args.out, "phase1", args.words, results, table, phase1_plot(every), "curves")
    return f"{table}\n\n{len(results)} runs -> {args.out / 'phase1.json'}, phase1.md, phase1.png"


def results_of(folder: Path) -> list[dict[str, object]]:
    """The results of an earlier command."""
    try:
        return list(json.loads((folder / "phase1.json").read_text())["runs"])
    except (OSError, ValueError, KeyError):
        raise AEMGError(f"--beside {folder}: expected the folder of a finished `python simulate phase1`") from None


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python simulate phase1", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the runs, made if missing")
    made.add_argument("--seeds", type=int, default=5, metavar="N", help="runs (default %(default)s)")
    made.add_argument("--first-seed", type=int, default=0, metavar="N", help="(default %(default)s)")
    made.add_argument("--minutes", type=float, default=15.0, help="processor time of a run and template (default %(default)s)")
    made.add_argument(
        "--templates", choices=("curriculum", "sine", "square"), default="curriculum",
        help="movements; curriculum: sine, then square (default %(default)s)",
    )  # fmt: skip
    made.add_argument("--space", choices=("tips", "joints"), default="tips", help="of the reward (default %(default)s)")
    made.add_argument("--wrist", choices=("fixed", "free"), default="fixed", help="(default %(default)s)")
    made.add_argument(
        "--fingers", nargs="+", choices=("thumb", "index", "middle", "ring", "little"), help="those that move (default all)"
    )
    made.add_argument("--from", dest="start", type=Path, metavar="RUN", help="begin with the policies of another run")
    made.add_argument("--imitate", action="store_true", help="begin by imitating the controller that learns nothing")
    made.add_argument("--environments", type=int, default=256, metavar="N", help="(default %(default)s)")
    made.add_argument("--threads", type=int, default=1, metavar="N", help="of a run (default %(default)s)")
    made.add_argument("--jobs", type=int, default=2, help="runs side by side (default %(default)s)")
    made.add_argument("--beside", type=Path, nargs="+", default=[], metavar="DIR", help="others for table and plot")
    made.set_defaults(words=sys.argv[1:])
    return made


if __name__ == "__main__":
    sys.exit(main())
