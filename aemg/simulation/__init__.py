"""Simulated EMG: motor units in a layered forearm under electrodes at known places, without any download."""

from aemg.simulation.bursts import bursts
from aemg.simulation.corpus import simulate_set, with_truth
from aemg.simulation.devices import DEVICES
from aemg.simulation.gestures import GESTURES
from aemg.simulation.session import CorpusSpec, SimulatedRecording, Truth, simulate

__all__ = [
    "DEVICES",
    "GESTURES",
    "CorpusSpec",
    "SimulatedRecording",
    "Truth",
    "bursts",
    "simulate",
    "simulate_set",
    "with_truth",
]
