"""The benchmark measures, agrees with the formulas written out, and leaves its figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "neuromotor_speed.py"


def test_a_short_run(tmp_path: Path) -> None:
    out = tmp_path / "speed"
    options = ["--quick", "--what", "mpf, window 200", "wrist", "--seconds", "1", "--stream-seconds", "0.2", "--out", str(out)]
    subprocess.run([sys.executable, str(SCRIPT), *options], check=True, capture_output=True, timeout=300)
    report = json.loads(out.with_suffix(".json").read_text())
    assert [row["name"] for row in report["offline"]] == ["mpf, window 200", "wrist"]
    assert all(row["agrees"] and row["ours_s"] > 0 and row["ratio"] > 0 for row in report["offline"])
    assert [row["chunks"] for row in report["streaming"]] == [10, 10]
    table = out.with_suffix(".md").read_text()
    assert "| wrist | 1 |" in table and "times real time" in table
