"""AEMG: the encoder with its neural codebook, from a recording to embeddings and codes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aemg.config import from_mapping, to_mapping
from aemg.errors import AEMGError, DataFileError
from aemg.model.batch import SentenceBatch, collate, stretch_of
from aemg.model.codebook import Codebook, Quantised
from aemg.model.config import AEMGConfig
from aemg.model.network import Decoder, Encoder
from aemg.model.pretrained import weights_folder
from aemg.sessions import SessionKey, tokenise_session
from aemg.signals import Recording
from aemg.topology import Worn

SPECTRUM_BANDS = 6
_EMBED_AT_ONCE = 16  # sentences


@dataclass(frozen=True)
class Seen:
    """What a model was trained on, for the split certificate.

    Args:
        people: by set, the subjects.
        files: sha256 of every file.
        licences: of the sets; the model inherits them.
        restricted: sets of which weights may not be given away freely.
    """

    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    licences: Mapping[str, str] = field(default_factory=dict)
    restricted: tuple[str, ...] = ()

    def __add__(self, other: Seen) -> Seen:
        """Both together."""
        people = {
            name: tuple(sorted({*self.people.get(name, ()), *other.people.get(name, ())}))
            for name in sorted({*self.people, *other.people})
        }
        restricted = tuple(sorted({*self.restricted, *other.restricted}))
        return Seen(people, self.files | other.files, {**self.licences, **other.licences}, restricted)


@dataclass(frozen=True)
class CanonicalForearm:
    """The frame that a model was trained in: mean patterns (K, 16, 4) of movements, as nested lists."""

    labels: tuple[str, ...] = ()
    patterns: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ModelCard:
    """What a saved model says of itself, read without its weights."""

    config: AEMGConfig
    seen: Seen
    forearm: CanonicalForearm
    stage: str

    @classmethod
    def read(cls, path: str | Path) -> ModelCard:
        """The card of a model, by what `weights_folder` takes.

        Raises:
            DataFileError: a file is missing or damaged.
            AEMGError: as `weights_folder`.
        """
        folder = weights_folder(path)
        config_file = folder / "config.json"
        if not config_file.is_file():
            raise DataFileError(folder, "a folder with config.json and model.safetensors", "no config.json there")
        try:
            card = json.loads(config_file.read_text())
            seen = json.loads((folder / "seen.json").read_text())
            return cls(
                from_mapping(AEMGConfig, card["config"], source=str(config_file)),
                Seen(
                    {name: tuple(people) for name, people in seen["people"].items()},
                    frozenset(seen["files"]),
                    seen["licences"],
                    tuple(seen.get("restricted", seen["licences"])),  # an older card does not tell: all of them
                ),
                CanonicalForearm(tuple(card["forearm"]["labels"]), tuple(card["forearm"]["patterns"])),
                card["stage"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, AEMGError):
                raise
            raise DataFileError(folder, "config.json and seen.json of an AEMG model", repr(error)) from error


class NeuralTokenizer(nn.Module):
    """Stage 1: encoder, codebook and the decoder that reconstructs tokens from codes."""

    def __init__(self, config: AEMGConfig, sync: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.codebook = Codebook(config.network, sync)
        self.decoder = Decoder(config, SPECTRUM_BANDS)

    def quantise(self, batch: SentenceBatch) -> Quantised:
        """Codes of a batch's tokens, in their context."""
        tokens, _ = self.encoder(batch)
        return self.codebook(tokens, batch.valid)  # type: ignore[no-any-return]


class AEMG(nn.Module):
    """A pre-trained (or fresh) model.

    Args:
        config: of space, tokenizer and network.
        seen: what it was trained on.
        forearm: the frame it was trained in, which registration brings other sessions to.
        stage: `fresh`, `codebook` (stage 1 done), `masked` (stage 2 done) or `movements` (stage 3 done).
        sync: share the codebook's averages between processes while training.

    >>> model = AEMG.from_pretrained("aemg-tiny")  # doctest: +SKIP
    >>> model.embed(recording).shape               # doctest: +SKIP
    torch.Size([23, 128])
    """

    def __init__(
        self,
        config: AEMGConfig | None = None,
        *,
        seen: Seen | None = None,
        forearm: CanonicalForearm | None = None,
        stage: str = "fresh",
        sync: bool = False,
    ) -> None:
        super().__init__()
        self.config = config or AEMGConfig()
        self.seen, self.forearm, self.stage = seen or Seen(), forearm or CanonicalForearm(), stage
        self.tokenizer = NeuralTokenizer(self.config, sync)
        self.encoder = Encoder(self.config)

    @torch.no_grad()
    def embed(self, recording: Recording, worn: Worn = Worn()) -> Tensor:  # noqa: B008 - a frozen value
        """One vector a contraction, (N, width), in time order; no row for a recording without contractions.

        Args:
            recording: raw EMG of any montage and rate, two energy windows long at least.
            worn: its registration.

        Raises:
            AEMGError: an envelope recording, or too short.
        """
        batches = self._batches(recording, worn)
        self.eval()
        return self._rows([self.encoder(batch)[0][batch.valid] for batch in batches], self.config.network.width)

    @torch.no_grad()
    def codes(self, recording: Recording, worn: Worn = Worn()) -> Tensor:  # noqa: B008 - a frozen value
        """The code of each contraction, (N,) int64.

        Raises:
            AEMGError: as `embed`, or the model has no trained codebook.
        """
        if not self.tokenizer.codebook.started:
            raise AEMGError("this model's codebook has not been trained: run stage 1 (tokenizer) first")
        batches = self._batches(recording, worn)
        self.eval()
        found = [self.tokenizer.quantise(batch).codes[batch.valid] for batch in batches]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)

    def save_pretrained(self, path: str | Path, dtype: Literal["float32", "float16"] = "float32") -> None:
        """Writes config.json, seen.json and model.safetensors into a folder, each in one step.

        Args:
            dtype: that weights are stored in; float16 halves the file and moves a weight w by at most max(|w| / 2048,
                3e-8). A tensor that float16 cannot hold stays as it is.

        Raises:
            OSError: the folder cannot be written.
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        config = {"format": 1, "stage": self.stage, "config": to_mapping(self.config), "forearm": asdict(self.forearm)}
        seen = {**asdict(self.seen), "files": sorted(self.seen.files)}
        tensors = {name: _stored(value.detach().cpu(), dtype) for name, value in self.state_dict().items()}
        partial = folder / f"model.safetensors.partial-{os.getpid()}"
        save_file(tensors, partial)
        os.replace(partial, folder / "model.safetensors")
        (folder / "seen.json").write_text(json.dumps(seen))
        (folder / "config.json").write_text(json.dumps(config, indent=1))

    @classmethod
    def from_pretrained(cls, path: str | Path) -> AEMG:
        """Reads what `save_pretrained` wrote, as float32; nothing is unpickled or fetched.

        Args:
            path: a model's folder, a release file, or a name: "aemg-tiny" is in the package, "aemg-base" is looked for in
                the folder that AEMG_WEIGHTS names; see `weights_folder`.

        Raises:
            DataFileError: a file is missing or damaged, or does not fit the others.
            AEMGError: as `weights_folder`.
        """
        folder = weights_folder(path)
        card = ModelCard.read(folder)
        model = cls(card.config, seen=card.seen, forearm=card.forearm, stage=card.stage)
        weights = folder / "model.safetensors"
        try:
            model.load_state_dict(load_file(weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataFileError(weights, "the weights that config.json describes", str(error)) from error
        return model.eval()

    def _batches(self, recording: Recording, worn: Worn) -> list[SentenceBatch]:
        key = SessionKey(recording.provenance.dataset, recording.subject, recording.session)
        session = tokenise_session(key, [recording], self.config.space, self.config.tokenizer)
        rows, piece = session.tokens, self.config.tokenizer.sentence_tokens
        bounds = [
            (float(rows["start_s"][i]), float(rows["end_s"][min(i + piece, len(rows)) - 1]) + 1e-9)
            for i in range(0, len(rows), piece)
        ]
        stretches = [stretch_of(session, 0, start, end) for start, end in bounds]
        return [
            collate(stretches[i : i + _EMBED_AT_ONCE], [worn] * len(stretches[i : i + _EMBED_AT_ONCE]))
            for i in range(0, len(stretches), _EMBED_AT_ONCE)
        ]

    def _rows(self, found: list[Tensor], width: int) -> Tensor:
        return torch.cat(found) if found else torch.zeros(0, width)


def _stored(value: Tensor, dtype: str) -> Tensor:
    """A tensor as it is written."""
    smaller = value.half() if dtype == "float16" and value.is_floating_point() else value
    return (smaller if smaller.isfinite().all() else value).contiguous().clone()


__all__ = ["AEMG", "CanonicalForearm", "ModelCard", "NeuralTokenizer", "Seen"]
