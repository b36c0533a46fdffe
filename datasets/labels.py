"""The shared vocabulary: which sets have a movement, what they call it, and which of their labels it does not know."""

from __future__ import annotations

import argparse

from aemg import datasets
from aemg.datasets.cards import labels_text

EPILOG = """examples:
  python datasets labels                               every movement and the sets that have it
  python datasets labels laval-3dc ninapro-db5         what these have in common, and what only one of them has"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="some sets only (default: all)")


def run(args: argparse.Namespace) -> int:
    print(labels_text([datasets.info(name) for name in args.names or datasets.names()]))
    return 0
