"""How a decoder is to live with: false activations an hour, latency, rejection, calibration, putting the band on again.

Pure functions on a decoder's output (`DecisionStream`) and on what the person did (`Truth`); `events` has the same for decoders
of discrete events, `run` the evaluation of whole sets.
"""

from aemg.evaluation.livability.calibration import (
    Bin,
    brier,
    calibration_error,
    fit_temperature,
    log_loss,
    reliability,
    tempered,
)
from aemg.evaluation.livability.config import LivabilityConfig
from aemg.evaluation.livability.events import EventLivability, event_curve, event_livability, events_of
from aemg.evaluation.livability.judge import Detection, Judged, judge, latencies, latency_summary
from aemg.evaluation.livability.rejection import RejectionCurve, rejection_curve
from aemg.evaluation.livability.run import livability
from aemg.evaluation.livability.stream import Activation, ActivationConfig, DecisionStream, activations_of
from aemg.evaluation.livability.truth import Regions, Truth, TruthConfig, regions_of

__all__ = [
    "Activation", "ActivationConfig", "Bin", "DecisionStream", "Detection", "EventLivability", "Judged", "LivabilityConfig",
    "Regions", "RejectionCurve", "Truth", "TruthConfig", "activations_of", "brier", "calibration_error", "event_curve",
    "event_livability", "events_of", "fit_temperature", "judge", "latencies", "latency_summary", "livability", "log_loss",
    "regions_of", "rejection_curve", "reliability", "tempered",
]
