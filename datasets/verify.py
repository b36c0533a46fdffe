"""Check a corpus against its checksums or, with --root, a set's native files against its card."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from aemg import datasets
from aemg.corpus import verify
from aemg.corpus.native import verify_native
from aemg.corpus.report import native_text, problems_text, progress_bar
from aemg.corpus.shards import missing, set_files

EPILOG = """examples:
  python datasets verify corpus                                   every recording against its sha256
  python datasets verify s3://bucket/corpus
  python datasets verify grabmyo --root ~/native                  every native file is read, and held against the set's card
  python datasets verify grabmyo --root ~/native --out found.json"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="CORPUS|NAME", help="folder of a corpus, one .h5 file, or an address; with --root, a set")
    parser.add_argument("--root", metavar="DIR", help="folder with the set's native files")
    parser.add_argument("--jobs", type=int, default=2, help="reading processes, with --root (default %(default)s)")
    parser.add_argument("--out", type=Path, metavar="JSON", help="what was found, with --root")


def run(args: argparse.Namespace) -> int:
    return native(args) if args.root else corpus(args.what)


def native(args: argparse.Namespace) -> int:
    with progress_bar(args.what) as progress:
        report = verify_native(datasets.open(args.what, args.root), jobs=args.jobs, progress=progress)
    print(native_text(report))
    if args.out:
        args.out.write_text(json.dumps(asdict(report), indent=1, default=str) + "\n")
    return 1 if report.problems else 0


def corpus(where: str) -> int:
    sound = True
    files = set_files(where, whole=False)
    for path in files:
        problems = verify(path)
        print(problems_text(Path(path).stem, problems))
        sound = sound and not problems
    for name in () if where.endswith(".h5") else missing(files):
        print(f"{name}: missing")
        sound = False
    return 0 if sound else 1
