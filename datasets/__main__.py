"""Data sets: which there are, how to get them, prepared as a corpus, and checked.

Each command is a file of this folder; "python datasets COMMAND --help" explains it.
"""

from __future__ import annotations

import argparse
import ast
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from aemg.errors import told

FOLDER = Path(__file__).parent
ORDER = ("list", "info", "labels", "download", "verify", "check", "prepare", "overlap", "explore", "export")
EXIT = "exit status: 0 done, 1 something was found or not agreed to, 2 a mistake in the command or in a file (one line on stderr)"


def main(argv: Sequence[str] | None = None) -> int:
    name, *rest = (sys.argv[1:] if argv is None else argv) or [""]
    if name in ("", "-h", "--help"):
        print(f"usage: python datasets COMMAND ...\n\n{__doc__}\ncommands:")
        for command in ORDER:
            print(f"  {command:10s} {(ast.get_docstring(ast.parse(path_of(command).read_text())) or '').splitlines()[0]}")
        print(f"\n{EXIT}")
        return 0
    if name not in ORDER:
        print(f"error: no command {name!r}; there are {', '.join(ORDER)}", file=sys.stderr)
        return 2
    command = runpy.run_path(str(path_of(name)), run_name=name)
    parser = argparse.ArgumentParser(
        prog=f"python datasets {name}", description=command["__doc__"], epilog=f"{command['EPILOG']}\n\n{EXIT}",
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    command["arguments"](parser)
    args = parser.parse_args(rest)
    return told(lambda: command["run"](args))


def path_of(command: str) -> Path:
    return FOLDER / f"{command}.py"


if __name__ == "__main__":
    sys.exit(main())
