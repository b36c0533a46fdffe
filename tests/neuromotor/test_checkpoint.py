"""Checkpoints are read as descriptions: what they hold comes out, what they would do does not happen."""

from __future__ import annotations

import logging
import os
import pickle
import struct
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.neuromotor.checkpoint import read_checkpoint
from aemg.neuromotor.decoder import RELEASED_LICENCE, Decoder, load_decoder
from aemg.neuromotor.gestures import DiscreteGestures
from aemg.neuromotor.handwriting import Handwriting
from aemg.neuromotor.inert_pickle import Inert, InertPickleError, read_inert_pickle
from aemg.neuromotor.wrist import Wrist

MOCKS: tuple[tuple[str, type[Decoder], int, int, tuple[int, ...]], ...] = (
    ("discrete_gestures", DiscreteGestures, 20, 15_361, (1, 9, 1998)),
    ("wrist", Wrist, 14, 10_791, (1, 1, 494)),
    ("handwriting", Handwriting, 473, 76_282, (1, 1, 100)),
)
TINY: dict[type[Decoder], dict[str, Any]] = {
    DiscreteGestures: {"conv_channels": 6, "kernel": 11, "stride": 5, "lstm_hidden": 4, "lstm_layers": 1, "classes": 3},
    Wrist: {"hidden": (5, 7), "lstm_hidden": 4, "lstm_layers": 3, "outputs": 2, "adjacent": 2},
    Handwriting: {"width": 16, "ffn": 6, "hidden_dims": (8,), "windows": (8,) * 14 + (0,), "kernel": (4,) * 14 + (0,)},
}


def mock_file(mock: Path, task: str) -> Path:
    return mock / "checkpoints" / f"{task}_tiny.ckpt"


def gestures() -> DiscreteGestures:
    torch.manual_seed(0)
    return DiscreteGestures(**TINY[DiscreteGestures])


def lightning(decoder: Decoder) -> dict[str, Any]:
    return {"epoch": 3, "state_dict": OrderedDict((f"network.{name}", value) for name, value in decoder.state_dict().items())}


# ---------------------------------------------------------------- sound files


@pytest.mark.parametrize("task, kind, entries, elements, shape", MOCKS)
def test_released_layout_loads_and_runs(
    mock: Path,
    task: str,
    kind: type[Decoder],
    entries: int,
    elements: int,
    shape: tuple[int, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = mock_file(mock, task)
    tensors = read_checkpoint(path)
    assert (len(tensors), sum(value.numel() for value in tensors.values())) == (entries, elements)
    with caplog.at_level(logging.WARNING):
        decoder = kind.from_checkpoint(path)
    assert [RELEASED_LICENCE in record.getMessage() for record in caplog.records] == [True]
    assert decoder.licence == RELEASED_LICENCE and not decoder.training
    assert set(decoder.state_dict()) == set(tensors)
    for name, value in decoder.state_dict().items():
        torch.testing.assert_close(value, tensors[name].to(value.dtype), atol=1e-6, rtol=0)
    with torch.no_grad():
        assert tuple(decoder(torch.randn(1, 16, 20_000)).shape) == shape
    assert type(load_decoder(path)) is kind


def test_what_shapes_do_not_tell_comes_from_the_stored_network(mock: Path) -> None:
    decoder = Handwriting.from_checkpoint(mock_file(mock, "handwriting"))
    told = decoder.get_config()
    assert told["strides"] == [1, 1, 1, 1, 2] * 2 + [1] * 5 and told["windows"] == [16] * 10 + [8] * 5
    assert (told["heads"], told["dropout"], told["width"], told["ffn"], told["mpf_window"]) == (4, 0.1, 16, 24, 160)
    assert Handwriting.from_checkpoint(mock_file(mock, "handwriting"), heads=2).heads == 2
    assert DiscreteGestures.from_checkpoint(mock_file(mock, "discrete_gestures"), n_outputs=4).n_outputs == 4


@pytest.mark.parametrize("kind", list(TINY))
@pytest.mark.parametrize("bare", [False, True])
def test_checkpoints_of_other_sizes_give_the_same_network(kind: type[Decoder], bare: bool, tmp_path: Path) -> None:
    decoder = kind(**TINY[kind]).eval()
    torch.save(decoder.state_dict() if bare else lightning(decoder), tmp_path / "a.ckpt")
    settings = {"stride": 5} if kind is DiscreteGestures else {}
    again = kind.from_checkpoint(tmp_path / "a.ckpt", **settings)
    x = torch.randn(1, 16, decoder.left_context + 1 + 3 * decoder.output_stride)
    with torch.no_grad():
        assert torch.equal(again(x), decoder(x))


def test_parameters_of_any_layout_and_kind(tmp_path: Path) -> None:
    base = torch.randn(4, 6)
    state = {
        "parameter": torch.nn.Parameter(base),
        "view": base[1:3, ::2],
        "transposed": base.T,
        "half": base.half(),
        "bfloat": base.bfloat16(),
        "double": base.double(),
        "bool": base > 0,
        "long": torch.arange(3),
        "byte": torch.arange(3, dtype=torch.uint8),
        "scalar": torch.tensor(2.5),
    }
    torch.save({"state_dict": state, "other": Counter("aab")}, tmp_path / "a.pt")
    found = read_checkpoint(tmp_path / "a.pt")
    assert list(found) == list(state)
    for name, value in state.items():
        assert found[name].dtype == value.dtype and torch.equal(found[name], value)


# ---------------------------------------------------------------- files that would do something


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts

    def __call__(self) -> None:
        """For pickle, which wants a function to be one."""


def touch(path: Path) -> None:
    path.write_text("ran")


GADGETS: dict[str, Callable[[Path], Any]] = {
    "os.system": lambda ran: Calls(os.system, f"touch {ran}"),
    "eval": lambda ran: Calls(eval, f"open({str(ran)!r}, 'w').close()"),
    "exec": lambda ran: Calls(exec, f"open({str(ran)!r}, 'w').close()"),
    "open": lambda ran: Calls(open, str(ran), "w"),
    "a call with a state": lambda ran: Calls(partial, touch, state=(touch, (ran,), {}, {})),
    "a call through partial": lambda ran: Calls(Calls(partial, os.system, f"touch {ran}")),
    "a nested call": lambda ran: [{"a": (Calls(getattr, Calls(__import__, "os"), "system"),)}, Calls(touch, ran)],
}


@pytest.mark.parametrize("gadget", list(GADGETS))
@pytest.mark.parametrize("place", ["hyper_parameters", "state_dict", "root"])
def test_nothing_in_a_checkpoint_runs(gadget: str, place: str, tmp_path: Path) -> None:
    ran, path = tmp_path / "ran", tmp_path / "bad.ckpt"
    bad = GADGETS[gadget](ran)
    content: Any = lightning(gestures())
    if place == "root":
        content = bad
    elif place == "hyper_parameters":
        content[place] = {"network": bad}
    else:
        content[place]["network.conv_layer.bias"] = bad
    torch.save(content, path)
    if place == "hyper_parameters":
        decoder = DiscreteGestures.from_checkpoint(path, stride=5)
        assert torch.equal(decoder.projection.weight, gestures().projection.weight)
    else:
        with pytest.raises(DataFileError, match=r"bad\.ckpt: expected"):
            DiscreteGestures.from_checkpoint(path)
    assert not ran.exists()


@pytest.mark.parametrize("gadget", list(GADGETS))
@pytest.mark.parametrize("protocol", range(6))
def test_a_description_of_a_call_is_inert(gadget: str, protocol: int, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    found = read_inert_pickle(pickle.dumps(GADGETS[gadget](ran), protocol))
    assert isinstance(found, Inert | list)
    assert not ran.exists()


@pytest.mark.parametrize("gadget", ["os.system", "eval", "exec", "a call through partial"])
def test_an_ordinary_unpickler_does_run_them(gadget: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    pickle.loads(pickle.dumps(GADGETS[gadget](ran)))
    assert ran.exists()


def test_attributes_of_the_reader_cannot_be_set() -> None:
    before = dict(vars(read_inert_pickle))
    data = b"\x80\x04caemg.neuromotor.inert_pickle\nread_inert_pickle\nN}\x8c\x08__code__K\x01s\x86b."
    assert read_inert_pickle(data).state == (None, {"__code__": 1})
    assert vars(read_inert_pickle) == before and callable(read_inert_pickle)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    ),
    st.integers(3, 5),  # older ones write bytes as the call of a codec
)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_plain_values_come_out_as_they_are(value: Any, protocol: int) -> None:
    assert read_inert_pickle(pickle.dumps(value, protocol)) == value


@given(st.binary(max_size=60))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_any_bytes_give_a_description_or_an_error(data: bytes) -> None:
    for whole in (data, b"\x80\x02" + data, b"}(" + data + b"u."):
        try:
            read_inert_pickle(whole)
        except InertPickleError:
            continue


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02" + b")" + b"\x85" * 100_000 + b".",  # tuples in tuples
        b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.",  # as a key, which a dict would hash
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",  # lists in lists
        b"\x80\x02]q\x00h\x00a.",  # a list in itself
        b"\x80\x02}]K\x01s.",  # a list as a key
    ],
)
def test_deep_descriptions_do_no_harm(data: bytes) -> None:
    assert read_inert_pickle(data) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02(.",
        b"\x80\x02h\x07.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02\x82\x01.",
        b"\x80\x05\x97.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
        b"\x80\x04\x8d" + b"\xff" * 8 + b".",
        b"\x80\x02}(K\x01u.",
    ],
)
def test_damaged_descriptions_are_refused(data: bytes) -> None:
    with pytest.raises(InertPickleError):
        read_inert_pickle(data)


# ---------------------------------------------------------------- damaged files


def rewritten(path: Path, target: Path, change: Callable[[str, bytes], bytes | None], compress: int = zipfile.ZIP_STORED) -> Path:
    """A copy of a checkpoint with members changed, or left out where None."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", compress) as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.save(lightning(gestures()), tmp_path / "sound.ckpt")
    return tmp_path / "sound.ckpt"


def refused(path: Path, match: str = "") -> None:
    with pytest.raises(DataFileError, match=rf"{path.name}: expected .*, found .*{match}"):
        DiscreteGestures.from_checkpoint(path)


def test_other_files_are_refused_by_name(tmp_path: Path, saved: Path) -> None:
    path = tmp_path / "other"
    refused(path, "No such file")
    refused(tmp_path)
    for content, found in ((b"", "an empty file"), (b"hello", "hello"), (b"\0" * 257 + b"ustar" + b"\0" * 300, "tar archive")):
        path.write_bytes(content)
        refused(path, found)
    torch.save(gestures().state_dict(), path, _use_new_zipfile_serialization=False)
    refused(path, "before version 1.6")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path, "0 members named data.pkl")
    for content in (
        [1],
        {},
        {"state_dict": {}},
        {"state_dict": [1]},
        {"state_dict": {"a": 1}},
        {"a": torch.ones(2), 3: torch.ones(2)},
    ):
        torch.save(content, path)
        refused(path)


def test_parameters_of_another_network_are_refused(tmp_path: Path, mock: Path) -> None:
    for task, kind, *_ in MOCKS:
        for other in TINY:
            if other is not kind:
                with pytest.raises(DataFileError, match="expected"):
                    other.from_checkpoint(mock_file(mock, task))
    state = gestures().state_dict()
    for name in ("lstm.weight_ih_l0", "projection.bias", "conv_layer.weight", "post_conv_layer_norm.weight"):
        torch.save({key: value for key, value in state.items() if key != name}, tmp_path / "a.ckpt")
        refused(tmp_path / "a.ckpt")
        torch.save({**state, name: torch.ones(7)}, tmp_path / "a.ckpt")
        refused(tmp_path / "a.ckpt")
    torch.save({**state, "strange": torch.ones(2)}, tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt", "strange")
    torch.save({**state, "projection.bias": torch.full((3,), torch.nan)}, tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt", "NaN or infinity in projection.bias")
    torch.save({"x": torch.ones(2)}, tmp_path / "a.ckpt")
    with pytest.raises(DataFileError, match="parameters of a decoder"):
        load_decoder(tmp_path / "a.ckpt")


@given(st.integers(0, 10**9))
@settings(derandomize=True, max_examples=25, deadline=None)
def test_truncated_files_are_refused(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.ckpt"
    torch.save(lightning(gestures()), path)
    data = path.read_bytes()
    path.write_bytes(data[: cut % len(data)])
    refused(path)


@given(st.integers(0, 10**9), st.integers(1, 255))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_flipped_bytes_are_found_or_do_not_matter(tmp_path_factory: pytest.TempPathFactory, place: int, flip: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "a.ckpt"
    torch.save(gestures().state_dict(), path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= flip
    path.write_bytes(data)
    try:
        found = read_checkpoint(path)
    except DataFileError:
        return
    assert all(torch.equal(found[name], value) for name, value in gestures().state_dict().items())


def test_members_that_do_not_fit_are_refused(saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "changed.ckpt"
    refused(rewritten(saved, target, lambda name, data: None if name.endswith("data/3") else data), "none of that name")
    refused(rewritten(saved, target, lambda name, data: data[:-4] if name.endswith("data/3") else data), "bytes")
    refused(rewritten(saved, target, lambda name, data: b"" if name.endswith("data/3") else data), "0 bytes")
    refused(rewritten(saved, target, lambda name, data: b"big" if name.endswith("byteorder") else data), "byte order")
    refused(rewritten(saved, target, lambda name, data: data[:-30] if name.endswith("data.pkl") else data), "pickle")
    refused(rewritten(saved, target, lambda _, data: data, zipfile.ZIP_DEFLATED), "compressed")


def test_a_bomb_is_refused_before_it_is_unpacked(saved: Path, tmp_path: Path) -> None:
    def big(name: str, data: bytes) -> bytes:
        return bytes(50_000_000) if name.endswith("data/3") else data

    refused(rewritten(saved, tmp_path / "bomb.ckpt", big, zipfile.ZIP_DEFLATED), "compressed")


def tensor_pickle(size: tuple[int, ...], stride: tuple[int, ...], offset: int, elements: int) -> bytes:
    """The pickle of a state dict with one tensor, written out so that the numbers may be any."""

    def whole(value: int) -> bytes:
        data = value.to_bytes(16, "little", signed=True)
        return b"\x8a" + bytes([len(data)]) + data

    def several(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(whole, values)) + b"t"

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + whole(elements) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + whole(offset) + several(size) + several(stride) + b"\x89}tR"
    return b"\x80\x02}" + text("a") + tensor + b"s."


@pytest.mark.parametrize(
    "size, stride, offset, elements, sound",
    [
        ((2, 3), (3, 1), 0, 6, True),
        ((2, 2), (1, 2), 2, 6, True),
        ((2, 3), (3, 1), 1, 6, False),
        ((7,), (1,), 0, 6, False),
        ((2, 3), (4, 1), 0, 6, False),
        ((10**9, 10**9), (0, 0), 0, 6, False),
        ((7,), (0,), 0, 6, False),
        ((2**62, 4), (1, 2**62), 0, 6, False),
        ((2**40, 0), (1, 1), 0, 6, False),
        ((-1,), (1,), 0, 6, False),
        ((2,), (-1,), 3, 6, False),
        ((2,), (1,), -1, 6, False),
        ((2, 3), (3,), 0, 6, False),
        ((2,), (1,), 0, 2**62, False),
        ((2,), (1,), 0, -6, False),
        ((2,), (2**100,), 0, 6, False),
        ((1,) * 100, (1,) * 100, 0, 6, False),
    ],
)
def test_tensors_stay_within_their_storage(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int, elements: int, sound: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.pt"
    values = torch.arange(6, dtype=torch.float32)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", tensor_pickle(size, stride, offset, elements))
        archive.writestr("archive/data/0", values.numpy().tobytes())
    if sound:
        assert torch.equal(read_checkpoint(path)["a"], values.as_strided(size, stride, offset))
    else:
        with pytest.raises(DataFileError, match="expected"):
            read_checkpoint(path)


def test_a_lying_network_gives_an_error_or_the_released_settings(tmp_path: Path) -> None:
    """The stored network's numbers are only believed where they are sound."""

    def described(**attributes: Any) -> Any:
        return Calls(torch.nn.Module.__new__, torch.nn.Module, state=attributes)

    lies: list[Any] = [10**30, -1, "many", None, (), [[1]], (10**30,), 0.5, float("nan"), {"a": 1}]
    for lie in lies:
        network = described(
            _modules={"conv_layer": described(stride=lie), "dropout": described(p=lie), "lstm": described(dropout=lie)}
        )
        torch.save({**lightning(gestures()), "hyper_parameters": {"network": network}}, tmp_path / "a.ckpt")
        try:
            decoder = DiscreteGestures.from_checkpoint(tmp_path / "a.ckpt")
        except DataFileError:
            continue
        assert decoder.stride == 10 and decoder.dropout in (0.1, 0.5)


def test_settings_of_the_caller_are_checked(saved: Path) -> None:
    with pytest.raises(AEMGError, match="strange"):
        DiscreteGestures.from_checkpoint(saved, strange=1)
    with pytest.raises(ConfigError, match="n_outputs"):
        DiscreteGestures.from_checkpoint(saved, n_outputs=0)
