"""Fetch and unpack a set, resumable: shows sizes, licence and free disk first, and asks.

Stopped at any time, the same command goes on from there, in the middle of a file too. What the host states of checksums is
verified; sha256 and origin of every file are noted in DIR/SET/SET.download.jsonl. Archives are unpacked within that folder, and
deleted. For sets behind a form, it says what to do, and where to put the files.
"""

from __future__ import annotations

import argparse
import sys

from aemg.corpus.lock import locked
from aemg.corpus.report import transfer_bar
from aemg.datasets.download import MIRROR_VARIABLE, TASKS, download, origin_of, plan_download
from aemg.datasets.download.texts import by_hand_text, downloads_table, plan_text
from aemg.errors import AEMGError

EPILOG = f"""examples:
  python datasets download                                            the table below
  python datasets download grabmyo --only '*participant1/*' --root ~/native
  python datasets download meta-wrist --small-subset --root ~/neuromotor

Tokens for hosts that ask for one: HF_TOKEN, DATAVERSE_TOKEN, ZENODO_TOKEN, FIGSHARE_TOKEN, GITHUB_TOKEN. --small-subset,
--checkpoints and --mirror are for {", ".join(TASKS)}. Exit status 3: a step is left for a person, a form to fill in or an archive
to unpack.

{downloads_table()}"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="as in the table below; none to see the table")
    parser.add_argument("--root", metavar="DIR", help="of all sets, made if missing; each gets a folder in it (Meta's lie flat)")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="a part of the files, such as '*S1_*.zip'")
    parser.add_argument("--from", dest="host", metavar="HOST", help="of several places, the one with this host or in its address")
    parser.add_argument("--dry-run", action="store_true", help="show what would be fetched, and stop")
    parser.add_argument("--jobs", type=int, default=4, help="files at a time (default %(default)s)")
    parser.add_argument("--small-subset", action="store_true", help="three people in place of a hundred")
    parser.add_argument("--checkpoints", action="store_true", help="the trained network; with --small-subset, both")
    parser.add_argument("--keep-archive", action="store_true", help="do not delete an archive when it is unpacked")
    parser.add_argument("--mirror", metavar="URL", help=f"in place of Meta's host (default: {MIRROR_VARIABLE}, if set)")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    if args.name is None:
        print(downloads_table())
        print("\nget one: python datasets download NAME --root DIR; more: python datasets download --help")
        return 0
    origin = origin_of(args.name, args.host)
    root = args.root or "DIR"
    if args.name not in TASKS and (origin is None or origin.host == "form"):
        print(by_hand_text(args.name, root))
        return 3
    if args.root is None:
        raise AEMGError(f"--root DIR is missing: the folder for the files of {args.name}")
    wanted = {"small_subset": args.small_subset, "checkpoints": args.checkpoints}
    plan = plan_download(args.name, root, host=args.host, only=args.only, mirror=args.mirror, **wanted)
    print(plan_text(plan))
    if args.dry_run:
        return 0
    plan.require_space()
    if not (plan.ready or args.yes or agreed()):
        print("nothing was downloaded")
        return 1
    plan.make_root()
    with locked(plan.root / ".download.lock"), transfer_bar() as progress:
        files = download(plan, keep_archive=args.keep_archive, jobs=args.jobs, progress=progress)
    print(f"{args.name}: {len(files)} files ready in {plan.root}")
    if by_hand := plan.by_hand:
        print(f"left for you, in {plan.root}: {'; '.join(by_hand.values())}")
        return 3
    return 0


def agreed() -> bool:
    """Asks on the terminal."""
    if not sys.stdin.isatty():
        raise AEMGError("nobody is there to agree to the download and its licence: give --yes to go on without asking")
    return input("download? [y/N] ").strip().lower() in ("y", "yes")
