"""A set of simulated people as a corpus, with the truth behind every recording beside it.

Run from the repository: python simulate corpus --help
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from aemg.corpus import prepare
from aemg.corpus.report import progress_bar, result_text
from aemg.errors import told
from aemg.simulation.artefacts import ARTEFACTS
from aemg.simulation.conditions import FINGER_MUSCLES, Condition
from aemg.simulation.corpus import set_of
from aemg.simulation.devices import DEVICES
from aemg.simulation.gestures import GESTURES
from aemg.simulation.session import TASKS, CorpusSpec
from aemg.simulation.truth import complete_truth, keep_truth
from aemg.simulation.wearing import Wear

EXAMPLES = """examples:
  python simulate corpus --people 50 --device wristband16 --out sim
  python simulate corpus --people 12 --device myo --sessions 3 --repetitions 4 --out sim --name sim-myo
  python simulate corpus --people 20 --device wristband16 --task events --minutes 5 --out sim --spikes
  python simulate corpus --people 8 --device myo --slips-per-min 1 --creep 2 --artefact motion lift-off --out sim --name sim-loose
  python simulate corpus --people 8 --device myo --weakness EDC=0.3,ECU=0.5 --tremor-depth 0.6 --out sim --name sim-weak

then, as with any prepared set:
  accelerate launch tokenizer --config configs/tokenizer/tiny.yaml data.corpus=sim output=runs/tokenizer
  accelerate launch pretrain --config configs/pretrain/tiny.yaml data.corpus=sim tokenizer=runs/tokenizer output=runs/pretrain
  accelerate launch finetune loso --config configs/finetune/loso.yaml data.sets=[sim-myo] data.root=sim \\
      encoder=runs/pretrain/model output=runs/loso

tasks:
  gestures     a recording holds each gesture once, held and let go (labelled)
  events       presses, releases and thumb swipes in a stream, as events and as short labelled stretches
  wrist        reaches of the wrist, with its two angles as a target; reaches of flexion and extension are labelled
  handwriting  words stroke by stroke: the texts as labels, the strokes as events

Beside OUT/NAME.h5, OUT/NAME.truth holds for each recording how the device truly sat and turned, excitations, onsets, angles
and the person; aemg.simulation.truth.read_truth reads it. Everything follows from the settings and the seed. The command can
be stopped at any time: the same one goes on with the first unfinished person. Other settings under the same name begin anew.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: make(args))


def make(args: argparse.Namespace) -> None:
    reader = keep_truth(set_of(spec(args)), args.out, spikes=args.spikes)
    with progress_bar(reader.info.name) as progress:
        result = prepare(reader, args.out, jobs=args.jobs, shards=args.shards, progress=progress)
    complete_truth(reader)
    print(result_text(result))


def spec(args: argparse.Namespace) -> CorpusSpec:
    usual = args.device if args.task == "gestures" else f"{args.device}-{args.task}"
    return CorpusSpec(
        name=args.name or f"sim-{usual}",
        device=args.device,
        people=args.people,
        seed=args.seed,
        gestures=tuple(args.gestures),
        repetitions=args.repetitions,
        hold_s=args.hold,
        rest_s=args.rest,
        task=args.task,
        stream_s=60 * args.minutes,
        sessions=args.sessions,
        wear=Wear(
            redonning_deg=args.redonning, creep_deg_per_min=args.creep, slips_per_min=args.slips_per_min, slip_deg=args.slip
        ),
        condition=Condition(args.weakness, args.tremor_hz, args.tremor_depth, tuple(args.missing_finger)),
        artefacts=tuple(ARTEFACTS[name] for name in args.artefact),
    )


def weakness(text: str) -> float | dict[str, float]:
    """One factor, or factors by muscle: "0.5" or "EDC=0.3,ECU=0.5"."""
    if "=" not in text:
        return float(text)
    return {name: float(factor) for name, factor in (part.split("=") for part in text.split(","))}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python simulate corpus", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--out", required=True, metavar="CORPUS", help="folder of the corpus, made if missing")
    made.add_argument("--device", required=True, choices=sorted(DEVICES), metavar="NAME", help=" | ".join(sorted(DEVICES)))
    made.add_argument("--people", type=int, default=12, help="(default %(default)s)")
    made.add_argument("--task", choices=TASKS, default="gestures", help="see below (default %(default)s)")
    made.add_argument("--name", help="of the set (default sim-DEVICE, with the task behind it where it is not gestures)")
    made.add_argument("--sessions", type=int, default=1, help="of a person, the device put on anew (default %(default)s)")
    made.add_argument("--repetitions", type=int, default=6, help="recordings a session (default %(default)s)")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    made.add_argument("--shards", type=int, default=1, help="files of the set (default %(default)s)")
    made.add_argument("--spikes", action="store_true", help="keep every discharge of every motor unit in the truth")
    task = made.add_argument_group("the task")
    task.add_argument(
        "--gestures", nargs="+", choices=GESTURES, default=GESTURES, metavar="NAME",
        help=f"default all: {', '.join(GESTURES)}",
    )  # fmt: skip
    task.add_argument("--hold", type=float, default=3.0, metavar="S", help="of a gesture (default %(default)g s)")
    task.add_argument("--rest", type=float, default=2.0, metavar="S", help="between gestures (default %(default)g s)")
    task.add_argument("--minutes", type=float, default=1.0, help="of a recording of the other tasks (default %(default)g)")
    wear = made.add_argument_group("how the device is worn and what disturbs it (turns are standard deviations; 0 for none)")
    usual = Wear()
    wear.add_argument(
        "--redonning", type=float, default=usual.redonning_deg, metavar="DEG",
        help="turn from session to session where the turn is unknown (default %(default)g)",
    )  # fmt: skip
    wear.add_argument("--creep", type=float, default=0.0, metavar="DEG", help="slow turn, degrees a minute (default none)")
    wear.add_argument("--slips-per-min", type=float, default=0.0, metavar="N", help="mean number of sudden turns (default none)")
    wear.add_argument("--slip", type=float, default=usual.slip_deg, metavar="DEG", help="a sudden turn (default %(default)g)")
    wear.add_argument(
        "--artefact", nargs="+", choices=list(ARTEFACTS), default=(), metavar="NAME",
        help=f"beside the device's own noise: {', '.join(ARTEFACTS)}",
    )  # fmt: skip
    body = made.add_argument_group("conditions of all people")
    body.add_argument(
        "--weakness", type=weakness, default=1.0, metavar="SHARE", help="of the drive that is left: 0.5, or EDC=0.3,ECU=0.5"
    )
    body.add_argument("--tremor-depth", type=float, default=0.0, metavar="SHARE", help="of the drive, in tremor (default none)")
    body.add_argument("--tremor-hz", type=float, default=5.0, metavar="HZ", help="(default %(default)g)")
    body.add_argument("--missing-finger", nargs="+", choices=list(FINGER_MUSCLES), default=(), metavar="FINGER")
    return made


if __name__ == "__main__":
    sys.exit(main())
