"""Reads the tensors of PyTorch checkpoints without unpickling them: no code of the file, or named in it, runs."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aemg.errors import DataFileError
from aemg.neuromotor.inert_pickle import Inert, InertPickleError, read_inert_pickle

PREFIX = "network."
_DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began before it wrote zip files
_EXPECTED = "a checkpoint of torch.save (a zip file) with a state_dict"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors of a checkpoint, and what it tells of the network they belong to.

    Args:
        path: of the file.
        tensors: by name, without the prefix `network.`.
        network: the inert description of the network object that Lightning stored, if it did.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    network: Inert | None


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """The state dict of a Lightning checkpoint (`*.ckpt`) or of a bare one, names without the prefix `network.`.

    The pickle inside is read as a description: tensors are rebuilt from it, everything else stays inert.

    Raises:
        DataFileError: no such file, another format, damage, or tensors that do not fit their storage.
    """
    return dict(open_checkpoint(path).tensors)


def open_checkpoint(path: str | Path) -> Checkpoint:
    """As `read_checkpoint`, with the description of the stored network.

    Raises:
        DataFileError: as `read_checkpoint`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(512)
        if not zipfile.is_zipfile(path):
            raise DataFileError(path, _EXPECTED, _kind(start))
        with zipfile.ZipFile(path) as archive:
            return _Archive(path, archive).checkpoint()
    except OSError as error:
        raise DataFileError(path, _EXPECTED, error.strerror or str(error)) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, UnicodeError) as error:
        raise DataFileError(path, _EXPECTED, f"a damaged zip file ({error})") from error
    except InertPickleError as error:
        raise DataFileError(path, _EXPECTED, str(error)) from error


def child(module: Inert | None, *names: str) -> Inert | None:
    """The description of a module inside a module's description, or None."""
    for name in names:
        found = attribute(module, "_modules")
        module = found.get(name) if isinstance(found, dict) else None
    return module if isinstance(module, Inert) else None


def attribute(module: Inert | None, name: str) -> Any:
    """What a described module holds under a name, None where it holds nothing."""
    if module is None or not isinstance(module.state, dict):
        return None
    return module.state.get(name)


def number(module: Inert | None, name: str) -> Any:
    """As `attribute` for one sound number, or the first of several; None for anything else."""
    value = attribute(module, name)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int | float) and 0 <= value < 2**31 else None


def expect(checkpoint: Checkpoint, name: str, *shape: int | None) -> tuple[int, ...]:
    """Shape of a tensor of a checkpoint, each extent as given (None for any).

    Raises:
        DataFileError: no such tensor, or one of another shape.
    """
    wanted = f"{name} of shape ({', '.join('any' if n is None else str(n) for n in shape)})"
    tensor = checkpoint.tensors.get(name)
    if tensor is None:
        raise DataFileError(checkpoint.path, wanted, "no tensor of that name")
    if tensor.ndim != len(shape) or any(n not in (None, found) for n, found in zip(shape, tensor.shape)):
        raise DataFileError(checkpoint.path, wanted, f"shape {tuple(tensor.shape)}")
    return tuple(tensor.shape)


def _kind(start: bytes) -> str:
    if start.startswith(_LEGACY):
        return "the format of torch.save before version 1.6; save it again with a newer torch"
    if start[257:262] == b"ustar":
        return "a tar archive; unpack it and give the .ckpt file in it"
    if not start:
        return "an empty file"
    return f"bytes that start with {start[:8]!r}, or a file cut short"


class _Archive:
    """One zip file of torch.save: a pickle, and one member of raw bytes for every storage."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive = path, archive
        members = archive.infolist()
        packed = [member.filename for member in members if member.compress_type != zipfile.ZIP_STORED]
        if packed:
            raise self.wrong("members stored as they are", f"{packed[0]!r} compressed")
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise self.wrong("members that fit into the file", "members that overlap")
        pickles = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise self.wrong(_EXPECTED, f"a zip file with {len(pickles)} members named data.pkl")
        self.root = pickles[0].removesuffix("data.pkl")
        order = f"{self.root}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise self.wrong("little-endian tensors", f"byte order {archive.read(order)[:16]!r}")
        self.storages: dict[tuple[str, torch.dtype], Tensor] = {}

    def wrong(self, expected: str, found: str) -> DataFileError:
        return DataFileError(self.path, expected, found)

    def checkpoint(self) -> Checkpoint:
        content = read_inert_pickle(self.archive.read(f"{self.root}data.pkl"))
        if not isinstance(content, dict):
            raise self.wrong(_EXPECTED, "something else than a dict")
        state = content.get("state_dict", content)
        if not isinstance(state, dict) or not state:
            raise self.wrong(_EXPECTED, "no entries in state_dict")
        if any(isinstance(name, str) and name.startswith(PREFIX) for name in state):
            state = {name[len(PREFIX) :]: value for name, value in state.items() if str(name).startswith(PREFIX)}
        tensors = {str(name): self.tensor(name, value) for name, value in state.items()}
        settings = content.get("hyper_parameters")
        network = settings.get("network") if isinstance(settings, dict) else None
        return Checkpoint(self.path, tensors, network if isinstance(network, Inert) else None)

    def tensor(self, name: object, value: Any) -> Tensor:
        if isinstance(value, Inert) and value.name == "torch._utils._rebuild_parameter" and _arguments(value):
            value = value.made_from[0]
        if not isinstance(name, str) or not isinstance(value, Inert) or value.name != "torch._utils._rebuild_tensor_v2":
            kind = value.name if isinstance(value, Inert) else type(value).__name__
            raise self.wrong("a state_dict of tensors", f"{kind} under {str(name)[:200]!r}")
        arguments = _arguments(value)
        if len(arguments) < 4 or not isinstance(arguments[0], Inert) or arguments[0].name != "storage":
            raise self.wrong(f"a tensor with storage, offset, size and stride under {name!r}", f"{len(arguments)} arguments")
        storage = self.storage(name, arguments[0])
        offset, size, stride = arguments[1], _counts(arguments[2]), _counts(arguments[3])
        if size is None or stride is None or len(size) != len(stride) or _counts((offset,)) is None:
            raise self.wrong(f"a size and stride of whole numbers for {name!r}", "others")
        end = offset + sum((n - 1) * step for n, step in zip(size, stride)) + 1
        if not all(size) or end > len(storage) or math.prod(size) > len(storage):
            found = f"size {size}, stride {stride}, offset {offset}"
            raise self.wrong(f"{name!r} within its storage of {len(storage)} elements", found)
        return storage.as_strided(size, stride, offset)

    def storage(self, name: str, description: Inert) -> Tensor:
        parts = _arguments(description)
        if len(parts) != 5 or parts[0] != "storage" or not isinstance(parts[1], Inert) or not isinstance(parts[2], str):
            raise self.wrong(f"a storage for {name!r}", "another reference")
        _, kind, key, _, elements = parts
        dtype = _DTYPES.get(kind.name)
        if dtype is None:
            raise self.wrong(f"a storage of {name!r} of a known kind", kind.name[:200])
        if (key, dtype) not in self.storages:
            member = f"{self.root}data/{key}"
            try:
                raw = self.archive.read(member)
            except KeyError:
                raise self.wrong(f"the member {member!r} with the values of {name!r}", "none of that name") from None
            if not raw or _counts((elements,)) is None or len(raw) != elements * dtype.itemsize:
                raise self.wrong(f"{member!r} with the {dtype} values of {name!r}", f"{len(raw)} bytes")
            values = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
            self.storages[key, dtype] = values != 0 if dtype is torch.bool else values.view(dtype)
        return self.storages[key, dtype]


def _arguments(value: Inert) -> tuple[Any, ...]:
    return value.made_from if isinstance(value.made_from, tuple) else ()


def _counts(values: Any) -> tuple[int, ...] | None:
    """Values as a tuple of whole numbers of 0 or more that fit 63 bits, None where they are not."""
    if not isinstance(values, tuple) or len(values) > 16:
        return None
    fit = all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 for value in values)
    return values if fit else None


__all__ = ["PREFIX", "Checkpoint", "attribute", "child", "expect", "number", "open_checkpoint", "read_checkpoint"]
