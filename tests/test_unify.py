"""Laws of R(.): sixteen slots from geometry alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.signals import Electrode, ElectrodeGroup, Montage, Provenance, Recording, grid, ring
from aemg.topology import SLOTS, UNIFIED, WAYS, Unified, Worn, slot_weights, unify
from aemg.topology.unify import SLOT_DEG

LAWS = settings(deadline=None, max_examples=60, derandomize=True)
angles = st.integers(0, 64 * 360).map(lambda steps: steps / 64)  # exact in binary


def sites(*places_deg: float) -> Montage:
    electrodes = tuple(Electrode(f"t{i}", angle) for i, angle in enumerate(places_deg))
    return Montage("sites", (ElectrodeGroup("targeted", electrodes, 360.0),), angle_known=True)


bands = st.builds(lambda n, first: ring("band", n, first_deg=first), st.integers(3, 24), angles)
grids = st.builds(
    lambda rows, columns, first: grid(
        "grid", rows, columns, first_deg=first, column_deg=7.5, row_positions=tuple(np.linspace(0.2, 0.4, rows))
    ),
    st.integers(1, 4),
    st.integers(1, 8),
    angles,
)
targeted = st.lists(angles, min_size=1, max_size=6).map(lambda places: sites(*places))
mixed = st.builds(lambda a, b: Montage("mixed", a.groups + b.groups), bands, targeted)
montages = st.one_of(bands, grids, targeted, mixed)


def recording(montage: Montage, samples: int = 400, rate_hz: float = 200.0, seed: int = 0) -> Recording:
    signal = np.random.default_rng(seed).standard_normal((montage.n_channels, samples)).astype(np.float32)
    return Recording(signal, rate_hz, montage, "s1", "1", Provenance("set", "file", "0" * 64, "CC0-1.0"))


def assert_same(a: Unified, b: Unified, order: object = slice(None)) -> None:
    np.testing.assert_array_equal(a.mask, b.mask[order])  # type: ignore[index]
    np.testing.assert_allclose(a.recording.signal, b.recording.signal[order], atol=1e-5)  # type: ignore[index]


@given(montages, st.integers(-40, 40))
@LAWS
def test_a_turn_by_one_slot_rolls_the_slots_by_one(montage: Montage, slots: int) -> None:
    source = recording(montage)
    turned = replace(source, montage=montage.turned(slots * SLOT_DEG))
    rolled = np.roll(np.arange(SLOTS), slots)
    assert_same(unify(turned), unify(source), rolled)
    assert_same(unify(source, turn_deg=slots * SLOT_DEG), unify(turned))


@given(montages)
@LAWS
def test_a_mirrored_band_gives_the_slots_in_reverse(montage: Montage) -> None:
    source = recording(montage)
    assert_same(unify(source, mirror=True), unify(source), -np.arange(SLOTS) % SLOTS)


@given(montages, st.sampled_from(WAYS), st.sampled_from(WAYS))
@LAWS
def test_a_way_of_wearing_is_an_order_of_slots(montage: Montage, worn: Worn, later: Worn) -> None:
    source = recording(montage)
    as_worn = unify(source)
    registered = unify(source, turn_deg=worn.turn_deg, mirror=worn.mirror)
    assert_same(registered, as_worn, worn.order)
    both = worn.then(later)
    assert_same(unify(source, turn_deg=both.turn_deg, mirror=both.mirror), registered, later.order)


@given(montages, st.randoms(use_true_random=False))
@LAWS
def test_the_order_of_channels_does_not_matter(montage: Montage, random: object) -> None:
    source = recording(montage)
    groups, order, first = [], [], 0
    for group in montage.groups:
        own = list(range(len(group.electrodes)))
        random.shuffle(own)  # type: ignore[attr-defined]
        groups.append(replace(group, electrodes=tuple(group.electrodes[i] for i in own)))
        order += [first + i for i in own]
        first += len(own)
    shuffled = replace(source, signal=source.signal[order], montage=replace(montage, groups=tuple(groups)))
    assert_same(unify(shuffled), unify(source))


@given(bands, st.data())
@LAWS
def test_a_dropped_electrode_touches_only_slots_near_it(band: Montage, data: st.DataObject) -> None:
    dropped = data.draw(st.integers(0, band.n_channels - 1))
    source = recording(band)
    kept = [i for i in range(band.n_channels) if i != dropped]
    less = replace(source, signal=source.signal[kept], montage=band.without({dropped}))
    angle, reach = band.angles_deg[dropped], max(band.groups[0].spacing_deg, SLOT_DEG)
    away = np.abs((np.arange(SLOTS) * SLOT_DEG - angle + 180) % 360 - 180) >= reach - 1e-6
    before, after = unify(source), unify(less)
    np.testing.assert_array_equal(after.mask[away], before.mask[away])
    np.testing.assert_allclose(after.recording.signal[away], before.recording.signal[away], atol=1e-5)
    assert not after.recording.signal[~after.mask].any()


def test_the_slot_under_a_dropped_electrode_is_empty() -> None:
    _, mask = slot_weights(UNIFIED.without({3, 9}))
    assert set(np.flatnonzero(~mask)) == {3, 9}
    _, mask = slot_weights(ring("myo", 8).without({2}))
    assert set(np.flatnonzero(~mask)) == {4}


@given(st.integers(0, SLOTS - 1))
@LAWS
def test_a_band_of_sixteen_goes_straight_through(first: int) -> None:
    weights, mask = slot_weights(ring("band", SLOTS, first_deg=first * SLOT_DEG, angle_known=True))
    assert mask.all()
    np.testing.assert_allclose(weights, np.roll(np.eye(SLOTS), first, axis=0), atol=1e-9)
    source = recording(UNIFIED)
    plain = unify(source, 200.0, highpass_hz=None)
    np.testing.assert_array_equal(plain.recording.signal, source.signal)


@given(montages)
@LAWS
def test_weights_have_unit_power_or_none(montage: Montage) -> None:
    weights, mask = slot_weights(montage)
    assert weights.shape == (SLOTS, montage.n_channels)
    assert (weights >= 0).all()
    np.testing.assert_allclose((weights**2).sum(axis=1), mask.astype(float), atol=1e-9)


@given(bands)
@LAWS
def test_a_whole_ring_fills_every_slot(band: Montage) -> None:
    assert slot_weights(band)[1].all()


def test_uncorrelated_channels_keep_their_power() -> None:
    unified = unify(recording(ring("myo", 8), samples=20_000), highpass_hz=None)
    np.testing.assert_allclose(unified.recording.signal.std(axis=1), 1.0, rtol=0.05)


def test_a_targeted_site_fills_its_nearest_slot() -> None:
    _, mask = slot_weights(sites(20.0, 200.0, 358.0))
    assert set(np.flatnonzero(mask)) == {0, 1, 9}


def test_a_targeted_site_between_two_slots_fills_both() -> None:
    _, mask = slot_weights(sites(SLOT_DEG / 2))
    assert set(np.flatnonzero(mask)) == {0, 1}


def test_slots_without_signal_are_zero_and_masked() -> None:
    unified = unify(recording(grid("pad", 2, 3, column_deg=10.0, row_positions=(0.2, 0.3))))
    assert not unified.mask.all()
    assert not unified.recording.signal[~unified.mask].any()
    assert (unified.recording.signal[unified.mask].std(axis=1) > 0).all()


def test_an_envelope_is_refused() -> None:
    with pytest.raises(AEMGError, match=r"set file is an envelope recording.*pre-training"):
        unify(replace(recording(UNIFIED), kind="envelope"))


@pytest.mark.parametrize(
    ("source_hz", "rate_hz", "band_hz", "wanted"),
    [
        (200.0, 2000.0, None, (20.0, 100.0)),
        (2000.0, 200.0, None, (20.0, 100.0)),
        (2000.0, 1000.0, (30.0, 450.0), (30.0, 450.0)),
        (1000.0, 1000.0, (5.0, 500.0), (20.0, 500.0)),
    ],
)
def test_the_band_is_what_the_source_held(
    source_hz: float, rate_hz: float, band_hz: tuple[float, float] | None, wanted: tuple[float, float]
) -> None:
    source = replace(recording(UNIFIED, rate_hz=source_hz), band_hz=band_hz)
    unified = unify(source, rate_hz).recording
    assert unified.band_hz == wanted
    assert (unified.rate_hz, unified.montage) == (rate_hz, UNIFIED)
    assert unified.duration_s == pytest.approx(source.duration_s, abs=1 / rate_hz)


def test_labels_and_provenance_come_along() -> None:
    source = recording(ring("myo", 8))
    unified = unify(source).recording
    assert (unified.subject, unified.session, unified.provenance) == ("s1", "1", source.provenance)


def test_mains_and_offsets_are_taken_out_before_the_slots() -> None:
    source = recording(UNIFIED, samples=4000, rate_hz=1000.0)
    t = np.arange(4000) / 1000.0
    hum = (5 + 3 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
    clean, dirty = (unify(replace(source, signal=s), mains_hz=50.0) for s in (source.signal, source.signal + hum))
    settled = slice(200, -10)
    np.testing.assert_allclose(dirty.recording.signal[:, settled], clean.recording.signal[:, settled], atol=0.02)
