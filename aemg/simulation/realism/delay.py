"""How long the force of the hand's muscles lags behind the EMG. Needs the extra `aemg[simulation]`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from aemg.simulation import hand
from aemg.simulation.anatomy import MUSCLE_INDEX, Person
from aemg.simulation.muap import RENDER_RATE_HZ, Electrodes, bank
from aemg.simulation.pool import CONTROL_RATE_HZ, discharge
from aemg.simulation.realism.measures import delay_s
from aemg.simulation.realism.volume import with_muscles
from aemg.simulation.render import render

Floats = NDArray[np.float64]
_MUSCLE, _PEAK, _PULSES = "FDS3", 0.5, 10
_PULSE_S = 0.4
_ENVELOPE_HZ = 10.0


def delay_of_force_s(person: Person, rng: np.random.Generator) -> float:
    """Shift between EMG amplitude and force of FDS3 over ten pulses a second apart from rest to half the maximum.

    The force is the activation of the hand's muscle, to which it is proportional at a fixed length; amplitude is the rectified
    EMG above the muscle, smoothed both ways at 10 Hz. The shift is where their correlation is largest.

    Raises:
        AEMGError: MuJoCo or the hand is not installed.
    """
    model = hand.hand_model("fixed", timestep_s=1 / CONTROL_RATE_HZ)
    hands = hand.Hands(model, 1)
    times = np.arange(round(_PULSES * CONTROL_RATE_HZ)) / CONTROL_RATE_HZ
    drive = _PEAK * np.where(times % 1 < _PULSE_S, np.sin(np.pi * (times % 1) / _PULSE_S), 0.0)
    at = model.muscles.index(_MUSCLE)
    excitation, force = np.zeros((1, len(model.muscles))), np.empty(len(times))
    for i, value in enumerate(drive):
        excitation[0, at] = value
        hands.step(excitation, 1)
        force[i] = hands.activation[0, at]
    amplitude = _amplitude(with_muscles(person, _MUSCLE), drive, rng)
    return delay_s(amplitude - amplitude.mean(), force - force.mean(), CONTROL_RATE_HZ, within_s=0.3)


def _amplitude(alone: Person, drive: Floats, rng: np.random.Generator) -> Floats:
    """(T,) at the rate of the drive."""
    course = np.zeros((len(MUSCLE_INDEX), len(drive)))
    course[MUSCLE_INDEX[_MUSCLE]] = drive
    spikes = discharge(alone.units, course, rng)
    place = float(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(alone.units.angle_deg)).mean()))) % 360.0
    clean = render(spikes, bank(alone, Electrodes((place,), 0.4)), len(drive) / CONTROL_RATE_HZ)[0]
    smooth = sosfiltfilt(butter(2, _ENVELOPE_HZ, fs=RENDER_RATE_HZ, output="sos"), np.abs(clean.astype(np.float64)))
    return np.asarray(smooth[:: round(RENDER_RATE_HZ / CONTROL_RATE_HZ)])
