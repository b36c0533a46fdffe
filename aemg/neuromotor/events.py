"""From gesture probabilities to discrete events, by threshold crossing and debouncing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aemg.errors import AEMGError

GESTURES = (
    "index_press",
    "index_release",
    "middle_press",
    "middle_release",
    "thumb_click",
    "thumb_down",
    "thumb_in",
    "thumb_out",
    "thumb_up",
)
"""Names of the classes, in the order of the network's outputs."""

RELEASES = frozenset({"index_release", "middle_release"})
THRESHOLD = 0.35
DEBOUNCE_S = 0.05

Event = tuple[str, float]
"""A gesture's name and its time in seconds."""


class Debounce:
    """Drops an event that follows the last kept one too soon, one event at a time in order of time.

    Two events collide when neither is a release, whatever their names, or when both are the same release; a press and
    a release never do. Because only the last kept event counts, a release between two presses keeps both.

    Args:
        debounce_s: events closer than this, in seconds, collide; None keeps everything.

    Raises:
        AEMGError: for a negative or non-finite time.
    """

    def __init__(self, debounce_s: float | None = DEBOUNCE_S) -> None:
        if debounce_s is not None and not 0 <= debounce_s < float("inf"):
            raise AEMGError(f"debounce_s must be None or at least 0 seconds, found {debounce_s}")
        self._debounce_s = debounce_s
        self._last: Event | None = None

    def keep(self, name: str, time_s: float) -> bool:
        """Whether the event stands; it is then the one that the next is compared with."""
        if self._last is not None and self._debounce_s is not None:
            before, before_s = self._last
            collide = name == before if name in RELEASES else before not in RELEASES
            if collide and time_s - before_s < self._debounce_s:
                return False
        self._last = name, time_s
        return True

    def reset(self) -> None:
        """Forget the last kept event."""
        self._last = None


def debounce(events: Sequence[Event], debounce_s: float | None = DEBOUNCE_S) -> list[Event]:
    """The events, in order of time, that `Debounce` keeps."""
    rule = Debounce(debounce_s)
    return [(name, time_s) for name, time_s in events if rule.keep(name, time_s)]


class PairedReleases:
    """Drops a release that does not follow its own press, one event at a time in order of time.

    The published training leaves the outputs of the releases free wherever nothing is held, and CLER drops releases that do
    not fit the prompt before. A live system has no prompts: to it, a release counts while the last event was its press.
    """

    def __init__(self) -> None:
        self._held: str | None = None

    def keep(self, name: str) -> bool:
        """Whether the event stands."""
        if name in RELEASES and self._held != name.removesuffix("_release"):
            return False
        self._held = name.removesuffix("_press") if name.endswith("_press") else None
        return True

    def reset(self) -> None:
        """Nothing is held."""
        self._held = None


def pair_releases(events: Sequence[Event]) -> list[Event]:
    """The events, in order of time, that `PairedReleases` keeps."""
    rule = PairedReleases()
    return [(name, time_s) for name, time_s in events if rule.keep(name)]


def crossings(
    probabilities: NDArray[Any], threshold: float = THRESHOLD, before: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Where probabilities reach the threshold from below.

    Args:
        probabilities: (classes, n); the threshold is first rounded to their own precision.
        threshold: reached where probability >= threshold.
        before: (classes,) whether the step before the first was at or above the threshold; none was, if left out.

    Returns:
        (classes, n) booleans.
    """
    above: NDArray[np.bool_] = probabilities >= probabilities.dtype.type(threshold)
    previous = np.empty_like(above)
    previous[:, :1] = False if before is None else before[:, None]
    previous[:, 1:] = above[:, :-1]
    return above & ~previous


def decode_events(
    probabilities: NDArray[Any] | torch.Tensor,
    times_s: NDArray[np.float64] | Sequence[float],
    threshold: float = THRESHOLD,
    debounce_s: float | None = DEBOUNCE_S,
) -> list[Event]:
    """Gesture events of a stretch of probabilities.

    Args:
        probabilities: (9, n) in [0, 1], one row per name of `GESTURES`.
        times_s: (n,) non-decreasing times of the steps, in seconds.
        threshold: an event starts where a probability reaches it from below, or is above it at the first step.
        debounce_s: see `Debounce`; None for no debouncing.

    Returns:
        (name, time) in order of time; events of the same time in the order of `GESTURES`.

    Raises:
        AEMGError: for wrong shapes, NaN, values outside [0, 1], times that decrease.
    """
    if isinstance(probabilities, torch.Tensor):
        values = probabilities.detach().cpu()
        probabilities = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    steps = np.asarray(probabilities)
    steps = steps if np.issubdtype(steps.dtype, np.floating) else steps.astype(np.float64)
    times = np.asarray(times_s, np.float64)
    _check(steps, times, threshold)
    rows, columns = np.nonzero(crossings(steps, threshold))
    order = np.argsort(times[columns], kind="stable")
    return debounce([(GESTURES[rows[k]], float(times[columns[k]])) for k in order], debounce_s)


def _check(steps: NDArray[Any], times: NDArray[np.float64], threshold: float) -> None:
    if steps.ndim != 2 or steps.shape[0] != len(GESTURES):
        raise AEMGError(f"probabilities must be (9, n), one row per gesture, found shape {steps.shape}")
    if times.shape != steps.shape[1:]:
        raise AEMGError(f"times must be one per step, shape {steps.shape[1:]}, found {times.shape}")
    if not np.isfinite(threshold):
        raise AEMGError(f"threshold must be a finite number, found {threshold}")
    if not np.isfinite(times).all():
        raise AEMGError("times must be finite, found NaN or infinity")
    if (np.diff(times) < 0).any():
        first = int(np.argmax(np.diff(times) < 0)) + 1
        raise AEMGError(f"times must not decrease, but step {first} lies before step {first - 1}")
    inside = (steps >= 0) & (steps <= 1)
    if not inside.all():
        found = steps[~inside].flat[0]
        raise AEMGError(f"probabilities must lie in [0, 1], found {found}; logits need a sigmoid first")
