"""Prepared sets in a format that other software reads: EMG-BIDS, each set a folder of its own; resumable."""

from __future__ import annotations

import argparse

from aemg.corpus import Corpus
from aemg.corpus.bids import export_bids
from aemg.corpus.report import progress_bar

EPILOG = """example: python datasets export corpus --bids shared --sets kanoga-myo
Any EMG-BIDS folder is read as the set emg-bids: python datasets prepare emg-bids --root FOLDER --out corpus"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help="folder of a corpus, or one set's .h5 file")
    parser.add_argument("--bids", required=True, metavar="DIR", help="EMG-BIDS: a folder of its own for each set, DIR/<name>")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="default: all sets of the corpus")


def run(args: argparse.Namespace) -> int:
    corpus = Corpus(args.corpus)
    for name in args.sets or [info.name for info in corpus.infos]:
        with progress_bar(name, "recording") as progress:
            done = export_bids(corpus, name, args.bids, progress=progress)
        print(f"{name}: {done.recordings} recordings, {done.written} written just now -> {done.path}")
    return 0
