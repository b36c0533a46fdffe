"""A decoder's training that is killed ends like one that was not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from kill_drill import drill

from aemg.config import load_config, save_config
from aemg.neuromotor.training import DecoderConfig

REPOSITORY = Path(__file__).parents[2]
SHORT = (
    "optim.epochs=2", "checkpoint_minutes=0", "data.window=2000", "optim.batch=2",
    "model.network={conv_channels: 24, lstm_hidden: 16, lstm_layers: 2}",
)  # fmt: skip


def test_killed_at_any_file_operation_a_decoder_ends_bit_for_bit(mock: Path, tmp_path: Path) -> None:
    recipe, found = REPOSITORY / "configs" / "finetune" / "gestures.yaml", {}
    for name, kills in (("whole", []), ("killed", [2, 6, *np.linspace(8, 40, 9).astype(int).tolist()])):
        output = tmp_path / name
        words = [f"data.root={mock / 'discrete_gestures'}", f"output={output}", *SHORT]
        save_config(load_config(DecoderConfig, recipe, words), tmp_path / f"{name}.yaml")
        drill("decoder", tmp_path / f"{name}.yaml", output, kills)
        report = json.loads((output / "report.json").read_text())
        files = {file.name: file.read_bytes() for file in sorted((output / "model").iterdir()) if file.is_file()}
        files |= {file: (output / file).read_bytes() for file in ("metrics.csv", "epochs.csv", "users.csv", "stretches.csv")}
        found[name] = files, {key: report[key] for key in ("metrics", "validation", "users", "history")}
    assert found["whole"] == found["killed"]
