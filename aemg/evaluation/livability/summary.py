"""A set's report from its people's results: counts and latencies pooled, shares and errors as means over people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.evaluation.livability.judge import latency_summary
from aemg.evaluation.livability.truth import REGIONS
from aemg.evaluation.metrics import accuracy
from aemg.tokenizer.contraction import REST

_RESAMPLES = 2000
Result = Mapping[str, Any]


def set_report(results: Sequence[Result]) -> dict[str, Any]:
    """The report of one set.

    Args:
        results: of `aemg.evaluation.livability.fold.run_fold`, all of one set, at least one.
    """
    first = results[0]
    people = {r["subject"]: r for r in results}
    return {
        "subjects": list(people),
        "labels": first["labels"],
        "rest": "class" if REST in first["labels"] else "gate",
        "recordings": sum(r["recordings"] for r in people.values()),
        "decoded_hours": sum(r["seconds_decoded"] for r in people.values()) / 3600,
        "donnings": max(len(r["sessions"]) for r in people.values()),
        "methods": {m: _method([(r["subject"], r["methods"][m]) for r in results]) for m in first["methods"]},
    }


def _method(found: Sequence[tuple[str, Result]]) -> dict[str, Any]:
    by_person: dict[str, list[Result]] = {}
    for person, values in found:
        by_person.setdefault(person, []).append(values)
    all_of = [values for _, values in found]
    return {
        "window_accuracy": _mean(by_person, lambda v: v["window_accuracy"]),
        "gate_closed_share": float(np.mean([v["gate_closed_share"] for v in all_of])),
        "false_per_hour": {region: rate(by_person, region) for region in REGIONS},
        "movements": sum(v["movements"] for v in all_of),
        "begins": sum(v["begins"] for v in all_of),
        "repeated_share": _ratio(sum(v["repeated"] for v in all_of), sum(v["movements"] for v in all_of)),
        "latency": {
            kind: {
                **latency_summary([x for v in all_of for x in v["latencies"][kind]]),
                "came_s": sorted(round(x, 3) for v in all_of for x in v["latencies"][kind] if x is not None),
            }
            for kind in all_of[0]["latencies"]
        },
        "by_threshold": _by_threshold(all_of),
        "rejection": _rejection(by_person),
        "calibration": _calibration(by_person),
        "donnings": _donnings(by_person),
        "per_subject": {person: _person(values) for person, values in by_person.items()},
    }


def rate(by_person: Mapping[str, Sequence[Result]], region: str) -> dict[str, Any]:
    """Counts over hours, pooled, with a 95 % bootstrap interval over people; no rate where the region has no time."""
    counts = np.array([sum(v["false"][region] for v in values) for values in by_person.values()], float)
    hours = np.array([sum(v["hours"][region] for v in values) for values in by_person.values()])
    drawn = np.random.default_rng(0).integers(len(counts), size=(_RESAMPLES, len(counts)))
    pooled = hours[drawn].sum(axis=1)
    rates = counts[drawn].sum(axis=1)[pooled > 0] / pooled[pooled > 0]
    interval = [float(x) for x in np.percentile(rates, [2.5, 97.5])] if len(rates) else None
    return {"count": int(counts.sum()), "hours": float(hours.sum()), "mean": _ratio(counts.sum(), hours.sum()), "ci95": interval}


def _by_threshold(all_of: Sequence[Result]) -> list[dict[str, Any]]:
    rows = []
    for points in zip(*(v["by_threshold"] for v in all_of)):
        movements = sum(p["movements"] for p in points)
        kept = [p["accuracy"] for p in points if p["accuracy"] is not None]
        rows.append(
            {
                "threshold": points[0]["threshold"],
                "false_per_hour": {
                    region: _ratio(sum(p["false"][region] for p in points), sum(v["hours"][region] for v in all_of))
                    for region in REGIONS
                },
                "noticed_share": _ratio(sum(p["noticed"] for p in points), movements),
                "named_share": _ratio(sum(p["named"] for p in points), movements),
                "coverage": float(np.mean([p["coverage"] for p in points])),
                "accuracy": float(np.mean(kept)) if kept else None,
            }
        )
    return rows


def _rejection(by_person: Mapping[str, Sequence[Result]]) -> dict[str, Any] | None:
    curves = [v["rejection"] for values in by_person.values() for v in values if v["rejection"]]
    if not curves:
        return None
    return {
        "area": _mean(by_person, lambda v: v["rejection"] and v["rejection"]["area"]),
        "coverage": curves[0]["coverage"],
        "accuracy": np.mean([c["accuracy"] for c in curves], axis=0).tolist(),
    }


def _calibration(by_person: Mapping[str, Sequence[Result]]) -> dict[str, Any]:
    temperatures = [v["calibration"]["temperature"] for values in by_person.values() for v in values]
    known = [t for t in temperatures if t is not None]
    spread = {"mean": float(np.mean(known)), "least": min(known), "most": max(known)} if known else None
    found: dict[str, Any] = {"temperature": spread}
    for when in ("before", "after"):
        given = [v["calibration"][when] for values in by_person.values() for v in values if v["calibration"][when]]
        if not given:
            found[when] = None
            continue
        found[when] = {
            metric: _mean(by_person, _calibrated(when, metric)) for metric in ("ece", "adaptive_ece", "brier", "log_loss")
        }
        found[when]["bins"] = _pooled_bins([b for one in given for b in one["bins"]], given[0]["width"])
    return found


def _calibrated(when: str, metric: str) -> Callable[[Result], float | None]:
    return lambda v: v["calibration"][when] and v["calibration"][when][metric]


def _pooled_bins(bins: Sequence[Result], count: int) -> list[dict[str, float]]:
    """Bins of equal width of several people as those of all their decisions."""
    place = np.array([min(int(b["confidence"] * count), count - 1) for b in bins])
    n = np.array([b["count"] for b in bins], float)

    def over(key: str, at: NDArray[np.bool_]) -> float:
        return float((np.array([b[key] for b in bins]) * n)[at].sum() / n[at].sum())

    return [
        {"count": int(n[at].sum()), "confidence": over("confidence", at), "accuracy": over("accuracy", at)}
        for at in (place == k for k in sorted(set(place.tolist())))
    ]


def _donnings(by_person: Mapping[str, Sequence[Result]]) -> dict[str, Any] | None:
    """First donning against the later ones, people with several alone; the later ones are a mean by person."""
    several = {p: [v["donnings"] for v in values if "donnings" in v] for p, values in by_person.items()}
    several = {p: runs for p, runs in several.items() if runs}
    if not several:
        return None
    found: dict[str, Any] = {"subjects": list(several), "later": max(len(r) for runs in several.values() for r in runs) - 1}
    for name in ("first", "anew", "as_first"):
        key, part = ("anew", slice(0, 1)) if name == "first" else (name, slice(1, None))
        of_person = {p: [d[key] for run in runs for d in run[part]] for p, runs in several.items()}
        every = [d for given in of_person.values() for d in given]
        found[name] = {
            "window_accuracy": _mean_of({p: [d["window_accuracy"] for d in given] for p, given in of_person.items()}),
            "false_per_hour": _ratio(sum(d["false"] for d in every), sum(d["hours"] for d in every)),
            "named_share": _ratio(sum(d["named"] for d in every), sum(d["movements"] for d in every)),
        }
    return found


def _person(values: Sequence[Result]) -> dict[str, Any]:
    noticed = latency_summary([x for v in values for x in v["latencies"]["noticed_label"]])
    named = latency_summary([x for v in values for x in v["latencies"]["named_label"]])
    accuracies = [v["window_accuracy"] for v in values if v["window_accuracy"] is not None]
    after = [c["ece"] for c in (v["calibration"]["after"] or v["calibration"]["before"] for v in values) if c]
    return {
        "window_accuracy": float(np.mean(accuracies)) if accuracies else None,
        "false_per_hour": {
            region: _ratio(sum(v["false"][region] for v in values), sum(v["hours"][region] for v in values)) for region in REGIONS
        },
        "noticed": noticed,
        "named": named,
        "ece": float(np.mean(after)) if after else None,
    }


def _mean(by_person: Mapping[str, Sequence[Result]], of: Callable[[Result], float | None]) -> dict[str, object] | None:
    return _mean_of({person: [of(v) for v in values] for person, values in by_person.items()})


def _mean_of(values: Mapping[str, Sequence[float | None]]) -> dict[str, object] | None:
    """Mean over people with its interval, each person's values averaged first; None where nobody has one."""
    known = {person: [v for v in given if v is not None] for person, given in values.items()}
    per_subject = {person: float(np.mean(v)) for person, v in known.items() if v}
    return accuracy(per_subject).as_dict() if per_subject else None


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
