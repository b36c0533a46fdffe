"""Contamination: whom and which files of an evaluation set a corpus, or a trained model, has seen already."""

from __future__ import annotations

import argparse
from pathlib import Path

from aemg.corpus import Corpus
from aemg.corpus.overlap import overlap, people_and_files
from aemg.corpus.report import overlap_text

EPILOG = """examples:
  python datasets overlap corpus evaluation/laval-3dc.h5
  python datasets overlap runs/pretrain/model evaluation/laval-3dc.h5

People are compared by their names within a set, and between sets that are known to share people; files by their sha256, under
whatever name. The same recordings in another format, of people under other names, are not found."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("seen", metavar="CORPUS|MODEL", help="what is, or was, trained on")
    parser.add_argument("tested", metavar="CORPUS", help="what is evaluated on: a folder, or one set's .h5 file")


def run(args: argparse.Namespace) -> int:
    if (Path(args.seen) / "seen.json").exists():
        from aemg.model import ModelCard  # slow to import

        seen = ModelCard.read(args.seen).seen
        found = overlap(seen.people, seen.files, Corpus(args.tested))
    else:
        found = overlap(*people_and_files(Corpus(args.seen)), Corpus(args.tested))
    print(overlap_text(found))
    return 1 if found else 0
