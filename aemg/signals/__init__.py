"""Signals: recordings, montages, filters and resampling. Imports nothing above itself."""

from aemg.signals.montage import Electrode, ElectrodeGroup, Montage, grid, ring
from aemg.signals.recording import Event, Interval, Provenance, Recording, Target

__all__ = [
    "Electrode", "ElectrodeGroup", "Event", "Interval", "Montage", "Provenance", "Recording", "Target", "grid", "ring",
]
