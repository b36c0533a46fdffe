"""Data sets: which there are, prepared as a corpus, and checked. Run from the repository: python datasets --help"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from aemg import datasets
from aemg.corpus import prepare, verify
from aemg.corpus.corpus import set_files
from aemg.corpus.lock import locked
from aemg.corpus.report import (
    card,
    found_readers,
    plan_text,
    problems_text,
    progress_bar,
    result_text,
    table,
    transfer_bar,
)
from aemg.datasets.download import MIRROR_VARIABLE, TASKS, download, plan_download
from aemg.errors import AEMGError

EXAMPLES = """examples:
  python datasets list
  python datasets info kanoga-myo
  python datasets prepare kanoga-myo flexemg --root ~/native --out corpus
  python datasets prepare all --root ~/native --out corpus --jobs 4 --skip-bad
  python datasets verify corpus
  python datasets download meta-wrist --small-subset --root ~/neuromotor
  python datasets explore ~/neuromotor/wrist_user_000_dataset_000.hdf5 --start 60 --seconds 5

Get a set by download, or from its homepage (see info) and unpack it; --root is its folder, or one up to two levels
above, so that several sets can lie side by side. Each set becomes one file, OUT/<name>.h5. Preparing and downloading
can be stopped at any time: the same command goes on where it stopped, and leaves alone what is ready.
exit status: 0 done, 1 verify found problems or a download was not agreed to, 2 a mistake in the command or in a file (one
line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        status: int = args.run(args)
    except AEMGError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return status


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python datasets", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="a table of all known sets").set_defaults(run=run_list)
    one = commands.add_parser("info", help="the card of a set: what it holds, its traps, how to cite and get it")
    one.set_defaults(run=run_info)
    one.add_argument("name", metavar="NAME", help="as `list` gives it")
    make = commands.add_parser("prepare", help="native files to a corpus (resumable)")
    make.set_defaults(run=run_prepare)
    make.add_argument("names", nargs="+", metavar="NAME", help="sets as `list` gives them, or all")
    make.add_argument("--root", required=True, metavar="DIR", help="folder with the native files")
    make.add_argument("--out", required=True, metavar="CORPUS", help="folder of the corpus, made if missing")
    make.add_argument("--jobs", type=int, default=2, help="reading processes (default %(default)s)")
    make.add_argument("--skip-bad", action="store_true", help="note damaged files and go on instead of stopping")
    make.add_argument("--overwrite", action="store_true", help="begin anew also what is ready")
    check = commands.add_parser("verify", help="check every recording of a corpus against its checksum")
    check.set_defaults(run=run_verify)
    check.add_argument("corpus", metavar="CORPUS", help="folder of a corpus, or one set's .h5 file")
    get = commands.add_parser("download", help="fetch and unpack a set, resumable; shows sizes and licence, and asks")
    get.set_defaults(run=run_download)
    get.add_argument("name", choices=list(TASKS), metavar="NAME", help=" | ".join(TASKS))
    get.add_argument("--root", required=True, metavar="DIR", help="folder for the files, made if missing")
    get.add_argument("--small-subset", action="store_true", help="three people in place of a hundred")
    get.add_argument("--checkpoints", action="store_true", help="the trained network; with --small-subset, both")
    get.add_argument("--keep-archive", action="store_true", help="do not delete an archive when it is unpacked")
    get.add_argument("--mirror", metavar="URL", help=f"in place of the publisher's host (default: {MIRROR_VARIABLE}, if set)")
    get.add_argument("--yes", action="store_true", help="do not ask")
    draw = commands.add_parser("explore", help="draw a recording: all of it and a part, with stages, prompts and angles")
    draw.set_defaults(run=run_explore)
    draw.add_argument("file", metavar="FILE", help="a neuromotor .hdf5 file, or the .h5 file of a prepared set")
    draw.add_argument("--out", metavar="PNG|HTML", help="default: a page named like FILE, in the current folder")
    draw.add_argument("--start", type=float, metavar="S", help="seconds from the first sample (default: at the first prompt)")
    draw.add_argument("--seconds", type=float, default=10.0, metavar="N", help="length of the part (default %(default)g)")
    draw.add_argument("--recording", type=int, default=0, metavar="I", help="which one of a prepared set (default %(default)s)")
    return top


def run_list(args: argparse.Namespace) -> int:
    print(table([datasets.info(name) for name in datasets.names()]))
    return 0


def run_info(args: argparse.Namespace) -> int:
    print(card(datasets.info(args.name)))
    return 0


def run_prepare(args: argparse.Namespace) -> int:
    for reader in found_readers(args.names, args.root, missing=lambda why: print(f"not found, left out: {why}")):
        with progress_bar(reader.info.name) as progress:
            options = {"jobs": args.jobs, "skip_bad": args.skip_bad, "overwrite": args.overwrite}
            result = prepare(reader, args.out, progress=progress, **options)
        print(result_text(result))
    return 0


def run_verify(args: argparse.Namespace) -> int:
    sound = True
    for path in set_files(args.corpus):
        problems = verify(path)
        print(problems_text(path.stem, problems))
        sound = sound and not problems
    return 0 if sound else 1


def run_download(args: argparse.Namespace) -> int:
    wanted = {"small_subset": args.small_subset, "checkpoints": args.checkpoints}
    plan = plan_download(args.name, args.root, mirror=args.mirror, **wanted)
    print(plan_text(plan))
    plan.require_space()
    if not (plan.ready or args.yes or agreed()):
        print("nothing was downloaded")
        return 1
    plan.make_root()
    with locked(plan.root / ".download.lock"), transfer_bar() as progress:
        files = download(plan, keep_archive=args.keep_archive, progress=progress)
    print(f"{args.name}: {len(files)} files ready in {plan.root}")
    return 0


def run_explore(args: argparse.Namespace) -> int:
    from aemg.report import draw_recording  # what draws is slow to import, and no other command needs it

    written = draw_recording(args.file, args.out, start_s=args.start, seconds=args.seconds, recording=args.recording)
    print(f"wrote {written}")
    return 0


def agreed() -> bool:
    """Asks on the terminal."""
    if not sys.stdin.isatty():
        raise AEMGError("nobody is there to agree to the download and its licence: give --yes to go on without asking")
    return input("download? [y/N] ").strip().lower() in ("y", "yes")


if __name__ == "__main__":
    sys.exit(main())
