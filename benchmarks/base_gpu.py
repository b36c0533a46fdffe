"""How fast the larger networks train and embed on a GPU, and what share of the GPU's peak that is.

    python benchmarks/base_gpu.py --out results/base-gpu.json
    python benchmarks/base_gpu.py --size base --precision bf16 --batch 64 128 --steps 20

A training step is one of stage 2: the frozen tokenizer's codes, half of the tokens masked, cross entropy over the codes, backward
and AdamW. Inference is the encoder alone. Sentences are noise of `sentence_tokens` tokens, none of it padding. FLOPs are counted
by formula (a multiplication and an addition are two; products, convolutions and attention alone), those of the backward pass
without what no gradient needs; the share of peak is theirs per second of the GPU's stated dense peak at that precision.

Rows are added to --out one by one, and those that are there already are not measured again: run it anew after an interruption.
Without CUDA the counted FLOPs are told, and nothing is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from aemg.features import FEATURES
from aemg.model import AEMG, SIZES, AEMGConfig, SentenceBatch
from aemg.topology import SLOTS
from aemg.training.data import TrainingBatch
from aemg.training.tasks import MaskedCodeTask

MASKED = 0.5
PEAKS_TFLOPS = {  # dense, without sparsity, from NVIDIA's data sheets; fp32 without TF32
    "H200": {"bf16": 989.0, "fp32": 67.0},
    "H100 PCIe": {"bf16": 756.0, "fp32": 51.0},
    "H100": {"bf16": 989.0, "fp32": 67.0},
    "A100": {"bf16": 312.0, "fp32": 19.5},
    "L40S": {"bf16": 362.0, "fp32": 91.6},
    "L4": {"bf16": 121.0, "fp32": 30.3},
}


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    rows: list[dict[str, Any]] = json.loads(args.out.read_text())["rows"] if args.out and args.out.exists() else []
    if not torch.cuda.is_available():
        print("no CUDA device is here: nothing is measured. Counted FLOPs a token:")
        for size in args.size:
            config = AEMGConfig(network=SIZES[size])
            for mode, flops in {"inference": inference_flops, "training": training_flops}.items():
                tokens = config.tokenizer.sentence_tokens
                print(f"{size:6} {mode:10} {flops(config, 1, tokens) / tokens / 1e6:8.1f} MFLOP")
        return 0
    device = torch.cuda.get_device_name()
    for size in args.size:
        for precision in args.precision:
            for mode in ("inference", "training"):
                for batch in args.batch:
                    case = {"device": device, "size": size, "precision": precision, "mode": mode, "batch": batch}
                    if any(case.items() <= row.items() for row in rows):
                        continue
                    rows.append({**case, **measured(size, precision, mode, batch, args.steps, peak(device, precision))})
                    print(line(rows[-1]), flush=True)
                    if args.out:
                        save(args.out, rows, argv)
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python benchmarks/base_gpu.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--size", nargs="+", choices=list(SIZES), default=["base", "large"])
    top.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"])
    top.add_argument("--batch", nargs="+", type=int, default=[1, 16, 64, 256], help="sentences (default 1 16 64 256)")
    top.add_argument("--steps", type=int, default=30, help="timed, after ten that are not (default %(default)s)")
    top.add_argument("--out", type=Path, help="a JSON file for the rows, gone on with where it is there")
    return top


def measured(size: str, precision: str, mode: str, batch: int, steps: int, peak_tflops: float | None) -> dict[str, Any]:
    """One row: milliseconds a step, tokens and FLOPs a second, share of peak, memory."""
    config = AEMGConfig(network=SIZES[size])
    tokens = config.tokenizer.sentence_tokens
    torch.cuda.reset_peak_memory_stats()
    try:
        step = made_step(config, mode, batch, tokens, "cuda", torch.bfloat16 if precision == "bf16" else None)
        times_s = [timed(step) for _ in range(10 + steps)][10:]
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return {"error": "out of memory"}
    flops = (training_flops if mode == "training" else inference_flops)(config, batch, tokens)
    took_s = median(times_s)
    return {
        "step_ms": 1000 * took_s,
        "tokens_per_s": batch * tokens / took_s,
        "tflops": flops / took_s / 1e12,
        "peak_tflops": peak_tflops,
        "share_of_peak": None if peak_tflops is None else flops / took_s / 1e12 / peak_tflops,
        "memory_mb": torch.cuda.max_memory_allocated() / 2**20,
    }


def made_step(
    config: AEMGConfig, mode: str, batch: int, tokens: int, device: str, autocast: torch.dtype | None
) -> Callable[[], None]:
    """A function that trains or embeds one batch of noise."""
    torch.manual_seed(0)
    model = AEMG(config).to(device)
    sentences = noise(config, batch, tokens, device)
    kind = torch.device(device).type

    def embed() -> None:
        with torch.inference_mode(), torch.autocast(kind, autocast, enabled=autocast is not None):
            model.encoder(sentences)

    if mode == "inference":
        model.eval()
        return embed
    with torch.no_grad():
        model.tokenizer.train()
        model.tokenizer.quantise(sentences)  # starts the codebook
    task = MaskedCodeTask(model).to(device).train()
    masked = torch.arange(tokens, device=device).remainder(2).eq(0).expand(batch, tokens)
    example = TrainingBatch(sentences, masked, torch.arange(batch, device=device))
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-4, fused=kind == "cuda")

    def train() -> None:
        with torch.autocast(kind, autocast, enabled=autocast is not None):
            sums = task(example)
        (sums["loss"] / sums["count"]).backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return train


def noise(config: AEMGConfig, batch: int, tokens: int, device: str) -> SentenceBatch:
    """Sentences without padding, of tokens of full length."""
    chance = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance)

    return SentenceBatch(
        waves=normal(batch, tokens, SLOTS, config.token_samples),
        lengths=torch.full((batch, tokens), config.token_samples),
        sigma=normal(batch, tokens, SLOTS),
        features=normal(batch, tokens, SLOTS, len(FEATURES)),
        summary=normal(batch, (1 + len(FEATURES)) * SLOTS),
        source=normal(batch, tokens, 3),
        phase=torch.zeros(batch, tokens, dtype=torch.int64),
        start_s=(torch.arange(tokens) * 0.2).expand(batch, tokens).contiguous(),
        slots=torch.ones(batch, SLOTS, dtype=torch.bool),
        valid=torch.ones(batch, tokens, dtype=torch.bool),
    ).to(device)


def inference_flops(config: AEMGConfig, batch: int, tokens: int, summary: bool = True) -> int:
    """Of the encoder for that many sentences of full tokens."""
    return sum(encoder_flops(config, batch, tokens, summary))


def encoder_flops(config: AEMGConfig, batch: int, tokens: int, summary: bool = True) -> tuple[int, int]:
    """Of the encoder's layers whose input needs no gradient, and of the others."""
    network, n = config.network, batch * tokens
    d, inner = network.width, network.heads * network.head_width
    stride = max(1, round(2 * config.space.rate_hz / 200.0))
    kernel = 2 * (max(3, round(network.kernel * config.space.rate_hz / 200.0)) // 2) + 1
    steps = (config.token_samples + 2 * (kernel // 2) - kernel) // stride + 1
    mixed = (steps + 4 - 5) // 2 + 1
    first = n * steps * SLOTS * kernel * (d // 2)
    first += n * ((2 + len(FEATURES)) * SLOTS + 3 + 2 * 16) * d
    first += batch * (1 + len(FEATURES)) * SLOTS * d if summary else 0
    rows = batch * (1 + tokens)
    block = rows * (4 * d * inner + 2 * d * network.mlp_width + 2 * (1 + tokens) * inner)
    return 2 * first, 2 * (n * (mixed * (d // 2) * 5 * d + 2 * d * d) + network.layers * block)


def training_flops(config: AEMGConfig, batch: int, tokens: int) -> int:
    """Of a stage 2 step: the codes, and the masked encoder with its head forward and backward."""
    network, n = config.network, batch * tokens
    d, code_width = network.width, network.code_width
    codes = inference_flops(config, batch, tokens) + 2 * n * (d * d + code_width * (d + network.codes))
    first, others = encoder_flops(config, batch, tokens, summary=False)
    head = 2 * int(n * MASKED) * d * network.codes
    return codes + 2 * first + 3 * (others + head)


def peak(device: str, precision: str) -> float | None:
    """TFLOP/s, None for a device that is not listed."""
    return next((peaks[precision] for name, peaks in PEAKS_TFLOPS.items() if name in device), None)


def timed(step: Callable[[], None]) -> float:
    """Seconds of one step."""
    torch.cuda.synchronize()
    begun = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def line(row: dict[str, Any]) -> str:
    head = "{size:6} {precision} {mode:10} batch {batch:4}".format(**row)
    if "error" in row:
        return f"{head}  {row['error']}"
    share = "" if row["share_of_peak"] is None else f" ({100 * row['share_of_peak']:.1f} % of peak)"
    return head + "  {step_ms:8.2f} ms {tokens_per_s:12,.0f} tokens/s {tflops:7.1f} TFLOP/s".format(**row) + (
        f"{share} {row['memory_mb']:8.0f} MB"
    )


def save(out: Path, rows: list[dict[str, Any]], argv: Sequence[str] | None) -> None:
    command = " ".join(["python benchmarks/base_gpu.py", *(sys.argv[1:] if argv is None else argv)])
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial")
    partial.write_text(json.dumps({"command": command, "versions": {"torch": torch.__version__}, "rows": rows}, indent=1))
    os.replace(partial, out)


if __name__ == "__main__":
    raise SystemExit(main())
