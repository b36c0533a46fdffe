"""Simulated people measured like real ones: a table beside the literature and beside recordings, and a page.

Run from the repository: python simulate realism --help
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from aemg import datasets
from aemg.corpus import Corpus
from aemg.corpus.report import progress_bar
from aemg.datasets import DatasetInfo
from aemg.errors import AEMGError
from aemg.report.simulation_page import realism_markdown, write_simulation_html
from aemg.signals import Recording
from aemg.simulation.devices import DEVICES
from aemg.simulation.realism import example, measure

EXAMPLES = """examples:
  python simulate realism --out realism                   # beside the literature: three minutes on one core
  python simulate realism --out realism --real CORPUS     # and beside the people of prepared sets
  python simulate realism --out realism --real DIR        # or of native files, as "python datasets info NAME" describes them

Writes realism.md, realism.json and realism.html. Verdicts: "in range", "partly" (the median is, the tails are not) and "out of
range"; a quantity out of range is a finding and not a failure of the command.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if argv is None else list(argv)
    args = parser().parse_args(given)
    started = time.monotonic()
    try:
        real = [] if args.real is None else real_sets(args.real)
        with progress_bar("realism") as progress:
            measured = measure(args.people, args.seed, real, progress)
        shown = example(args.device, args.seed)
    except AEMGError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    report = {
        **measured.as_json(),
        "command": shlex.join(["python", "simulate", "realism", *given]),
        "seconds": round(time.monotonic() - started, 1),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    table = realism_markdown(report)
    (args.out / "realism.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (args.out / "realism.md").write_text(table, encoding="utf-8")
    write_simulation_html(report, shown, args.out / "realism.html")
    print(table)
    print(f"{args.out}/realism.html, realism.md, realism.json")
    return 0


def real_sets(place: Path) -> list[tuple[DatasetInfo, Iterator[Recording]]]:
    """The prepared sets in a folder, or else the known sets whose native files lie there."""
    if not place.exists():
        raise AEMGError(f"--real {place}: no such file or folder")
    if place.is_file() or any(place.glob("*.h5")):
        corpus = Corpus(place)
        return [(info, _loaded(corpus.select(datasets={info.name}))) for info in corpus.infos]
    found = []
    for name in datasets.names():
        try:
            reader = datasets.open(name, place)
        except AEMGError:
            continue
        found.append((reader.info, iter(reader)))
    if not found:
        raise AEMGError(f"--real {place}: neither prepared sets (*.h5) nor native files of a known set")
    return found


def _loaded(corpus: Corpus) -> Iterator[Recording]:
    yield from (corpus.load(i) for i in range(len(corpus)))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python simulate realism", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the table and the page, made if missing")
    made.add_argument("--real", type=Path, metavar="PLACE", help="prepared sets, or native files, to compare with")
    made.add_argument("--people", type=int, default=20, help="simulated (default %(default)s)")
    made.add_argument("--seed", type=int, default=0, help="of all chance (default %(default)s)")
    made.add_argument(
        "--device", default="wristband16", choices=sorted(DEVICES), metavar="NAME",
        help="worn in the pictures (default %(default)s)",
    )  # fmt: skip
    return made


if __name__ == "__main__":
    sys.exit(main())
