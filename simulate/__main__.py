"""Simulated people: what they do, what electrodes on them read, and how they learn a decoder.

Each command is a file of this folder; "python simulate COMMAND --help" explains it.
"""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def main(arguments: list[str]) -> int:
    commands = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if path.stem != "__main__"}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: python simulate COMMAND ...\n\n{__doc__}\ncommands:")
        for name, path in commands.items():
            print(f"  {name:12s} {(ast.get_docstring(ast.parse(path.read_text())) or '').splitlines()[0]}")
        return 0
    name, *rest = arguments
    if name not in commands:
        print(f"error: no command {name!r}; there are {', '.join(commands)}", file=sys.stderr)
        return 2
    sys.argv = [f"simulate {name}", *rest]
    runpy.run_path(str(commands[name]), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
