"""How fast `aemg.model.stream` embeds a signal that comes in, on one core, one signal at a time.

    python benchmarks/embedding_stream.py --seconds 20                              # a first look
    python benchmarks/embedding_stream.py --out results/embedding-stream.json

Bursts of noise are streamed in chunks of 125 and 20 ms. `x real time` is seconds of signal over seconds of the processor;
latencies are by the clock, of the pushes that complete a window (a push that does not only keeps its samples). Memory is that of
the process, and how much it grew over the stream. Weights are fresh unless --model names others: they do not change the speed.
Other work on the machine disturbs both: run it on an idle one.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from aemg.model import AEMG, SIZES, AEMGConfig
from aemg.model.calibration import Calibration
from aemg.model.plain import PlainEncoder, made_up_sentence
from aemg.model.stream import EmbeddingStream, StreamConfig
from aemg.signals import Provenance, Recording, ring

DEVICES = ((8, 200.0), (16, 2000.0))
CHUNKS_S = (0.125, 0.02)
CONFIGS = {
    "windows": StreamConfig(),
    "windows, 1 s of context": StreamConfig(context_s=1.0),
    "windows and contractions": StreamConfig(contraction_context_s=2.0),
}
CALIBRATION_S = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    torch.set_num_threads(1)
    model = AEMG.from_pretrained(args.model) if args.model else AEMG(AEMGConfig(network=SIZES[args.size])).eval()
    report: dict[str, Any] = {
        "command": " ".join(["python benchmarks/embedding_stream.py", *(sys.argv[1:] if argv is None else argv)]),
        "machine": f"one core, {platform.machine()}, torch {torch.__version__}, numpy {np.__version__}",
        "model": args.model or args.size,
        "compiled": PlainEncoder.fits(model.encoder, model.config.token_samples),
        "encoder": [encoder(model, tokens) for tokens in (0, 2, 8)],
        "stream": [],
    }
    for row in report["encoder"]:
        print("encoder  {tokens:2} tokens: {stream_us:5.0f} us in a stream, {torch_us:5.0f} us in PyTorch".format(**row))
    print(f"{'':26}channels   rate  chunk  x real time   p50 ms   p99 ms   memory MB (grown)")
    for channels, rate_hz in DEVICES:
        for name, config in CONFIGS.items():
            for chunk_s in CHUNKS_S:
                row = {"what": name, **stream(model, config, channels, rate_hz, chunk_s, args.seconds)}
                report["stream"].append(row)
                print(
                    "{what:26}{channels:8} {rate_hz:6g} {chunk_ms:4.0f}ms {times_real_time:12.0f} {p50_ms:8.2f} {p99_ms:8.2f} "
                    "{memory_mb:8.0f} ({grown_mb:.1f})".format(**row),
                    flush=True,
                )
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python benchmarks/embedding_stream.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--seconds", type=float, default=120.0, help="of signal a row (default %(default)s)")
    top.add_argument("--size", choices=list(SIZES), default="tiny", help="of the fresh network (default %(default)s)")
    top.add_argument("--model", help="a model's name or folder instead")
    top.add_argument("--out", type=Path, help="a JSON file for the table")
    return top


def encoder(model: AEMG, tokens: int, repeats: int = 200) -> dict[str, Any]:
    """One sentence through the stream's encoder and through the model's own, in microseconds (medians)."""
    batch = made_up_sentence(tokens, model.config.token_samples)
    plain = EmbeddingStream(model, calibration(model, *DEVICES[0])).encoder
    with torch.inference_mode():
        ours, own = plain(batch)[1], model.encoder(batch)[1]
        return {
            "tokens": tokens,
            "stream_us": median_us(lambda: plain(batch), repeats),
            "torch_us": median_us(lambda: model.encoder(batch), repeats),
            "largest_difference": (ours - own).abs().max().item(),
        }


def stream(
    model: AEMG, config: StreamConfig, channels: int, rate_hz: float, chunk_s: float, seconds: float
) -> dict[str, Any]:
    signal = bursts(channels, rate_hz, seconds)
    flow = EmbeddingStream(model, calibration(model, channels, rate_hz), config)
    flow.push(signal[:, : round(2 * rate_hz)])  # the first windows allocate what the others use
    size = round(chunk_s * rate_hz)
    chunks = [signal[:, i : i + size] for i in range(round(2 * rate_hz), signal.shape[1] - size + 1, size)]
    process = psutil.Process()
    before = process.memory_info().rss
    took_ms, windows = [], 0
    started = time.process_time()
    for chunk in chunks:
        begun = time.perf_counter()
        found = len(flow.push(chunk).windows)
        if found:
            took_ms.append(1000 * (time.perf_counter() - begun))
        windows += found
    spent_s = time.process_time() - started
    after = process.memory_info().rss
    return {
        "channels": channels,
        "rate_hz": rate_hz,
        "chunk_ms": 1000 * size / rate_hz,
        "windows": windows,
        "times_real_time": len(chunks) * size / rate_hz / spent_s,
        "p50_ms": float(np.percentile(took_ms, 50)),
        "p99_ms": float(np.percentile(took_ms, 99)),
        "memory_mb": after / 2**20,
        "grown_mb": (after - before) / 2**20,
    }


def calibration(model: AEMG, channels: int, rate_hz: float) -> Calibration:
    source = Provenance("made up", "bursts", "0" * 64, "none")
    recording = Recording(bursts(channels, rate_hz, CALIBRATION_S), rate_hz, ring("band", channels), "1", "1", source)
    return Calibration.of([recording], model.config)


def bursts(channels: int, rate_hz: float, seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise that is twelve times as loud for one second in two."""
    n = round(seconds * rate_hz)
    loud = np.where(np.arange(n) / rate_hz % 2.0 < 1.0, 1e-5, 1.2e-4)
    return (np.random.default_rng(0).normal(size=(channels, n)) * loud).astype(np.float32)


def median_us(run: Callable[[], object], repeats: int) -> float:
    took = []
    for _ in range(repeats):
        begun = time.perf_counter()
        run()
        took.append(time.perf_counter() - begun)
    return float(np.median(took)) * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
