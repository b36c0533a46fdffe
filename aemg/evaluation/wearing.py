"""How the sessions of a fold were worn: of the sources with their labels, of the tested person without any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from aemg.errors import AEMGError
from aemg.evaluation.classifier import Classifier
from aemg.evaluation.trials import Trial
from aemg.features import standardise
from aemg.model import AEMG
from aemg.sessions import Session, labelled_windows
from aemg.topology import WAYS, Registered, TurnJudge, Worn
from aemg.training import register_sessions

_JUDGED_EVERY = 2  # windows overlap by half; every second one carries nearly all there is
AS_WORN = Registered(Worn(), np.ones(1), False)


def register_sources(sources: Sequence[Session], pretrained: AEMG | None) -> list[Worn]:
    """Ways of wearing of the sources, registered jointly by their labels and turned to the encoder's frame."""
    joint = register_sessions(sources, pretrained.forearm if pretrained else None)
    return [joint.worn.get(s.key, Worn()) for s in sources]


def turn_judge(sources: Sequence[Session], worn: Sequence[Worn], *, same_device: bool = True) -> TurnJudge:
    """What judges how a new session was worn, from registered sources.

    Args:
        same_device: the new session's device is the sources', so that how these were worn is a prior.

    Raises:
        AEMGError: no labelled window.
    """
    features, labels = [], []
    for session, way in zip(sources, worn):
        of_window, _ = labelled_windows(session)
        chosen = np.flatnonzero(of_window != "")[::_JUDGED_EVERY]
        features.append(standardise(session.slot_features)[chosen][:, way.order])
        labels.append(of_window[chosen])
    if not sum(len(f) for f in features):
        raise AEMGError("the sources have no labelled window to register a new subject by")
    return TurnJudge(np.concatenate(features), np.concatenate(labels), worn if same_device else None)


def register_by_evidence(classifier: Classifier, session: Session, trials: Sequence[Trial]) -> Registered:
    """The way of wearing under which a session's trials, whose labels are not looked at, are most probable to a classifier of
    other people: for another device than these wore, of which the judge's prior does not hold, or where they are few.

    Args:
        trials: of this session.
    """
    if session.angle_known or not trials:
        return AS_WORN
    evidence = np.array([classifier.log_evidence(session, trials, way) for way in WAYS])
    posterior = np.exp(evidence - logsumexp(evidence))
    return Registered(WAYS[int(posterior.argmax())], posterior, False)


def register_target(judge: TurnJudge, session: Session, heard: NDArray[np.bool_] | None = None) -> Registered:
    """The way of wearing of a new session, from its unlabelled windows; one with known angles stays as worn.

    Args:
        heard: (W,) the windows that may be looked at; None for all.
    """
    if session.angle_known or (heard is not None and not heard.any()):
        return AS_WORN
    features = session.slot_features if heard is None else session.slot_features[heard]
    return judge.register(standardise(features)[::_JUDGED_EVERY])
