"""How fast the neuromotor decoders are, beside their formulas written out one by one in `neuromotor_baseline.py`.

    python benchmarks/neuromotor_speed.py --quick                  # a first look, about two minutes
    python benchmarks/neuromotor_speed.py --out results/neuromotor-speed

offline    Both forms take the same noise with the same weights in this process, on one thread, in turn; they must agree. Told
           are the medians of the processor's time, seconds of EMG per second of it, and the median of the paired ratios.
streaming  Chunks of 20 ms, one after the other: the median and the 99th percentile of the processor's time for a chunk.
memory     The largest resident memory of a process of its own that decodes 45 minutes of gestures.

Other work on the machine disturbs the processor's time less than the clock's, but caches and clock rates are shared: run it on an
idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from neuromotor_baseline import LiteralDiscreteGestures, LiteralHandwriting, LiteralMPF, LiteralWrist
from torch import Tensor, nn

from aemg.neuromotor.decoder import Decoder
from aemg.neuromotor.gestures import DiscreteGestures
from aemg.neuromotor.handwriting import Handwriting
from aemg.neuromotor.mpf import MPF, MPFStream
from aemg.neuromotor.wrist import Wrist

RATE_HZ = 2000
CHUNK = 40  # samples, 20 ms
PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module], float]] = {  # ours, baseline, largest difference
    "mpf, window 160": (lambda: MPF(window=160), lambda: LiteralMPF(window=160), 2e-3),
    "mpf, window 200": (lambda: MPF(window=200), lambda: LiteralMPF(window=200), 2e-3),
    "gestures": (DiscreteGestures, LiteralDiscreteGestures, 2e-4),
    "wrist": (Wrist, LiteralWrist, 2e-4),
    "handwriting": (Handwriting, LiteralHandwriting, 5e-4),
}


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    torch.set_num_threads(1)
    if args.only_memory:
        return decode_recording(args.minutes)
    report: dict[str, Any] = {
        "command": " ".join(["python", "benchmarks/neuromotor_speed.py", *(sys.argv[1:] if argv is None else argv)]),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, torch {torch.__version__}, 1 thread",
        "offline": [],
        "streaming": [],
    }
    for name in args.what or PAIRS:
        for batch in args.batch:
            report["offline"].append(compare(name, batch, args.seconds, args.repeats if batch == 1 else args.batch_repeats))
            print(offline_line(report["offline"][-1]), flush=True)
    for name in args.what or PAIRS:
        report["streaming"].append(stream(name, args.stream_seconds))
        print(stream_line(report["streaming"][-1]), flush=True)
    if args.minutes:
        report["memory"] = memory(args.minutes)
        print(memory_line(report["memory"]), flush=True)
    if args.out:
        args.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
        args.out.with_suffix(".md").write_text(markdown(report))
    return 0 if all(row["agrees"] for row in report["offline"]) else 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python benchmarks/neuromotor_speed.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--what", nargs="+", choices=list(PAIRS), metavar="NAME", help=f"of {', '.join(PAIRS)} (default all)")
    top.add_argument("--batch", nargs="+", type=int, default=[1, 16], help="items decoded at once (default 1 16)")
    top.add_argument("--seconds", type=float, default=16.0, help="of EMG an item (default %(default)s); handwriting needs 10")
    top.add_argument("--repeats", type=int, default=7, help="pairs of runs at batch 1 (default %(default)s)")
    top.add_argument("--batch-repeats", type=int, default=3, help="pairs of runs at other batches (default %(default)s)")
    top.add_argument("--stream-seconds", type=float, default=60.0, help="of EMG to stream (default %(default)s)")
    top.add_argument("--minutes", type=float, default=45.0, help="of gestures to decode for the memory; 0 leaves it out")
    top.add_argument("--out", type=Path, help="writes OUT.json and OUT.md")
    quick = {"batch": [1], "repeats": 1, "stream_seconds": 12.0, "minutes": 0.0}
    top.add_argument(
        "--quick",
        action=type("Quick", (argparse.Action,), {"__call__": lambda self, parser, space, *_: vars(space).update(quick)}),
        nargs=0,
        help="batch 1, one pair of runs, 12 s of streaming, no memory; what stands after it on the command line counts",
    )
    top.add_argument("--only-memory", action="store_true", help=argparse.SUPPRESS)
    return top


def compare(name: str, batch: int, seconds: float, repeats: int) -> dict[str, Any]:
    """Times of both forms in seconds of the processor, taken in turn."""
    ours, baseline, tolerance = PAIRS[name][0](), PAIRS[name][1](), PAIRS[name][2]
    draw_weights(ours)
    baseline.load_state_dict(ours.state_dict())
    ours, baseline = ours.eval(), baseline.eval()
    x = noise(batch, int(seconds * RATE_HZ))
    with torch.inference_mode():
        difference = (ours(x) - baseline(x)).abs().max().item()  # this first run compiles, and is not timed
        times = [(timed(ours, x), timed(baseline, x)) for _ in range(repeats)]
    emg_s = batch * seconds
    return {
        "name": name,
        "batch": batch,
        "seconds": seconds,
        "repeats": repeats,
        "largest_difference": difference,
        "agrees": difference <= tolerance,
        "ours_s": median(a for a, _ in times),
        "baseline_s": median(b for _, b in times),
        "ours_emg_per_s": emg_s / median(a for a, _ in times),
        "baseline_emg_per_s": emg_s / median(b for _, b in times),
        "ratio": median(b / a for a, b in times),
    }


def stream(name: str, seconds: float) -> dict[str, Any]:
    """Times of 20 ms chunks in milliseconds of the processor, after those that fill the left context."""
    network = PAIRS[name][0]()
    draw_weights(network)
    if isinstance(network, Decoder):
        stream, context = network.eval().stream(), network.left_context
    else:
        stream, context = MPFStream(network), network.left_context
    x = noise(1, context + int(seconds * RATE_HZ))[0]
    stream.push(x[:, :context])
    times_ms = [1000 * timed(stream.push, chunk) for chunk in x[:, context:].split(CHUNK, 1)]
    chunk_ms = 1000 * CHUNK / RATE_HZ
    return {
        "name": name,
        "chunks": len(times_ms),
        "p50_ms": float(np.percentile(times_ms, 50)),
        "p99_ms": float(np.percentile(times_ms, 99)),
        "mean_ms": float(np.mean(times_ms)),
        "times_real_time": chunk_ms / float(np.mean(times_ms)),
    }


def memory(minutes: float) -> dict[str, float]:
    """Megabytes of the process that decodes a recording, and of the recording itself."""
    command = [sys.executable, __file__, "--only-memory", "--minutes", str(minutes)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"minutes": minutes, **told}


def peak_memory_mb() -> float:
    """Of this process alone: what `getrusage` tells may be the peak of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return float(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def decode_recording(minutes: float) -> int:
    """Decode that many minutes of gestures and tell the peak."""
    network = DiscreteGestures().eval()
    x = noise(1, int(minutes * 60 * RATE_HZ))
    spent = timed(network, x)
    peak_mb = peak_memory_mb()
    print(json.dumps({"peak_mb": peak_mb, "recording_mb": x.nbytes / 2**20, "decode_s": spent}))
    return 0


def draw_weights(network: nn.Module) -> None:
    """Weights that keep the signal's scale from layer to layer."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, p in network.named_parameters():
            gain = p.ndim == 1 and name.endswith("weight")
            p.normal_(std=0.1 if p.ndim == 1 else p[0].numel() ** -0.5).add_(1.0 if gain else 0.0)


def noise(batch: int, samples: int) -> Tensor:
    return torch.randn(batch, 16, samples, generator=torch.Generator().manual_seed(1))


def timed(run: Callable[[Tensor], Any], x: Tensor) -> float:
    """Seconds of the processor that a run takes."""
    with torch.inference_mode():
        start = time.process_time()
        run(x)
        return time.process_time() - start


def offline_line(row: dict[str, Any]) -> str:
    verdict = "the same" if row["agrees"] else "DIFFERENT"
    return (
        f"offline    {row['name']:16} batch {row['batch']:3}  {1000 * row['ours_s']:8.0f} ms ({row['ours_emg_per_s']:5.0f} s/s)  "
        f"baseline {1000 * row['baseline_s']:8.0f} ms ({row['baseline_emg_per_s']:4.0f} s/s)  {row['ratio']:5.1f} x  "
        f"{verdict} (by {row['largest_difference']:.0e})"
    )


def stream_line(row: dict[str, Any]) -> str:
    return (
        f"streaming  {row['name']:16} 20 ms in {row['p50_ms']:.2f} ms (median), {row['p99_ms']:.2f} ms (99 %); "
        f"{row['times_real_time']:.0f} times real time"
    )


def memory_line(row: dict[str, Any]) -> str:
    return (
        f"memory     {row['minutes']:g} minutes of gestures: {row['peak_mb']:.0f} MB, of which {row['recording_mb']:.0f} MB are "
        f"the recording; decoded in {row['decode_s']:.0f} s of the processor"
    )


def markdown(report: dict[str, Any]) -> str:
    rows = [
        "# Speed of the neuromotor decoders",
        "",
        f"`{report['command']}` on {report['machine']}.",
        "",
        "| offline | batch | ours, ms | EMG s/s | baseline, ms | EMG s/s | ratio | largest difference |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {r['name']} | {r['batch']} | {1000 * r['ours_s']:.0f} | {r['ours_emg_per_s']:.0f} | {1000 * r['baseline_s']:.0f} "
        f"| {r['baseline_emg_per_s']:.0f} | {r['ratio']:.1f} | {r['largest_difference']:.0e} |"
        for r in report["offline"]
    ]
    rows += ["", "| 20 ms streamed | median, ms | 99 %, ms | times real time |", "|---|---|---|---|"]
    rows += [
        f"| {r['name']} | {r['p50_ms']:.2f} | {r['p99_ms']:.2f} | {r['times_real_time']:.0f} |" for r in report["streaming"]
    ]
    if "memory" in report:
        rows += ["", memory_line(report["memory"]).removeprefix("memory").strip() + "."]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
