"""The published numbers and made recordings that the decoders are held against."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"


def _folder(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip(f"no folder {path.name} beside the project")
    return path


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Arrays that the decoders must reproduce."""
    return _folder(SHARED / "vectors" / "meta")


@pytest.fixture(scope="session")
def mock() -> Path:
    """Made recordings in the three released layouts, and tiny checkpoints."""
    return _folder(SHARED / "data" / "meta_mock")
