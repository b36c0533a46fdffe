from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader

from aemg.errors import AEMGError, ConfigError
from aemg.neuromotor import mpf as module
from aemg.neuromotor.mpf import MPF, MatrixLogarithm, MPFStream, expand

CASES = ["noise", "burst", "chirp", "min160", "min200", "small", "large", "zeropad"]
SMALL: dict[str, Any] = {"window": 24, "stride": 8, "n_fft": 16, "fft_stride": 4, "bands_hz": [(0, 300), (300, 1000)]}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["kernel", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both forms of the computation."""
    if request.param == "torch":
        monkeypatch.setattr(module, "kernel", None)
    elif module.kernel is None:
        pytest.skip("no numba here")
    return str(request.param)


@pytest.fixture(scope="module")
def arrays(vectors: Path) -> Iterator[Any]:
    with np.load(vectors / "mpf.npz") as file:
        yield file


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("window", [160, 200])
def test_published_frames(arrays: Any, path: str, window: int, case: str) -> None:
    if f"out{window}_{case}" not in arrays:
        pytest.skip("the window is longer than this signal")
    features = MPF(window)(torch.from_numpy(arrays[f"in_{case}"])).numpy()
    expected, spread = arrays[f"out{window}_{case}"], arrays[f"maxabsdiff_f64_{window}_{case}"]
    assert features.shape == expected.shape
    assert np.isfinite(features).all()
    limit = np.maximum(1e-4, 30 * spread)[:, None, None, :] + 1e-4 * np.abs(expected)
    assert ((np.abs(features - expected) <= limit) | (spread >= 1e-3)[:, None, None, :]).all()
    silent = (expected == 0).all((1, 2, 3))
    assert (features.swapaxes(1, -1)[silent] == 0).all()


@pytest.mark.parametrize(("name", "bands"), [("alt_out_nobins", None), ("alt_out_bins", [(0, 125), (125, 500)])])
def test_another_geometry(arrays: Any, path: str, name: str, bands: Any) -> None:
    features = MPF(96, 16, 32, 8, bands, 1000.0)(torch.from_numpy(arrays["alt_in"])).numpy()
    np.testing.assert_allclose(features, arrays[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("window", [160, 200])
def test_published_steps_on_the_way(arrays: Any, window: int) -> None:
    mpf, x = MPF(window), torch.from_numpy(arrays["in_noise"])
    np.testing.assert_array_equal(mpf.window.numpy(), arrays["window"])
    np.testing.assert_array_equal(mpf.freq_masks[0, 0, :, :, 0, 0].numpy(), arrays["freq_masks"])
    assert mpf.freq_masks.shape == (1, 1, 6, 33, 1, 1)
    spectra = mpf.spectra(x)[0, :, :, :12].numpy()
    np.testing.assert_allclose(spectra, arrays["stft_noise_re"] + 1j * arrays["stft_noise_im"], rtol=1e-4, atol=1e-5)
    before = arrays[f"prelog{window}_noise"]  # item, frame, band, C, C
    matrices = mpf.band_matrices(x)[: len(before), ..., : before.shape[1]].movedim(-1, 1).numpy()
    np.testing.assert_allclose(matrices, before, rtol=1e-5)


def test_both_forms_agree_whatever_the_geometry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without channels to pair, without shared transforms, with an odd transform and with transforms left over."""
    if module.kernel is None:
        pytest.skip("no numba here")
    compiled = module.kernel
    for channels, window, stride, n_fft, hop in [(1, 20, 5, 10, 5), (2, 33, 9, 11, 3), (5, 50, 7, 16, 7), (9, 40, 24, 18, 8)]:
        for floor in (None, 1e-3):
            mpf = MPF(window, stride, n_fft, hop, [(0, 500), (100, 1000)], floor=floor)
            x = noise(2, channels, mpf.left_context + 1 + 40 * stride + 3) * torch.logspace(0, 1, channels)[:, None]
            monkeypatch.setattr(module, "kernel", compiled)
            fast = mpf(x)
            monkeypatch.setattr(module, "kernel", None)
            assert fast.shape == (2, 2, channels, channels, 41)
            torch.testing.assert_close(fast, mpf(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("floor", [None, 1e-6])
def test_scaling_adds_to_the_diagonal(path: str, floor: float | None) -> None:
    mpf, x = MPF(floor=floor), noise(1, 16, 400)
    added = (mpf(x * 0.37) - mpf(x)).squeeze(0)  # bands C C J
    expected = 4 * np.log(0.37) * torch.eye(16)[None, :, :, None]
    torch.testing.assert_close(added, expected.expand_as(added).float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("floor", [None, 1e-6])
def test_silence_and_dead_channels(path: str, floor: float | None) -> None:
    mpf, x = MPF(floor=floor), noise(2, 16, 600)
    x[0] = 0
    x[1, 3] = 0
    features = mpf(x)
    assert (features[0] == 0).all()
    assert features.isfinite().all()
    alive = [i for i in range(16) if i != 3]
    if floor is None:
        torch.testing.assert_close(features[1][:, alive][:, :, alive], mpf(x[1:, alive])[0], rtol=1e-4, atol=1e-4)
        assert (features[1, :, 3].abs() < 1e-6).all()
    else:
        trace = mpf.band_matrices(x)[1].diagonal(dim1=1, dim2=2).sum(-1)
        torch.testing.assert_close(features[1, :, 3, 3], (trace * floor).log().float(), rtol=1e-4, atol=1e-4)


def test_the_floor_bounds_the_condition(path: str) -> None:
    matrices = MPF(floor=1e-2)(noise(1, 16, 500) * torch.logspace(0, 3, 16)[:, None]).movedim(-1, 2)
    values = torch.linalg.eigvalsh(matrices.double())
    assert (values[..., -1] - values[..., 0]).max() <= np.log(1e2) + 1e-4


def test_compact_holds_the_upper_triangle(path: str) -> None:
    mpf, x = MPF(**SMALL), noise(2, 3, 60)
    full, compact = mpf(x), mpf.compact(x)
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    for place, (i, k) in enumerate(pairs):
        assert torch.equal(compact[:, :, place], full[:, :, i, k])
        assert torch.equal(compact[:, :, place], full[:, :, k, i])
    assert torch.equal(expand(compact, 3), full)


def test_frames_depend_on_their_own_samples_alone(path: str) -> None:
    mpf, x = MPF(), noise(3, 16, 3000)
    whole = mpf.compact(x)
    assert torch.equal(mpf.compact(x[1:2]), whole[1:2])
    last = mpf.compact(x[..., 7 * 40 : 7 * 40 + 400])
    torch.testing.assert_close(last, whole[..., 7 : 7 + last.shape[-1]], rtol=0, atol=0 if path == "kernel" else 1e-5)


def test_threads_and_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    mpf, x = MPF(), noise(2, 16, 4000)
    whole, threads = mpf.compact(x), torch.get_num_threads()
    monkeypatch.setattr(module, "FRAMES_PER_PIECE", 7)
    torch.set_num_threads(2)
    try:
        assert torch.equal(mpf.compact(x), whole)
    finally:
        torch.set_num_threads(threads)


def test_a_long_signal_in_pieces_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "kernel", None)
    mpf, x = MPF(**SMALL), noise(1, 3, 400)
    whole = mpf(x)
    monkeypatch.setattr(module, "ENTRIES_PER_CHUNK", 500)
    torch.testing.assert_close(mpf(x), whole)


@pytest.mark.parametrize(
    ("window", "samples", "frames"), [(160, 214, 1), (160, 253, 1), (160, 254, 2), (200, 254, 1), (160, 213, 0), (160, 0, 0)]
)
def test_lengths(window: int, samples: int, frames: int) -> None:
    mpf = MPF(window)
    assert mpf.output_length(samples) == frames
    assert mpf.left_context == window + 53
    if frames:
        assert mpf.compact(noise(1, 2, samples)).shape == (1, 6, 3, frames)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=12), st.integers(0, 3))
def test_a_stream_gives_the_offline_frames(lengths: list[int], seed: int) -> None:
    mpf = MPF(**SMALL)
    x = noise(3, sum(lengths) + 40, seed=seed)
    stream = MPFStream(mpf, 3)
    stream.push(noise(3, 35))
    stream.reset()
    edges = [0, *np.cumsum(lengths), x.shape[1]]
    frames = torch.cat([stream.push(x[:, a:b]) for a, b in pairwise(edges)], -1)
    torch.testing.assert_close(frames, mpf.compact(x[None])[0], rtol=0, atol=1e-6)


def test_a_copied_stream_runs_on_by_itself() -> None:
    mpf, x = MPF(**SMALL), noise(3, 100)
    stream = MPFStream(mpf, 3)
    stream.push(x[:, :50])
    other = stream.copy()
    stream.push(noise(3, 9, seed=1))
    frames = other.push(x[:, 50:])
    assert frames.shape[-1] > 1
    torch.testing.assert_close(frames, mpf.compact(x[None])[0, ..., -frames.shape[-1] :])
    with pytest.raises(AEMGError, match="channel 1, sample 2"):
        other.push(torch.tensor([[0.0, 0, 0], [0, 0, torch.inf], [0, 0, 0]]))
    with pytest.raises(AEMGError, match=r"\(3, n\)"):
        other.push(noise(2, 9))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    mpf, x = MPF(), noise(1, 4, 300)
    changed = copy.deepcopy(mpf).to(dtype)
    assert changed.window.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    features = changed(x.to(dtype))
    assert features.dtype == dtype
    torch.testing.assert_close(features.float(), mpf(x.to(dtype).float()), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("floor", [None, 0.05])
def test_the_logarithm_can_be_differentiated(floor: float | None) -> None:
    roots = noise(2, 4, 4).double() * torch.tensor([1, 0.1, 0.01, 1])[:, None]
    assert torch.autograd.gradcheck(lambda r: MatrixLogarithm.apply(r @ r.mT, floor), roots.requires_grad_())


def test_gradients_are_finite() -> None:
    x = noise(2, 16, 600)
    x[0, 3] = 0
    x[1] = 0
    x.requires_grad_()
    MPF()(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[0].any()


def test_pickled_and_in_workers() -> None:
    mpf = pickle.loads(pickle.dumps(MPF(**SMALL)))
    items = [noise(2, 60, seed=seed) for seed in range(2)]
    batch = next(iter(DataLoader(items, batch_size=2, num_workers=1, collate_fn=Collate(mpf), multiprocessing_context="fork")))
    assert torch.equal(batch, mpf.compact(torch.stack(items)))


class Collate:
    def __init__(self, mpf: MPF) -> None:
        self.mpf = mpf

    def __call__(self, items: list[Tensor]) -> Tensor:
        return self.mpf.compact(torch.stack(items))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"window": 60}, "n_fft is 64"),
        ({"n_fft": 1}, "n_fft is 1"),
        ({"fft_stride": 0}, "fft_stride is 0"),
        ({"fft_stride": 70, "stride": 70}, "fft_stride is 70"),
        ({"fft_stride": 50}, "fft_stride is 50"),
        ({"stride": 45}, "stride is 45"),
        ({"bands_hz": [(40, 60)]}, "40, 60"),
        ({"bands_hz": []}, "bands_hz"),
        ({"rate_hz": 0.0}, "rate_hz"),
        ({"floor": 1.0}, "floor is 1.0"),
    ],
)
def test_settings_that_do_not_fit(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        MPF(**change)


def test_signals_that_do_not_fit() -> None:
    mpf = MPF()
    x = noise(2, 4, 300)
    x[1, 2, 40] = torch.inf
    x[1, 3, 17] = torch.nan
    with pytest.raises(AEMGError, match="item 1, channel 3, sample 17 is nan"):
        mpf(x)
    with pytest.raises(AEMGError, match="214 samples, the signal has 213"):
        mpf(noise(1, 4, 213))
    with pytest.raises(AEMGError, match="floating point"):
        mpf(noise(4, 300))
    with pytest.raises(AEMGError, match=r"\(0, 4, 300\)"):
        mpf(noise(0, 4, 300))
    with pytest.raises(AEMGError, match="int16"):
        mpf(torch.zeros(1, 4, 300, dtype=torch.int16))
    assert mpf(torch.full((1, 2, 214), 3e38)).isfinite().all()
