"""The notebook runs from its first cell to its last in a fresh process, and the examples of the page on use run."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aemg.model import AEMG, SIZES, AEMGConfig
from aemg.signals import ring

DOCS = Path(__file__).parent.parent / "docs"
NOTEBOOK = DOCS / "notebooks" / "your-own-csv.ipynb"
RUN = """
import json, pathlib, sys
space = {"__name__": "__main__"}
for cell in json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), cell["source"][0], "exec"), space)
found = {name: space[name] for name in ("accuracy", "embedding_accuracy", "td_accuracy", "chance")}
pathlib.Path("found.json").write_text(json.dumps(found))
"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with a fresh model, found where none is packaged."""
    torch.manual_seed(0)
    AEMG(AEMGConfig(network=SIZES["tiny"])).save_pretrained(tmp_path / "weights" / "aemg-tiny")
    return tmp_path / "weights"


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_is_kept_without_output_and_names_its_file_once() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    for source in code_cells():
        ast.parse(source)
    after = "\n".join(code_cells()[1:])
    assert after.count("my_recording.csv") == 1


@pytest.mark.slow
def test_the_notebook_takes_a_csv_to_a_classifier_that_works(weights: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "AEMG_WEIGHTS": str(weights), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, str(NOTEBOOK)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["accuracy"] > 4 * found["chance"]
    assert found["td_accuracy"] > 4 * found["chance"] and found["embedding_accuracy"] > 3 * found["chance"]
    assert (tmp_path / "confusion.png").stat().st_size > 10_000
    assert (tmp_path / "my_classifier" / "classifier.safetensors").is_file()


def test_the_examples_of_the_page_run(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AEMG_WEIGHTS", str(weights))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    y = np.tile(["fist", "open"], 12)
    X = (rng.standard_normal((24, 8, 250)) * np.where(y == "fist", 3.0, 1.0)[:, None, None]).astype(np.float32)
    myo = rng.standard_normal((9, 8, 50)).astype(np.float32)
    labels = np.tile(np.repeat(["fist", "", "open", ""], 250), 4)
    space: dict[str, Any] = {
        "samples": rng.standard_normal((6, 4000)).astype(np.float32), "labels": labels, "X": X, "y": y,
        "person": np.repeat(["a", "b"], 12), "X_unlabelled": X, "X_test": X, "y_test": y, "X_train": X, "y_train": y,
        "X_few": X[:4], "y_few": y[:4], "X_new": 9 * X[:3], "y_new": np.full(3, "snap"),
    }  # fmt: skip
    page = (DOCS / "use.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block, "use.md", "exec"), space)
    assert space["classifier"].predict(X).shape == (24,)
    zero_shot_to_few = capsys.readouterr().out.split()
    assert all(0 <= float(value.strip("[]")) <= 1 for value in zero_shot_to_few)
    assert '`adapt(X, rate_hz=200,\nmontage=ring("myo", 8))`' in page
    space["classifier"].adapt(myo, rate_hz=200, montage=ring("myo", 8))
