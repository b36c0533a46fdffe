"""Labels of the wrist decoder are steps of the decimated angle; the error is a velocity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.neuromotor.angles import degrees_per_second, wrist_error_deg_s, wrist_labels, wrist_loss

LAW = settings(derandomize=True, max_examples=30, deadline=None)


def test_published_labels_and_errors(vectors: Path) -> None:
    arrays = np.load(vectors / "wrist_small.npz")
    angles, outputs = torch.from_numpy(arrays["angles"]), torch.from_numpy(arrays["y"])
    torch.testing.assert_close(wrist_labels(angles), torch.from_numpy(arrays["labels"]), rtol=0, atol=0)
    assert float(wrist_loss(outputs, angles)) == pytest.approx(float(arrays["l1"]), abs=1e-7)
    assert wrist_error_deg_s(outputs, angles) == pytest.approx(float(arrays["mae_deg_s"]), abs=1e-3)


@LAW
@given(st.integers(294, 1000), st.floats(-300, 300))
def test_a_steady_turn_gives_steady_steps(rows: int, deg_s: float) -> None:
    angles = torch.deg2rad(deg_s * torch.arange(rows, dtype=torch.float64) / 2000)[None, None]
    labels = wrist_labels(angles)
    assert labels.shape == (1, 1, len(range(253, rows, 40)) - 1)
    still = torch.zeros(1, 1, labels.shape[-1] + 1, dtype=torch.float64)
    assert wrist_error_deg_s(still, angles) == pytest.approx(abs(deg_s), abs=1e-6)
    still[..., 0] = 1e6  # the first output has no step before it
    assert wrist_error_deg_s(still, angles) == pytest.approx(abs(deg_s), abs=1e-6)


def test_the_rate_of_the_outputs_sets_the_velocity() -> None:
    assert degrees_per_second(np.pi / 180) == pytest.approx(50)
    assert degrees_per_second(np.pi / 180, stride=20, rate_hz=1000) == pytest.approx(50)


def test_what_is_too_short_or_does_not_fit_is_named() -> None:
    with pytest.raises(AEMGError, match="at least 294 rows, found 293"):
        wrist_labels(torch.zeros(1, 1, 293))
    with pytest.raises(AEMGError, match=r"\(2, 1, 2\) for these angles, found \(2, 1, 3\)"):
        wrist_loss(torch.zeros(2, 1, 3), torch.zeros(2, 1, 294))
