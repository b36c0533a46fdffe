"""A table of all known sets: people, channels, rate, hours, licence, and on what the reader was tested."""

from __future__ import annotations

import argparse

from aemg import datasets
from aemg.datasets.cards import markdown_table, table

EPILOG = """tested: on the set's real files, or on a fixture, files that the tests write in exactly its format; whoever has the
real files can run: python datasets verify NAME --root DIR"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="as the README has it")


def run(args: argparse.Namespace) -> int:
    print((markdown_table if args.markdown else table)([datasets.info(name) for name in datasets.names()]))
    return 0
