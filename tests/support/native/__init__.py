"""Writers of small sets in their real formats, with known content: one module a set or family, `WRITERS` over all of them.

A writer takes a folder and writes there the smallest whole set: two people where the format allows it, the traps of the real
files included.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path

WRITERS: dict[str, Callable[[Path], Path]] = {
    name: writer
    for module in pkgutil.iter_modules(__path__)
    for name, writer in importlib.import_module(f"{__name__}.{module.name}").WRITERS.items()
}
