"""Decoder runs and curves to one table and JSON, e.g. for results/.

python finetune/summarise_decoders.py runs/gestures runs/wrist runs/wrist-personal --out results/decoders
"""

import argparse
import json
import sys
from pathlib import Path

from aemg.errors import DataFileError

SHOWN = {
    "discrete_gestures": ("cler", "misses_per_min", "false_positives_per_min", "labels", "events"),
    "handwriting": ("cer", "insertions", "deletions", "substitutions", "characters"),
    "wrist": ("mae_deg_s", "zero_mae_deg_s", "correlation", "minutes"),
}
KEPT = ("task", "protocol", "metrics", "users", "points", "summary", "selected_epoch", "model", "data", "seconds", "versions")
POINT = ("x", "mean", "least", "most", "runs")
PATHS = ("output", "init")


def read(run: Path) -> dict:
    """What matters of a run's report or curve, without the paths of one machine."""
    file = next((run / name for name in ("curve.json", "report.json") if (run / name).exists()), None)
    if file is None:
        raise DataFileError(run, "a decoder's run with report.json, or a curve with curve.json", "neither")
    report = json.loads(file.read_text())
    kept = {key: report[key] for key in KEPT if key in report}
    kept["config"] = {key: value for key, value in report["config"].items() if key not in PATHS}
    for place in (kept["config"]["data"], kept.get("data", {})):
        place.pop("root", None)
    kept.get("model", {}).pop("init", None)
    return kept


def shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(name: str, run: dict) -> str:
    lines = [f"**{name}**", ""]
    if "summary" in run:
        lines += ["| " + " | ".join(POINT) + " |", "|---" * len(POINT) + "|"]
        lines += ["| " + " | ".join(shown(point[key]) for key in POINT) + " |" for point in run["summary"]]
        return "\n".join([*lines, ""])
    keys = SHOWN[run["task"]]
    lines += ["| user | " + " | ".join(keys) + " |", "|---" * (len(keys) + 1) + "|"]
    for user, figures in [*run["users"].items(), ("all", run["metrics"])]:
        lines.append(f"| {user} | " + " | ".join(shown(figures.get(key, "")) for key in keys) + " |")
    return "\n".join([*lines, ""])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finetune decoder")
    parser.add_argument("--out", type=Path, required=True, help="without ending: OUT.json and OUT.md are written")
    arguments = parser.parse_args(argv)
    try:
        runs = {run.name: read(run) for run in arguments.runs}
    except DataFileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    page = "\n".join(table(name, run) for name, run in runs.items())
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.with_suffix(".json").write_text(json.dumps(runs, separators=(",", ":")) + "\n")
    arguments.out.with_suffix(".md").write_text(page)
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
