"""A decoder of finger flexion trained on what virtual users did.

A share of the environments is held out: of them the decoder has seen neither the movements nor the noise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from aemg.config import STRICT
from aemg.errors import AEMGError
from aemg.virtual_user.dataset import FingerData, Progress
from aemg.virtual_user.decoding import Floats, Integers, accuracy
from aemg.virtual_user.networks import FingerNetwork
from aemg.virtual_user.tcn import FingerTCN


@dataclass(frozen=True)
class TrainSettings:
    """How a decoder is trained.

    Args:
        rate: of Adam.
        batch, crop_steps: stretches of a batch and their length.
        epochs: at most; one epoch shows as many steps as there are.
        patience: epochs without progress on the watched environments after which training stops.
        held_out: share of the environments for the final test, and as many again are watched for the early stop.
        minutes: after which training stops in any case.
    """

    __pydantic_config__ = STRICT
    rate: float = 2e-3
    batch: int = 8
    crop_steps: int = 192
    epochs: int = 12
    patience: int = 2
    held_out: float = 0.05
    minutes: float = 30.0


@dataclass(frozen=True)
class TrainResult:
    """How well a decoder learned.

    Args:
        accuracy: share of right answers per finger on held-out environments (5,).
        watched: mean accuracy on the watched environments after every epoch.
        held_out: numbers of the held-out environments.
        seconds: of training.
    """

    accuracy: tuple[float, ...]
    watched: tuple[float, ...]
    held_out: tuple[int, ...]
    seconds: float


def train_decoder(
    network: FingerNetwork,
    data: FingerData,
    settings: TrainSettings | None = None,
    *,
    seed: int = 0,
    keep_scale: bool = False,
    progress: Progress = lambda done, total: None,
) -> TrainResult:
    """Trains a network in place by cross-entropy per finger and keeps the weights of the best epoch.

    Args:
        keep_scale: of its input, where the network is tuned and not trained from scratch.

    Raises:
        AEMGError: too few environments to hold some out, or stretches too short for the network.
    """
    settings = settings or TrainSettings()
    share = max(1, round(settings.held_out * len(data)))
    if len(data) <= 2 * share:
        raise AEMGError(f"of {len(data)} environments none is left to train on when {2 * share} are held out")
    bins = network.bins(settings.crop_steps)
    if not len(bins) or settings.crop_steps > data.flexed.shape[1]:
        raise AEMGError(f"crop_steps does not fit the network or the data of {data.flexed.shape[1]} steps: {settings.crop_steps}")
    rng = np.random.default_rng(seed)
    test, watch, train = np.split(rng.permutation(len(data)), [share, 2 * share])
    begin = time.monotonic()
    if isinstance(network, FingerTCN) and not keep_scale:
        network.standardise(torch.from_numpy(data.amplitudes[train]))
    batches = max(1, len(train) * data.flexed.shape[1] // (settings.batch * len(bins)))
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], settings.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=batches * settings.epochs)
    best, watched, weights = 0.0, [], network.state_dict()
    for epoch in range(settings.epochs):
        network.train()
        for batch in range(batches):
            x, y = _crops(network, data, train, settings, rng)
            loss = functional.binary_cross_entropy_with_logits(network(x), y)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            progress(epoch * batches + batch + 1, settings.epochs * batches)
            if time.monotonic() - begin > 60 * settings.minutes:
                break
        watched.append(float(measure_decoder(network, data.of(watch)).mean()))
        if watched[-1] > best:
            best, weights = watched[-1], {name: value.clone() for name, value in network.state_dict().items()}
        late = len(watched) - 1 - int(np.argmax(watched)) >= settings.patience
        if late or time.monotonic() - begin > 60 * settings.minutes:
            break
    network.load_state_dict(weights)
    found = measure_decoder(network, data.of(test))
    return TrainResult(
        tuple(float(a) for a in found), tuple(watched), tuple(sorted(int(i) for i in test)), time.monotonic() - begin
    )


@torch.inference_mode()
def measure_decoder(network: FingerNetwork, data: FingerData) -> Floats:
    """The share of right answers per finger (5,) over all of the data."""
    network.eval()
    steps = data.flexed.shape[1]
    bins = network.bins(steps)
    found = []
    for i in range(len(data)):
        logits = network(torch.from_numpy(np.ascontiguousarray(data.signal(network.takes, i, 0, steps)))[None])[0]
        found.append(accuracy(logits.sigmoid().numpy(), data.flexed[i, bins]))
    return np.asarray(np.mean(found, axis=0), dtype=np.float32)


def _crops(
    network: FingerNetwork, data: FingerData, environments: Integers, settings: TrainSettings, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random stretches as a batch, and what is wanted at each of the network's answers (B, T', 5)."""
    rows = rng.choice(environments, settings.batch)
    starts = rng.integers(0, data.flexed.shape[1] - settings.crop_steps + 1, settings.batch)
    bins = network.bins(settings.crop_steps)
    x = np.stack([data.signal(network.takes, int(e), int(s), settings.crop_steps) for e, s in zip(rows, starts)])
    y = np.stack([data.flexed[e, s + bins] for e, s in zip(rows, starts)])
    return torch.from_numpy(x), torch.from_numpy(y.astype(np.float32))
