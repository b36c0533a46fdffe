"""Native files to a corpus: one HDF5 file a set, or several shards; resumable.

Each set becomes OUT/<name>.h5, or OUT/<name>-00003-of-00012.h5 and so on. Stopped at any time, the same command goes on where
it stopped, and leaves alone what is ready.
"""

from __future__ import annotations

import argparse

from aemg.corpus import prepare
from aemg.corpus.report import found_readers, progress_bar, result_text

EPILOG = """examples:
  python datasets prepare kanoga-myo flexemg --root ~/native --out corpus
  python datasets prepare all --root ~/native --out corpus --jobs 4 --skip-bad
  python datasets prepare emg2pose --root ~/native --out corpus --shard-mb 4096 --jobs 8

--root is a set's folder, or one up to two levels above, so that several sets can lie side by side. Over several machines:
docs/scale.md."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="sets as `list` gives them, or all")
    parser.add_argument("--root", required=True, metavar="DIR", help="folder with the native files")
    parser.add_argument("--out", required=True, metavar="CORPUS", help="folder of the corpus, made if missing")
    parser.add_argument("--jobs", type=int, default=2, help="reading processes (default %(default)s)")
    parser.add_argument("--shards", type=int, metavar="N", help="files of each set (default: what --shard-mb makes)")
    parser.add_argument("--shard-mb", type=int, default=1024, metavar="MB", help="native size of a shard (default %(default)s)")
    parser.add_argument("--skip-bad", action="store_true", help="note damaged files and go on instead of stopping")
    parser.add_argument("--overwrite", action="store_true", help="begin anew also what is ready")


def run(args: argparse.Namespace) -> int:
    for reader in found_readers(args.names, args.root, missing=lambda why: print(f"not found, left out: {why}")):
        with progress_bar(reader.info.name) as progress:
            result = prepare(
                reader, args.out, jobs=args.jobs, shards=args.shards, shard_mb=args.shard_mb, skip_bad=args.skip_bad,
                overwrite=args.overwrite, progress=progress,
            )  # fmt: skip
        print(result_text(result))
    return 0
