"""Fuzzes every reader and loader, guided by coverage (atheris): python tests/support/fuzz.py --inputs 200000

Each target runs in a process of its own with a limit on memory and on the time of an input. Finished targets are kept in FOUND,
so that a stopped run goes on. So are findings: python tests/support/fuzz.py --replay FOUND/<target>-<kind>-<digest> shows one
again. `pip install -e '.[fuzz]'` first.
exit status: 0 nothing found, 1 findings, 2 a mistake in the command
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECONDS_AN_INPUT, MEMORY_MB, INPUT_BYTES = 20, 3000, 96


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--inputs", type=int, default=200_000, help="in all, shared evenly (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=120, help="at most, a target (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--found", type=Path, default=Path("fuzz-findings"), help="folder of findings (default %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON with the counts")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one finding again")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return fuzz_one(args.one, args.inputs, args.seconds, args.seed, args.found)
    from fuzz_targets import TARGETS, Bench

    if args.replay:
        target = TARGETS[args.replay.name.rsplit("-", 2)[0]]
        with tempfile.TemporaryDirectory() as folder:
            Bench(target, Path(folder) / "files").run(args.replay.read_bytes())
        print(f"{target.name}: nothing found")
        return 0
    unknown = sorted(set(args.targets) - set(TARGETS))
    if unknown:
        print(f"error: no target {', '.join(unknown)}; there are {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    names = args.targets or list(TARGETS)
    share = -(-args.inputs // len(names))
    args.found.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with ThreadPoolExecutor(args.jobs) as pool:
        rows = list(pool.map(lambda name: launched(name, share, args.seconds, args.seed, args.found), names))
    total = sum(row["inputs"] for row in rows)
    findings = sum(len(row["findings"]) for row in rows)
    print(f"{total} inputs to {len(rows)} targets, {findings} findings, {time.monotonic() - started:.0f} s")
    if args.out:
        limits = {"seconds_an_input": SECONDS_AN_INPUT, "memory_mb": MEMORY_MB, "input_bytes": INPUT_BYTES}
        facts = {"inputs": total, "findings": findings, "seed": args.seed, "limits": limits, "targets": rows}
        args.out.write_text(json.dumps(facts, indent=1) + "\n")
    return 1 if findings else 0


def launched(name: str, inputs: int, seconds: int, seed: int, found: Path) -> dict[str, Any]:
    """A target in a process of its own, begun again behind each finding, until its inputs or its time are used up."""
    kept_row = found / f"{name}.json"
    if kept_row.exists() and (known := json.loads(kept_row.read_text()))["seed"] == seed:
        return dict(known)
    row: dict[str, Any] = {"target": name, "seed": seed, "inputs": 0, "refused": 0, "findings": [], "seconds": 0.0}
    started, left = time.monotonic(), inputs
    while left > 0 and time.monotonic() - started < seconds:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "POLARS_MAX_THREADS": "1"}
        command = [sys.executable, __file__, "--one", name, "--inputs", str(left), "--seed", str(seed), "--found", str(found)]
        command += ["--seconds", str(round(started + seconds - time.monotonic()) + 1)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace")
        (found / f"{name}.{seed}.log").write_text(done.stdout + done.stderr)
        counts = [tuple(map(int, c)) for c in re.findall(r"^counted (\d+) (\d+)$", done.stdout, re.MULTILINE)]
        ran, refused = counts[-1] if counts else (0, 0)
        row["inputs"] += ran
        row["refused"] += refused
        left, seed = left - max(ran, 1), seed + 1
        if done.returncode == 0:
            continue
        kept = re.findall(r"Test unit written to (\S+)", done.stderr)
        row["findings"] += [Path(k).name for k in kept] or [f"{name}: exit status {done.returncode}"]
        if len(row["findings"]) >= 5:
            break
    row["seconds"] = round(time.monotonic() - started, 1)
    kept_row.write_text(json.dumps(row))
    print(f"{name:24s} {row['inputs']:7d} inputs, {row['refused']:7d} refused, {len(row['findings'])} findings, "
          f"{row['seconds']} s", flush=True)  # fmt: skip
    return row


def fuzz_one(name: str, inputs: int, seconds: int, seed: int, found: Path) -> int:
    """Fuzzes one target in this process, which ends with libFuzzer's exit status."""
    import atheris

    with atheris.instrument_imports(include=["aemg"]):
        import aemg.corpus
        import aemg.datasets  # noqa: F401
    from fuzz_targets import TARGETS, Bench

    fast = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=fast) as folder:
        bench = Bench(TARGETS[name], Path(folder) / "files")

        def one(data: bytes) -> None:
            before = memory_mb()
            try:
                bench.run(data)
            finally:
                full = memory_mb() > MEMORY_MB / 2  # what libFuzzer remembers grows: go on in a fresh process
                if bench.inputs % 20 == 0 or bench.inputs >= inputs or full:
                    os.write(1, f"counted {bench.inputs} {bench.refused}\n".encode())
                if full:
                    os._exit(0)
            if memory_mb() - before > MEMORY_MB / 4:
                raise MemoryError(f"one input took {memory_mb() - before} MB")

        limits = [f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={INPUT_BYTES}"]
        ends = [f"-runs={inputs}", f"-max_total_time={seconds}"]
        where = [f"-seed={seed}", f"-artifact_prefix={found}/{name}-", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, *ends, *where], one)
        atheris.Fuzz()
    return 0


def memory_mb() -> int:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    sys.exit(main())
