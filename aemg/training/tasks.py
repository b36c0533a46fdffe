"""What the first two stages minimise. A task is a module that takes a batch and gives sums, so that processes add up exactly.

Letters: B sentences, N tokens, S slots, L samples.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.model import AEMG, NeuralTokenizer, SentenceBatch
from aemg.model.aemg import SPECTRUM_BANDS
from aemg.model.codebook import perplexity
from aemg.training.config import LossConfig
from aemg.training.data import TrainingBatch

Sums = dict[str, Tensor]


class ReconstructionTask(nn.Module):
    """Stage 1: the loss L_VQ, its middle term replaced by the moving average of the codebook.

    Until `start_codebook` the decoder sees the continuous vectors; a codebook that starts from a trained encoder does not
    collapse onto what a random one happens to show.

    Reconstructed are the z-scored wave, its log band powers and the time-domain features by slot, which the z-score and the
    unified rate took away.
    """

    def __init__(self, tokenizer: NeuralTokenizer, loss: LossConfig) -> None:
        super().__init__()
        self.tokenizer, self.loss = tokenizer, loss
        self._counts = torch.zeros(tokenizer.codebook.entries.shape[0], dtype=torch.int64)

    def forward(self, batch: TrainingBatch) -> Sums:
        """Sums over this process's tokens: loss, its parts, and count."""
        valid = batch.sentences.valid
        projected = self.tokenizer.codebook.normalised(self.tokenizer.encoder(batch.sentences)[0])
        if not self.tokenizer.codebook.started:
            loss, parts = self._reconstruct(batch.sentences, projected)
            return {"loss": loss, "count": valid.sum(), **parts}
        quantised = self.tokenizer.codebook.quantise(projected, valid)
        loss, parts = self._reconstruct(batch.sentences, quantised.vectors)
        if self.training:
            self._counts += torch.bincount(quantised.codes[valid].cpu(), minlength=len(self._counts))
        count = valid.sum()
        return {"loss": loss + quantised.commitment * count, "count": count, **parts}

    def get_extra_state(self) -> Tensor:
        """Code use since the last `health`, (codes + 1,), which a run that goes on needs."""
        return torch.cat([self._counts, torch.tensor([self.tokenizer.codebook.restarts])])

    def set_extra_state(self, state: Tensor) -> None:
        """Takes what `get_extra_state` gave."""
        self._counts, self.tokenizer.codebook.restarts = state[:-1].cpu().clone(), int(state[-1])

    def health(self) -> dict[str, float]:
        """Code use since the last call: perplexity, share of codes used, restarts."""
        counts, restarts = self._counts.clone(), self.tokenizer.codebook.restarts
        self._counts.zero_()
        self.tokenizer.codebook.restarts = 0
        return {
            "perplexity": perplexity(counts),
            "codes_used": float((counts > 0).float().mean()),
            "restarts": float(restarts),
        }

    def gradient_reach(self, batch: TrainingBatch) -> float:
        """Norm of the reconstruction's gradient before the codebook over its norm behind it: 1 for a working
        straight-through, 0 where the encoder learns nothing from the reconstruction."""
        sentences, codebook = batch.sentences, self.tokenizer.codebook
        projected = codebook.normalised(self.tokenizer.encoder(sentences)[0])
        vectors = codebook.quantise(projected, sentences.valid, freeze=True).vectors
        loss, _ = self._reconstruct(sentences, vectors)
        before, behind = torch.autograd.grad(loss, (projected, vectors))
        return float(before[sentences.valid].norm() / behind[sentences.valid].norm().clamp(min=1e-20))

    def start_codebook(self, batch: TrainingBatch, step_tokens: float) -> None:
        """The k-means start of the codebook from one large batch; `step_tokens` are those of a training step."""
        with torch.no_grad():
            tokens, _ = self.tokenizer.encoder(batch.sentences)
            self.tokenizer.codebook(tokens, batch.sentences.valid)
        self.tokenizer.codebook.scale_counts(step_tokens / max(1, int(batch.sentences.valid.sum())))
        self.tokenizer.codebook.restarts = 0

    def _reconstruct(self, sentences: SentenceBatch, vectors: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        time = self.tokenizer.encoder.conditions.at(sentences.start_s).float()
        parts = reconstruction_errors(sentences, *self.tokenizer.decoder(vectors, time, sentences.valid))
        weighted = torch.stack([getattr(self.loss, name) * part for name, part in parts.items()])
        return weighted.sum(), parts


class MaskedCodeTask(nn.Module):
    """Stage 2: the codes of hidden tokens from what is left, by cross entropy. Padding is neither masked nor scored.

    Args:
        temperature: with 8192 codes many are near-synonyms; the target is spread over the codes by their cosine to the true
            one divided by this. None asks for the one code alone.
    """

    def __init__(self, model: AEMG, temperature: float | None = None) -> None:
        super().__init__()
        network = model.config.network
        self._temperature = temperature
        self.encoder = model.encoder
        self.head = nn.Linear(network.width, network.codes)
        self.tokenizer = [model.tokenizer.eval().requires_grad_(False)]  # in a list: frozen, no part of this module

    def forward(self, batch: TrainingBatch) -> Sums:
        """Sums over this process's masked tokens: loss, hits among the first and first five guesses, cosine of
        the first guess to the true code, count."""
        self.tokenizer[0].to(batch.masked.device)
        with torch.no_grad():
            codes = self.tokenizer[0].quantise(batch.sentences).codes
        tokens, _ = self.encoder(batch.sentences, batch.masked)
        logits = self.head(tokens[batch.masked]).float()  # (M, codes)
        target = codes[batch.masked]
        best = logits.topk(5, dim=-1).indices
        return {
            "loss": functional.cross_entropy(logits, self._targets(target), reduction="sum"),
            "count": batch.masked.sum(),
            "accuracy": (best[:, 0] == target).sum(),
            "accuracy_top5": (best == target[:, None]).sum(),
            "cosine": self._cosine(best[:, 0], target).sum(),
        }

    def _targets(self, codes: Tensor) -> Tensor:
        """(M,) codes, or (M, codes) probabilities where synonyms count."""
        if self._temperature is None:
            return codes
        entries = self.tokenizer[0].codebook.entries
        return ((entries[codes] @ entries.T) / self._temperature).softmax(dim=-1)

    def _cosine(self, guess: Tensor, codes: Tensor) -> Tensor:
        """How alike guessed and true codes are, (M,)."""
        entries = self.tokenizer[0].codebook.entries
        return (entries[guess] * entries[codes]).sum(dim=-1)


def reconstruction_errors(
    batch: SentenceBatch, waves: Tensor, spectrum: Tensor, features: Tensor
) -> dict[str, Tensor]:
    """Mean squared errors a token over the slots that carry signal, summed over tokens: wave, spectrum, features."""
    live = (batch.slots[:, None] & batch.valid[..., None]).float()  # (B, N, S)
    slots = live.sum(-1).clamp(min=1)  # (B, N)
    samples = torch.arange(waves.shape[-1], device=waves.device)
    inside = (samples < batch.lengths[..., None, None]).float()  # (B, N, 1, L)
    length = batch.lengths.clamp(min=1).float()
    wave = (((waves - batch.waves) ** 2 * inside).sum(-1) * live).sum(-1) / (slots * length)
    target = log_band_powers(batch.waves, batch.lengths)
    band = (((spectrum - target) ** 2).mean(-1) * live).sum(-1) / slots
    feature = (((features - batch.features) ** 2).mean(-1) * live).sum(-1) / slots
    return {"wave": wave.sum(), "spectrum": band.sum(), "features": feature.sum()}


def log_band_powers(waves: Tensor, lengths: Tensor) -> Tensor:
    """Log of the power in evenly spaced bands from 0 to half the rate: (B, N, S, L) -> (B, N, S, bands)."""
    power = torch.fft.rfft(waves.float(), n=64 if waves.shape[-1] <= 64 else None).abs() ** 2  # (B, N, S, F)
    power = power / lengths.clamp(min=1)[..., None, None]
    edges = torch.linspace(1, power.shape[-1], SPECTRUM_BANDS + 1).round().long().tolist()
    bands = [power[..., a:b].mean(-1) for a, b in itertools.pairwise(edges)]
    return torch.log(torch.stack(bands, dim=-1) + 0.05)
