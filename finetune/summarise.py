"""Reports to a small table and JSON, e.g. for results/.

python finetune/summarise.py runs/loso/report.json --out results/loso-tiny
"""

import argparse
import json
import sys
from pathlib import Path

METRICS = {"window_accuracy": "window", "trial_accuracy": "trial", "window_accuracy_isolated": "window alone"}


def row(name: str, sets: dict, method: str, metric: str) -> str:
    cells = []
    for found in sets.values():
        values = found["zero_shot"] if method == "aemg" else found["controls"].get(method)
        if values is None:
            cells.append("")
            continue
        cell = f"{values[metric]['mean']:.3f}"
        versus = values.get("versus", {}).get(metric)
        if versus and versus["p_value"] is not None and versus["p_value"] < 0.05:
            cell += " ▲" if versus["difference"] > 0 else " ▼"
        cells.append(cell)
    numbers = [float(c.split()[0]) for c in cells if c]
    mean = f"{sum(numbers) / len(numbers):.3f}" if len(numbers) == len(cells) else ""
    return f"| {name} | " + " | ".join(cells) + f" | {mean} |"


def table(report: dict) -> str:
    sets = report["sets"]
    methods = ["aemg", *dict.fromkeys(m for found in sets.values() for m in found["controls"])]
    lines = [report["certificate"]["statement"], ""]
    lines += ["▲ AEMG better, ▼ AEMG worse than this control (paired Wilcoxon over subjects, p < 0.05).", ""]
    for metric, title in METRICS.items():
        lines += [f"**{title} accuracy**", "", "| method | " + " | ".join(sets) + " | mean |", "|---" * (len(sets) + 2) + "|"]
        lines += [row(m, sets, m, metric) for m in methods] + [""]
    lines += ["| set | subjects | trials | windows | AEMG window accuracy, 95 % interval |", "|---|---|---|---|---|"]
    for name, found in sets.items():
        low, high = found["zero_shot"]["window_accuracy"]["ci95"]
        lines.append(f"| {name} | {len(found['subjects'])} | {found['trials']} | {found['windows']} | {low:.3f} to {high:.3f} |")
    if any("few_shot" in found for found in sets.values()):
        lines += ["", "**few-shot, window accuracy on the last repetitions**", ""]
        for name, found in sets.items():
            for method, points in found.get("few_shot", {}).items():
                if method != "warning":
                    shown = ", ".join(f"{p}: {v['window_accuracy']['mean']:.3f}" for p, v in points.items())
                    lines.append(f"- {name}, {method}: {shown}")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="without ending: OUT.json and OUT.md are written")
    arguments = parser.parse_args(argv)
    report = json.loads(arguments.report.read_text())
    for key in ("output", "data", "encoder"):  # paths of one machine say nothing to another
        report["config"].pop(key, None)
    report["certificate"]["pretraining"]["encoder"] = len(report["certificate"]["pretraining"]["encoder"] or [])
    report.pop("command", None)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.with_suffix(".json").write_text(json.dumps(report, separators=(",", ":")) + "\n")
    arguments.out.with_suffix(".md").write_text(table(report))
    print(table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
