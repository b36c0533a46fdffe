"""What the neuromotor decoders share: from signal to frames to outputs, settings, heads, saving and loading."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.neuromotor.checkpoint import Checkpoint, child, expect, number, open_checkpoint, read_checkpoint
from aemg.neuromotor.conformer import WindowedAttention
from aemg.neuromotor.mpf import MPF, check_finite

logger = logging.getLogger(__name__)
D = TypeVar("D", bound="Decoder")
N = TypeVar("N", int, Tensor)
State = Any

RELEASED_LICENCE = "CC BY-NC 4.0"
_FILES = ("config.json", "model.safetensors", "README.md")
_AT_ONCE_S = 40.0  # signal, over all items of a batch, that inference turns into frames at once


class Decoder(nn.Module, ABC):
    """A causal network from surface EMG to one output every few samples.

    The signal becomes frames (`front_end`, without state), frames become features (`encode`, with a state that can be
    carried on), features become outputs (`head`). Without gradients a long signal goes through in pieces, so that
    memory stays bounded; the result is that of one piece.

    Every setting of a constructor is an attribute of the same name. A decoder's further attributes:

    Args:
        frame_context, frame_stride: samples that a frame needs before its last one, and from frame to frame.
        left_context, output_stride: the same of outputs; output k ends at sample left_context + k * output_stride.
        lead: zeros before the signal that the first frame needs.
        time_axis: of the output.
        licence: terms of the weights, None for those of one's own.
    """

    HEAD: ClassVar[str]  # name of the last linear layer
    OUTPUTS: ClassVar[str]  # name of the setting that holds its width
    RENAMED: ClassVar[Mapping[str, str]] = {}  # beginnings of names in other ports of the released networks, and ours
    IGNORED: ClassVar[frozenset[str]] = frozenset()  # constants that a state dict may hold besides

    channels: int
    rate_hz: float
    frame_context: int
    frame_stride: int
    left_context: int
    output_stride: int
    lead: int = 0
    time_axis: int = 2

    def __init__(self) -> None:
        super().__init__()
        self.licence: str | None = None
        self.register_load_state_dict_pre_hook(_adapt)  # type: ignore[no-untyped-call]

    @abstractmethod
    def front_end(self, x: Tensor) -> Tensor:
        """Signal (B, C, T) as frames (B, J, F), J = floor((T - frame_context - 1) / frame_stride) + 1."""

    @abstractmethod
    def encode(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Frames (B, J, F) as features (B, N, H), and the state in which later frames go on; None starts afresh."""

    @abstractmethod
    def head(self, features: Tensor) -> Tensor:
        """Features (B, N, H) as outputs in the form that `forward` returns."""

    @abstractmethod
    def stream(self, **options: Any) -> Any:
        """A stream that takes chunks of any length; options as in `aemg.neuromotor.streaming`."""

    @classmethod
    @abstractmethod
    def settings_of(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """Settings of the network whose parameters a checkpoint holds, as far as it tells them."""

    def forward(self, x: Tensor, return_features: bool = False) -> Any:
        """Outputs of a signal, or a dict of "features" (B, N, H), the head's input, and "output".

        Args:
            x: EMG (B, C, T), high-passed and in units of the noise level.

        Raises:
            AEMGError: another shape, values that are not finite, or a signal too short for one output.
        """
        x = self._checked(x)
        features, outputs = [], []
        whole = self.training or torch.is_grad_enabled()
        at_once = None if whole else max(1, int(_AT_ONCE_S * self.rate_hz / self.frame_stride / x.shape[0]))
        padded = functional.pad(x, (self.lead, 0)) if self.lead else x
        stretches = (padded[..., start + self.lead : stop + self.lead] for start, stop in self.spans(x.shape[2], at_once))
        for found in self.features_of(stretches, self.compute_output_lengths(x.shape[2])):
            outputs.append(self.head(found))
            if return_features:
                features.append(found)
        output = _joined(outputs, self.time_axis)
        return {"features": _joined(features, 1), "output": output} if return_features else output

    def spans(self, samples: int, at_once: int | None = None) -> Iterator[tuple[int, int]]:
        """Stretches [start, stop) of a signal that give its frames one after the other; zeros stand for samples before its start.

        Args:
            at_once: frames of a stretch; None for all of them in one.
        """
        frames = count_outputs(samples + self.lead, self.frame_context, self.frame_stride)
        step = at_once or max(1, frames)
        for first in range(0, frames, step):
            last = min(first + step, frames) - 1
            start, stop = first * self.frame_stride, last * self.frame_stride + self.frame_context + 1
            yield start - self.lead, stop - self.lead

    def features_of(self, stretches: Iterable[Tensor], outputs: int) -> Iterator[Tensor]:
        """Features (B, n, H) that each of consecutive stretches (B, C, samples) completes, up to so many in all."""
        state = None
        for stretch in stretches:
            found, state = self.encode(self.front_end(stretch), state)
            found = found[:, :outputs]
            outputs -= found.shape[1]
            yield found

    def _checked(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[1] != self.channels or not x.shape[0]:
            raise AEMGError(f"expected EMG of shape (batch, {self.channels}, samples), found {tuple(x.shape)}")
        if x.is_complex():
            raise AEMGError(f"expected real EMG, found {x.dtype}")
        if x.shape[2] <= self.left_context:
            raise AEMGError(f"expected {self.left_context + 1} samples or more for one output, found {x.shape[2]}")
        x = x.to(next(self.parameters()).dtype)
        if not x.sum().isfinite():  # any NaN or infinity, or so large a sum
            check_finite(x)
        return x

    def compute_output_lengths(self, input_lengths: N) -> N:
        """How many outputs signals of so many samples give, an integer or a tensor of them; 0 for too short ones."""
        return count_outputs(input_lengths, self.left_context, self.output_stride)

    def get_output_shape(self, samples: int | None = None) -> tuple[int, ...]:
        """Shape of what `forward` returns for one item.

        Args:
            samples: of signal; None for as many as the first output needs.
        """
        outputs = self.compute_output_lengths(self.left_context + 1 if samples is None else samples)
        weight = self._last_layer().weight
        with torch.no_grad():
            return tuple(self.head(weight.new_zeros(1, outputs, weight.shape[1])).shape)

    @property
    def n_outputs(self) -> int:
        """Width of the head."""
        return int(getattr(self, self.OUTPUTS))

    def reset_head(self, n_outputs: int) -> None:
        """Puts a fresh head of another width in place; everything else keeps its weights.

        Raises:
            ConfigError: a width below 1.
        """
        check_positive(n_outputs=n_outputs)
        old = self._last_layer()
        parent, _, name = self.HEAD.rpartition(".")
        new = nn.Linear(old.in_features, n_outputs, device=old.weight.device, dtype=old.weight.dtype)
        self.get_submodule(parent)._modules[name] = new
        setattr(self, self.OUTPUTS, n_outputs)

    def _last_layer(self) -> nn.Linear:
        layer = self.get_submodule(self.HEAD)
        assert isinstance(layer, nn.Linear)
        return layer

    def get_config(self) -> dict[str, Any]:
        """Every setting of the constructor, in plain values fit for JSON."""
        return {name: _plain(getattr(self, name)) for name in _settings(type(self))}

    @classmethod
    def from_config(cls: type[D], config: Mapping[str, Any]) -> D:
        """A decoder of these settings with fresh weights.

        Raises:
            ConfigError: a setting that does not exist, or a value that does not fit.
        """
        known = _settings(cls)
        strange = sorted(set(config) - set(known))
        if strange:
            raise ConfigError(f"{cls.__name__} has no setting {', '.join(strange)}; there are {', '.join(known)}")
        try:
            return cls(**config)
        except (TypeError, RuntimeError, OverflowError) as error:
            raise ConfigError(f"the settings {dict(config)} do not fit {cls.__name__}: {error}") from error

    def save_pretrained(self, path: str | Path) -> None:
        """Writes config.json, model.safetensors and a model card README.md into a folder, each in one step.

        Raises:
            OSError: the folder cannot be written.
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        card = {"format": 1, "decoder": type(self).__name__, "licence": self.licence, "settings": self.get_config()}
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in self.state_dict().items()}
        partial = [folder / f"{name}.partial-{os.getpid()}" for name in _FILES]
        partial[0].write_text(json.dumps(card, indent=1) + "\n")
        save_file(tensors, partial[1])
        partial[2].write_text(_model_card(self))
        for name, written in reversed(list(zip(_FILES, partial))):  # config.json last: a folder that has it is whole
            os.replace(written, folder / name)

    @classmethod
    def from_pretrained(cls: type[D], path: str | Path, n_outputs: int | None = None) -> D:
        """Reads what `save_pretrained` wrote, in evaluation mode; nothing is unpickled.

        Args:
            path: a folder, or `user/name` of a model on the Hugging Face Hub.
            n_outputs: width of a fresh head; None keeps the saved one.

        Raises:
            DataFileError: a file is missing or damaged, or does not fit the others, or is of another decoder.
        """
        folder = _local(path)
        card = read_card(folder)
        if card["decoder"] != cls.__name__:
            raise DataFileError(folder / _FILES[0], f"a {cls.__name__} decoder", f"a {card['decoder']} decoder")
        try:
            decoder = cls.from_config(card["settings"])
        except AEMGError as error:
            raise DataFileError(folder / _FILES[0], f"settings of {cls.__name__}", str(error)) from error
        weights = folder / _FILES[1]
        try:
            decoder.load_state_dict(load_file(weights))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise DataFileError(weights, f"the weights that {_FILES[0]} describes", " ".join(str(error).split())) from error
        decoder.licence = card["licence"]
        if n_outputs is not None and n_outputs != decoder.n_outputs:
            decoder.reset_head(n_outputs)
        return decoder.eval()

    @classmethod
    def from_checkpoint(cls: type[D], path: str | Path, n_outputs: int | None = None, **settings: Any) -> D:
        """Reads a Lightning checkpoint of the released kind, in evaluation mode, without unpickling code.

        Sizes come from the shapes of its tensors; what those do not tell, from the description of the network in it,
        else it is as released.

        Args:
            path: of the `.ckpt` file.
            n_outputs: width of a fresh head; None keeps the stored one.
            settings: of the constructor, in place of what the file tells.

        Raises:
            DataFileError: another format, damage, or parameters of another network.
        """
        checkpoint = open_checkpoint(path)
        expected = f"the parameters of {cls.__name__}"
        try:
            decoder = cls.from_config({**cls.settings_of(checkpoint), **settings})
        except KeyError as error:
            raise DataFileError(path, expected, f"none named {error}") from error
        except (ValueError, IndexError, TypeError) as error:
            raise DataFileError(path, expected, f"others ({error})") from error
        try:
            decoder.load_state_dict(checkpoint.tensors)
        except RuntimeError as error:
            raise DataFileError(path, expected, " ".join(str(error).split())) from error
        for name, value in decoder.named_parameters():
            if not value.isfinite().all():
                raise DataFileError(path, "finite parameters", f"NaN or infinity in {name}")
        decoder.licence = RELEASED_LICENCE
        logger.warning("%s: weights released by Meta are under %s, for non-commercial use only", path, RELEASED_LICENCE)
        if n_outputs is not None and n_outputs != decoder.n_outputs:
            decoder.reset_head(n_outputs)
        return decoder.eval()

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | None = None, message: str = "A decoder") -> None:
        """Uploads what `save_pretrained` writes to a model repository of the Hugging Face Hub, made where missing.

        Args:
            repo_id: `user/name`.
            token: of the user; None for the one that is logged in.
            message: of the commit.

        Raises:
            AEMGError: huggingface_hub is not installed.
        """
        hub = _hub()
        hub.create_repo(repo_id, private=private, token=token, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            hub.upload_folder(repo_id=repo_id, folder_path=folder, token=token, commit_message=message)


def load_decoder(path: str | Path, n_outputs: int | None = None) -> Decoder:
    """A saved decoder of whatever kind it is: a folder of `save_pretrained`, a model on the Hub, or a checkpoint file.

    Args:
        path: as of `Decoder.from_pretrained`, or a `.ckpt` file.
        n_outputs: width of a fresh head; None keeps the saved one.

    Raises:
        DataFileError: missing, damaged, or of no known kind.
    """
    from aemg.neuromotor.gestures import DiscreteGestures
    from aemg.neuromotor.handwriting import Handwriting
    from aemg.neuromotor.wrist import Wrist

    kinds: tuple[type[Decoder], ...] = (DiscreteGestures, Wrist, Handwriting)
    if Path(path).is_file():
        names = read_checkpoint(path)
        fitting = [kind for kind in kinds if f"{kind.HEAD}.weight" in names]
        if not fitting:
            raise DataFileError(path, "the parameters of a decoder", f"{', '.join(sorted(names))[:200]}")
        return fitting[0].from_checkpoint(path, n_outputs)
    folder = _local(path)
    name = read_card(folder)["decoder"]
    fitting = [kind for kind in kinds if kind.__name__ == name]
    if not fitting:
        raise DataFileError(folder / _FILES[0], f"one of {', '.join(kind.__name__ for kind in kinds)}", f"{name!r}")
    return fitting[0].from_pretrained(folder, n_outputs)


def lstm_settings(checkpoint: Checkpoint, inputs: int) -> dict[str, Any]:
    """Settings of the LSTM in a checkpoint, which takes so many inputs.

    Raises:
        DataFileError: none there, or of another shape.
    """
    _, hidden = expect(checkpoint, "lstm.weight_hh_l0", None, None)
    expect(checkpoint, "lstm.weight_ih_l0", 4 * hidden, inputs)
    dropout = number(child(checkpoint.network, "lstm"), "dropout")
    return {
        "lstm_hidden": hidden,
        "lstm_layers": sum(name.startswith("lstm.weight_hh_l") for name in checkpoint.tensors),
        **({} if dropout is None else {"lstm_dropout": dropout}),
    }


def read_card(folder: Path) -> dict[str, Any]:
    """What config.json of a saved decoder tells: decoder, licence and settings.

    Raises:
        DataFileError: missing or damaged.
    """
    file = folder / _FILES[0]
    if not file.is_file():
        raise DataFileError(folder, f"a folder with {_FILES[0]} and {_FILES[1]}", f"no {_FILES[0]} there")
    try:
        card = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise DataFileError(file, "the description of a decoder in JSON", str(error)) from error
    if not isinstance(card, dict) or not isinstance(card.get("settings"), dict) or not isinstance(card.get("decoder"), str):
        raise DataFileError(file, "the keys decoder and settings", f"{str(card)[:200]}")
    return {"licence": None, **card}


def check_positive(**sizes: int) -> None:
    """Refuses settings that are no whole numbers of 1 or more, naming them (ConfigError)."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise ConfigError(f"{name} must be a whole number of 1 or more, got {size!r}")


def check_share(**shares: float) -> None:
    """Refuses settings outside [0, 1), naming them (ConfigError)."""
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(f"{name} must lie in [0, 1), got {share!r}")


def count_outputs(samples: N, context: int, stride: int) -> N:
    """How many times a stretch of `context` + 1 samples, moved by `stride`, fits into so many."""
    if isinstance(samples, Tensor):
        return (torch.div(samples - context - 1, stride, rounding_mode="floor") + 1).clamp(min=0)
    return max(0, (samples - context - 1) // stride + 1)


def _joined(pieces: list[Tensor], axis: int) -> Tensor:
    return torch.cat(pieces, axis) if len(pieces) > 1 else pieces[0]


def _adapt(decoder: Decoder, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Names of other ports become ours; constants are ours, whether the state dict holds them or not."""
    for other, ours in decoder.RENAMED.items():
        for name in [name for name in state if name.startswith(prefix + other)]:
            state[prefix + ours + name[len(prefix + other) :]] = state.pop(name)
    for name in decoder.IGNORED:
        state.pop(prefix + name, None)
    for path, module in decoder.named_modules():
        if isinstance(module, MPF | WindowedAttention):
            state.update({f"{prefix}{path}.{name}": constant for name, constant in module.named_buffers()})


def _settings(kind: type[Decoder]) -> list[str]:
    return list(inspect.signature(kind.__init__).parameters)[1:]


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, Iterable) and not isinstance(value, str) else value


def _local(path: str | Path) -> Path:
    """The folder itself, or a copy of the model of that name on the Hub."""
    if Path(path).exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)):
        return Path(path)
    hub = _hub()
    try:
        return Path(hub.snapshot_download(str(path), allow_patterns=list(_FILES)))
    except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
        raise DataFileError(path, "a folder, or the name of a model on the Hub", str(error)) from error


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise AEMGError("the Hub needs huggingface_hub: pip install huggingface_hub") from error
    return huggingface_hub


def _model_card(decoder: Decoder) -> str:
    name, parameters = type(decoder).__name__, sum(p.numel() for p in decoder.parameters())
    terms = f"Weights under {decoder.licence}.\n" if decoder.licence else ""
    return (
        f"---\nlibrary_name: aemg\ntags: [emg, {name}]\n---\n\n# {name}\n\n"
        f"Surface EMG, {decoder.channels} channels at {decoder.rate_hz:g} Hz, to {decoder.n_outputs} outputs every "
        f"{1000 * decoder.output_stride / decoder.rate_hz:g} ms; {parameters} parameters. {terms}\n"
        f"```python\nfrom aemg.neuromotor import {name}\n\ndecoder = {name}.from_pretrained(FOLDER)\n```\n\n"
        "Method: Kaifosh et al., Nature 645:702-711 (2025), doi:10.1038/s41586-025-09255-w.\n"
    )


__all__ = [
    "RELEASED_LICENCE", "Decoder", "check_positive", "check_share", "count_outputs", "load_decoder", "lstm_settings", "read_card",
]
