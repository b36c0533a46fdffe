"""The card of a set: what it holds, its traps, how to cite and get it."""

from __future__ import annotations

import argparse

from aemg import datasets
from aemg.datasets.cards import card

EPILOG = "example: python datasets info kanoga-myo"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="as `list` gives it")


def run(args: argparse.Namespace) -> int:
    print(card(datasets.info(args.name)))
    return 0
