"""AEMG as a whole: from recordings to embeddings and codes, saved and read back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import aemg
from aemg import AEMG, Montage, Recording
from aemg.corpus import Corpus
from aemg.errors import AEMGError, DataFileError
from aemg.model import AEMGConfig, CanonicalForearm, NetworkConfig, Seen
from aemg.signals import Provenance, ring
from aemg.simulation import SimulatedRecording, simulate_set
from aemg.tokenizer import TokenizerConfig
from aemg.topology import WAYS


@pytest.fixture(scope="module")
def model(runs: Path) -> AEMG:
    return AEMG.from_pretrained(runs / "pretrain" / "model")


@pytest.fixture(scope="module")
def recordings(corpus: Path, people: list[list[SimulatedRecording]]) -> dict[str, Recording]:
    """One recording of each montage and rate."""
    sites = simulate_set(
        "sim-sites", device="quad4", people=1, seed=1, gestures=("hand_close", "hand_open"), repetitions=1, hold_s=1.0
    )
    return {"myo": Corpus(corpus).load(0), "armband10": people[0][0].recording, "quad4": next(iter(sites))}


def still(samples: int = 400) -> Recording:
    origin = Provenance("set", "f", "0" * 64, "CC0-1.0")
    return Recording(np.ones((8, samples), np.float32), 200.0, ring("myo", 8), "s", "1", origin)


def test_the_public_names() -> None:
    assert {"AEMG", "Recording", "Montage"} <= set(aemg.__all__)
    assert aemg.AEMG is AEMG and Montage.__module__.startswith("aemg.")
    with pytest.raises(AttributeError, match="nothing_here"):
        aemg.nothing_here  # noqa: B018


@pytest.mark.parametrize("device", ["myo", "armband10", "quad4"])
def test_any_montage_and_rate(model: AEMG, recordings: dict[str, Recording], device: str) -> None:
    vectors, codes = model.embed(recordings[device]), model.codes(recordings[device])
    assert vectors.shape == (len(codes), model.config.network.width) and len(codes) > 3
    assert torch.isfinite(vectors).all() and codes.dtype == torch.int64
    assert ((codes >= 0) & (codes < model.config.network.codes)).all()


@pytest.mark.parametrize("device", ["myo", "armband10", "quad4"])
@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_the_scale_of_a_recording_does_not_matter(
    model: AEMG, recordings: dict[str, Recording], device: str, factor: float
) -> None:
    source = recordings[device]
    scaled = replace(source, signal=source.signal * np.float32(factor))
    torch.testing.assert_close(model.embed(scaled), model.embed(source), atol=2e-2, rtol=0)
    assert (model.codes(scaled) == model.codes(source)).float().mean() > 0.9


def test_labels_do_not_matter(model: AEMG, recordings: dict[str, Recording]) -> None:
    source = recordings["myo"]
    assert torch.equal(model.embed(replace(source, intervals=())), model.embed(source))


def test_a_way_of_wearing_is_taken_into_account(model: AEMG, recordings: dict[str, Recording]) -> None:
    """Turned by whole electrodes, and told so, the band gives the same."""
    source, worn = recordings["myo"], WAYS[4]  # 90 degrees, two electrodes of a Myo
    turned = replace(source, montage=source.montage.turned(worn.turn_deg))
    torch.testing.assert_close(model.embed(source, worn), model.embed(turned), atol=1e-2, rtol=0)
    assert not torch.allclose(model.embed(source, worn), model.embed(source), atol=1e-2)


def test_a_recording_without_contractions_has_no_row(model: AEMG) -> None:
    assert model.embed(still()).shape == (0, model.config.network.width)
    assert model.codes(still()).shape == (0,) and model.codes(still()).dtype == torch.int64


def test_what_cannot_be_embedded_is_refused(model: AEMG, recordings: dict[str, Recording]) -> None:
    with pytest.raises(AEMGError, match="envelope"):
        model.embed(replace(recordings["myo"], kind="envelope"))
    with pytest.raises(AEMGError):
        model.embed(still(samples=3))
    with pytest.raises(AEMGError, match="codebook has not been trained"):
        AEMG(model.config).codes(recordings["myo"])


def test_long_recordings_are_embedded_piece_by_piece(model: AEMG, recordings: dict[str, Recording]) -> None:
    short = AEMG(replace(model.config, tokenizer=replace(model.config.tokenizer, sentence_tokens=4)))
    short.load_state_dict(model.state_dict())
    whole, pieces = model.embed(recordings["myo"]), short.embed(recordings["myo"])
    assert len(pieces) == len(whole) > 8


def test_embedding_leaves_no_gradient_and_no_trace(model: AEMG, recordings: dict[str, Recording]) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = model.train().embed(recordings["myo"])
    assert not first.requires_grad
    model.codes(recordings["myo"])
    assert torch.equal(model.embed(recordings["myo"]), first)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_saved_model_is_the_same_model(model: AEMG, recordings: dict[str, Recording], tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "a" / "b")
    read = AEMG.from_pretrained(tmp_path / "a" / "b")
    assert (read.config, read.seen, read.stage, read.forearm) == (model.config, model.seen, model.stage, model.forearm)
    assert torch.equal(read.embed(recordings["myo"]), model.embed(recordings["myo"]))
    assert torch.equal(read.codes(recordings["myo"]), model.codes(recordings["myo"]))
    names = {p.name for p in (tmp_path / "a" / "b").iterdir()}
    assert names == {"config.json", "seen.json", "model.safetensors"}
    model.save_pretrained(tmp_path / "a" / "b")  # over an older one


def test_settings_come_along(tiny: NetworkConfig, tmp_path: Path) -> None:
    config = AEMGConfig(tokenizer=TokenizerConfig(on_factor=3.5), network=tiny)
    seen = Seen({"set": ("1", "2")}, frozenset({"0" * 64}), {"set": "CC0-1.0"})
    forearm = CanonicalForearm(("a",), (np.zeros((16, 4)).tolist(),))
    AEMG(config, seen=seen, forearm=forearm, stage="codebook").save_pretrained(tmp_path)
    read = AEMG.from_pretrained(tmp_path)
    assert (read.config, read.seen, read.forearm, read.stage) == (config, seen, forearm, "codebook")
    assert not read.training


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_network(path: Path) -> None:
    card = json.loads(path.read_text())
    card["config"]["network"]["mlp_width"] += 8
    path.write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("config.json", Path.unlink),
        ("config.json", halved),
        ("config.json", lambda path: path.write_text("[]")),
        ("config.json", lambda path: path.write_text("{}")),
        ("config.json", other_network),
        ("seen.json", Path.unlink),
        ("seen.json", halved),
        ("seen.json", lambda path: path.write_text('{"people": 3}')),
        ("model.safetensors", Path.unlink),
        ("model.safetensors", halved),
        ("model.safetensors", lambda path: path.write_bytes(b"")),
    ],
)
def test_damaged_models_say_so(runs: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(runs / "pretrain" / "model", folder)
    damage(folder / name)
    with pytest.raises(DataFileError, match="model"):
        AEMG.from_pretrained(folder)


def test_a_model_of_other_settings_is_refused(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(runs / "pretrain" / "model", folder)
    card = json.loads((folder / "config.json").read_text())
    card["config"]["network"]["from_the_future"] = 1
    (folder / "config.json").write_text(json.dumps(card))
    with pytest.raises(AEMGError, match="from_the_future"):
        AEMG.from_pretrained(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"nowhere.*config\.json"):
        AEMG.from_pretrained(tmp_path / "nowhere")
