"""Muscle excitations and EMG of hands that follow recorded joint angles: for motion capture without electrodes.

Run from the repository: python simulate excitations --help
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aemg.corpus.report import progress_bar
from aemg.errors import AEMGError, told
from aemg.simulation.anatomy import MUSCLE_NAMES, Person, sample_person
from aemg.simulation.devices import DEVICES, Device, device
from aemg.simulation.pool import CONTROL_RATE_HZ, discharge
from aemg.simulation.wearing import Wear, put_on

if TYPE_CHECKING:
    from aemg.simulation.hand import Hand
    from aemg.simulation.hand.capture import Driven

EXAMPLES = """examples:
  python simulate excitations --example angles.csv                      # writes a table to start from
  python simulate excitations --angles angles.csv --out sim/grasp
  python simulate excitations --angles take*.csv --units radians --rate-hz 120 --wrist fixed --device myo --out sim/takes
  python simulate excitations --angles fingers.csv --missing free --person 7 --out sim/fingers

A table has a header, a column "time" in seconds (or --rate-hz) and a column of angles for each joint:
  pro_sup deviation flexion (of the wrist; not with --wrist fixed),
  cmc_flexion cmc_abduction mp_flexion ip_flexion (of the thumb, negative is flexed),
  mcp2_flexion mcp2_abduction pm2_flexion md2_flexion (of the index finger; 3, 4 and 5 are the others').
For each table DIR holds NAME.npz with excitation (time, muscles), angles wanted and reached in radians, the error of the
fingertips in metres, firing times and units, and the EMG (channels, time) of the device in its unit.

exit status: 0 done, 2 a mistake in the command or in a table (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: make(args), stopped="nothing was written")


def make(args: argparse.Namespace) -> None:
    from aemg.simulation.hand import hand_model

    hand = hand_model(args.wrist, timestep_s=0.002)
    if args.example:
        write_example(args.example, hand)
        print(f"{args.example}: joint angles in degrees; now: python simulate excitations --angles {args.example} --out DIR")
    elif args.angles and args.out:
        follow(args, hand)
    else:
        raise AEMGError("give --angles FILE... and --out DIR, or --example FILE")


def follow(args: argparse.Namespace, hand: Hand) -> None:
    from aemg.simulation.hand.capture import drive, read_angles
    from aemg.simulation.hand.people import HandPerson, sample_hand_person

    worn = device(args.device)
    names = [path.stem for path in args.angles]
    if len(set(names)) != len(names):
        raise AEMGError(f"tables need different names, got {', '.join(sorted(names))}")
    tables = [
        read_angles(path, hand, unit=args.units, rate_hz=args.rate_hz, missing=args.missing) for path in args.angles
    ]
    for path, table in zip(args.angles, tables):
        if table.clipped:
            far = ", ".join(f"{joint} by {np.degrees(by):.1f} deg" for joint, by in table.clipped.items())
            print(f"warning: {path}: clipped to the range of the joints: {far}", file=sys.stderr)
    seed = args.person or 0
    person, own = sample_person(np.random.default_rng(seed)), HandPerson.of(hand)
    if args.person is not None:
        own = sample_hand_person(np.random.default_rng([seed, 2]), hand, dict(zip(MUSCLE_NAMES, person.strength.tolist())))
    with progress_bar("excitations") as progress:
        results = drive(hand, tables, people=[own] * len(tables), smooth_hz=args.smooth_hz or None, progress=progress)
    args.out.mkdir(parents=True, exist_ok=True)
    for number, (name, driven) in enumerate(zip(names, results)):
        write(args.out / f"{name}.npz", driven, hand, person, worn, number, seed)
        error = driven.tip_error_m.mean() * 1e3
        print(
            f"{name}: {len(driven.excitation) / driven.rate_hz:.1f} s, fingertips off by {error:.1f} mm on average, "
            f"mean excitation {driven.excitation.mean():.3f}"
        )
    print(f"{len(results)} in {args.out}: excitations at {results[0].rate_hz:g} Hz, EMG of {args.device} at {worn.rate_hz:g} Hz")


def write(path: Path, driven: Driven, hand: Hand, person: Person, worn: Device, number: int, seed: int) -> None:
    from aemg.simulation.hand.capture import forearm_excitation

    chance = np.random.default_rng([seed, number])
    excitation = forearm_excitation(driven, hand, person)
    spikes = discharge(person.units, excitation, chance)
    session = put_on(person, worn, Wear(), np.random.default_rng([seed, 1]))
    emg = session.read(spikes, excitation.shape[1] / CONTROL_RATE_HZ, chance)
    np.savez_compressed(
        path,
        rate_hz=driven.rate_hz,
        muscles=np.array(hand.muscles),
        joints=np.array(hand.joints),
        excitation=driven.excitation.astype(np.float32),
        angles_wanted_rad=driven.target.astype(np.float32),
        angles_rad=driven.achieved.astype(np.float32),
        tip_error_m=driven.tip_error_m.astype(np.float32),
        emg=emg,
        emg_rate_hz=worn.rate_hz,
        emg_unit=worn.unit,
        firing_s=spikes.times_s,
        firing_unit=spikes.units,
        unit_muscle=np.array(MUSCLE_NAMES)[person.units.muscle],
    )


def write_example(path: Path, hand: Hand) -> None:
    from aemg.simulation.hand.capture import example_angles

    table = example_angles(hand)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows([f"{value:.4f}" for value in row] for row in zip(*table.values()))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python simulate excitations", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    top.add_argument("--angles", nargs="+", type=Path, metavar="FILE", help="tables of joint angles, .csv or .npz")
    top.add_argument("--out", type=Path, metavar="DIR", help="folder of the results, made if missing")
    top.add_argument("--example", type=Path, metavar="FILE", help="write a table to start from and stop")
    top.add_argument("--units", choices=("degrees", "radians"), default="degrees", help="of the angles (default %(default)s)")
    top.add_argument("--rate-hz", type=float, help="rows a second, for tables without a column \"time\"")
    top.add_argument(
        "--missing", choices=("error", "neutral", "free"), default="error",
        help="joints without a column: an error, held straight, or left free (default %(default)s)",
    )  # fmt: skip
    top.add_argument("--wrist", choices=("free", "fixed"), default="free", help="(default %(default)s)")
    top.add_argument("--smooth-hz", type=float, default=6.0, help="low-pass of the angles, 0 for none (default %(default)g)")
    top.add_argument("--device", default="wristband16", choices=sorted(DEVICES), help="(default %(default)s)")
    top.add_argument("--person", type=int, help="seed of a person's strengths and size (default: the model's own hand)")
    return top


if __name__ == "__main__":
    sys.exit(main())
