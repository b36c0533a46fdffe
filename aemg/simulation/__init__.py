"""Simulated EMG: motor units in a layered forearm under electrodes at known places, without any download."""

from aemg.simulation.bursts import bursts
from aemg.simulation.conditions import Condition
from aemg.simulation.corpus import set_of, simulate_set, with_truth
from aemg.simulation.devices import DEVICES
from aemg.simulation.gestures import GESTURES
from aemg.simulation.session import TASKS, CorpusSpec, SimulatedRecording, Truth, simulate
from aemg.simulation.truth import keep_truth, read_truth
from aemg.simulation.wearing import Wear

__all__ = [
    "DEVICES",
    "GESTURES",
    "TASKS",
    "Condition",
    "CorpusSpec",
    "SimulatedRecording",
    "Truth",
    "Wear",
    "bursts",
    "keep_truth",
    "read_truth",
    "set_of",
    "simulate",
    "simulate_set",
    "with_truth",
]
