"""Montages: geometry that survives turning, mirroring and dropping electrodes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.signals import Electrode, ElectrodeGroup, Montage, grid, ring

LAWS = settings(deadline=None, max_examples=60, derandomize=True)
angles = st.integers(0, 16 * 360).map(lambda steps: steps / 16)  # exact in binary
rings = st.builds(lambda n, first: ring("band", n, first_deg=first), st.integers(1, 24), angles)


def same_angles(a: Montage, b: Montage) -> bool:
    return all(abs((x - y + 180) % 360 - 180) < 1e-6 for x, y in zip(a.angles_deg, b.angles_deg))


@given(st.integers(1, 64), angles)
@LAWS
def test_a_ring_goes_evenly_around(n: int, first_deg: float) -> None:
    band = ring("band", n, first_deg=first_deg)
    assert band.n_channels == len(band.electrodes) == n
    for i, angle in enumerate(band.angles_deg):
        assert 0 <= angle < 360
        assert (angle - first_deg - i * 360 / n + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@given(rings, angles, angles, st.booleans())
@LAWS
def test_turns_add_up_and_two_mirrors_cancel(band: Montage, a: float, b: float, mirror: bool) -> None:
    assert same_angles(band.turned(a).turned(b), band.turned(a + b))
    assert same_angles(band.turned(a, True).turned(b, True), band.turned(b - a))
    assert same_angles(band.turned(a, mirror).turned(360.0), band.turned(a, mirror))
    assert same_angles(band.turned(0.0), band)


def test_a_mirrored_band_runs_the_other_way() -> None:
    assert ring("band", 4).turned(0.0, mirror=True).angles_deg == (0.0, 270.0, 180.0, 90.0)


def test_a_grid_counts_row_by_row() -> None:
    pad = grid("pad", 2, 3, first_deg=90.0, column_deg=10.0, row_positions=(0.2, 0.4))
    assert pad.angles_deg == (90.0, 100.0, 110.0) * 2
    assert [e.position for e in pad.electrodes] == [0.2] * 3 + [0.4] * 3
    assert [e.name for e in pad.electrodes][:4] == ["r1c1", "r1c2", "r1c3", "r2c1"]


def test_a_grid_needs_a_position_for_every_row() -> None:
    with pytest.raises(AEMGError, match=r"one entry a row \(2\), got 1"):
        grid("pad", 2, 3, column_deg=10.0, row_positions=(0.2,))


@pytest.mark.parametrize("spacing", [0.0, -1.0, 361.0])
def test_a_spacing_outside_the_circle_is_refused(spacing: float) -> None:
    with pytest.raises(AEMGError, match="spacing_deg"):
        ElectrodeGroup("ring", (Electrode("1", 0.0),), spacing)


def test_a_group_without_electrodes_is_refused() -> None:
    with pytest.raises(AEMGError, match="at least one"):
        ElectrodeGroup("ring", (), 45.0)


def two_groups() -> Montage:
    site = ElectrodeGroup("targeted", (Electrode("t1", 120.0, muscle="FCR"), Electrode("t2", 300.0)), 360.0)
    return Montage("mixed", (*ring("band", 4).groups, site), angle_known=True, arm="left")


def test_dropped_channels_go_by_channel_order_across_groups() -> None:
    rest = two_groups().without({1, 4})
    assert [e.name for e in rest.electrodes] == ["1", "3", "4", "t2"]
    assert [g.spacing_deg for g in rest.groups] == [90.0, 360.0]
    assert (rest.name, rest.angle_known, rest.arm) == ("mixed", True, "left")


def test_a_group_that_loses_all_its_electrodes_goes() -> None:
    assert [g.kind for g in two_groups().without({0, 1, 2, 3}).groups] == ["targeted"]


@given(rings, st.sets(st.integers(0, 23)), angles)
@LAWS
def test_dropping_and_turning_commute(band: Montage, dropped: set[int], angle: float) -> None:
    assert band.without(dropped).turned(angle) == band.turned(angle).without(dropped)
    assert band.without(dropped).n_channels == band.n_channels - len(dropped & set(range(band.n_channels)))
