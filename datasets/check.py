"""Look for what is amiss in recordings: a page with a picture of each problem, and JSON beside it."""

from __future__ import annotations

import argparse

from aemg import quality
from aemg.corpus.report import progress_bar
from aemg.quality.summary import report_text
from aemg.report.quality_page import write_quality_page

EPILOG = """examples:
  python datasets check corpus --out quality.html --jobs 4
  python datasets check kanoga-myo --root ~/native
  python datasets check ~/neuromotor/wrist_user_000_dataset_000.hdf5      time stamps, too
  python datasets check session.csv --rate 1000 --unit V

What is looked for, and with which limits: docs/quality.md. Exit status 1: faults were found."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="+", metavar="FILE_OR_SET", help="a corpus (folder or .h5), a known set (with --root), a neuromotor .hdf5 "
        "file or a folder\nof them, or a table of numbers (.csv, .tsv, .txt)",
    )  # fmt: skip
    parser.add_argument("--root", metavar="DIR", help="folder with the native files of a set")
    parser.add_argument("--rate", type=float, metavar="HZ", help="rows a second of a table without a column of time")
    parser.add_argument("--unit", choices=["V", "arbitrary"], default="arbitrary", help="of a table (default %(default)s)")
    parser.add_argument("--out", default="quality.html", metavar="HTML", help="the page (default %(default)s)")
    parser.add_argument("--pictures", type=int, default=24, metavar="N", help="at most (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="checking processes (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    materials = [quality.material_of(what, root=args.root, rate_hz=args.rate, unit=args.unit) for what in args.what]
    with progress_bar("checked") as progress:
        report = quality.check_all(materials, jobs=args.jobs, progress=progress)
    print(report_text(report))
    page, beside = write_quality_page(args.out, report, materials, pictures=args.pictures)
    print(f"wrote {page} and {beside}")
    return 0 if report.sound else 1
