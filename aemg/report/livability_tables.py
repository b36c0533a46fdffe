"""The tables of a livability report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aemg.report.livability_plots import names_of
from aemg.report.methods import finite, interval_of, mean_of, part
from aemg.report.page import number, percent, table, text

REGIONS: Final = ("rest", "transition", "movement")
_DONNING: Final = (
    "The first donning of people with several against their later ones. Anew: registration and standardisation are found again "
    "from the unlabelled signal of each donning. As first: both are kept from the first donning. The rest level is always "
    "found again."
)


def activation_table(sets: Mapping[str, Any]) -> str:
    """False activations, missed movements and latencies, a row a set and method."""
    heads = [
        "Set, method",
        *(f"False an hour<small>{region}</small>" for region in REGIONS),
        "Not noticed, %",
        "Not named, %",
        "Repeated, %",
        "Noticed<small>from label, ms</small>",
        "Noticed<small>from EMG, ms</small>",
        "Named<small>from label, ms</small>",
        "Named<small>from EMG, ms</small>",
    ]
    rows = []
    for head, one in _rows(sets):
        latency = part(one, "latency")
        rows.append(
            [
                head,
                *(_rate(part(one, "false_per_hour", region)) for region in REGIONS),
                percent(part(latency, "noticed_label").get("missed_share")),
                percent(part(latency, "named_label").get("missed_share")),
                percent(one.get("repeated_share")),
                *(_latency(part(latency, kind)) for kind in ("noticed_label", "noticed_emg", "named_label", "named_emg")),
            ]
        )
    return table(heads, rows)


def confidence_table(sets: Mapping[str, Any]) -> str:
    """Accuracy, rejection and calibration, a row a set and method."""
    heads = [
        "Set, method",
        "Window accuracy, %",
        "Rejection area, %",
        "ECE, %<small>as given</small>",
        "ECE, %<small>tempered</small>",
        "Adaptive ECE, %",
        "Brier",
        "Temperature",
    ]
    rows = []
    for head, one in _rows(sets):
        calibration = part(one, "calibration")
        last = part(calibration, "after") or part(calibration, "before")
        rows.append(
            [
                head,
                _mean(one.get("window_accuracy")),
                _mean(part(one, "rejection").get("area")),
                _mean(part(calibration, "before").get("ece")),
                _mean(part(calibration, "after").get("ece")),
                _mean(last.get("adaptive_ece")),
                number(mean_of(part(last, "brier")), 3),
                number(part(calibration, "temperature").get("mean"), 2),
            ]
        )
    return table(heads, rows)


def donning_section(sets: Mapping[str, Any]) -> str:
    """People with several donnings: first against later ones; empty where there are none."""
    rows = []
    for head, one in _rows(sets):
        found = part(one, "donnings")
        for key, said in (("first", "first"), ("anew", "later, anew"), ("as_first", "later, as first")):
            values = part(found, key)
            if values:
                first, here = (mean_of(part(found, k, "window_accuracy")) for k in ("first", key))
                drop = number(100 * (here - first), 1) if first is not None and here is not None and key != "first" else ""
                shown = [percent(values.get("named_share")), number(values.get("false_per_hour"), 0)]
                rows.append([head, said, _mean(values.get("window_accuracy")), drop, *shown])
    if not rows:
        return ""
    heads = ["Set, method", "Donning", "Window accuracy, %", "Change, points", "Movements named, %", "False an hour"]
    return f"<h2>Putting the band on again</h2><p class=note>{text(_DONNING)}</p>{table(heads, rows)}"


def threshold_table(one: Mapping[str, Any]) -> str:
    """A method's figures at each threshold."""
    heads = ["Threshold", *(f"False an hour<small>{r}</small>" for r in REGIONS), "Noticed, %", "Named, %"]
    heads += ["Windows kept, %", "Accuracy of these, %"]
    rows = []
    for row in one.get("by_threshold") or []:
        shares = [percent(row.get(key)) for key in ("noticed_share", "named_share", "coverage", "accuracy")]
        rates = [number(part(row, "false_per_hour").get(r), 0) for r in REGIONS]
        rows.append([number(row.get("threshold"), 2), *rates, *shares])
    return table(heads, rows)


def people_table(one: Mapping[str, Any]) -> str:
    """A method's figures, a row a person."""
    heads = ["Person", "Window accuracy, %", *(f"False an hour<small>{r}</small>" for r in REGIONS)]
    heads += ["Not noticed, %", "Not named, %", "Noticed, ms", "Named, ms", "ECE, %"]
    rows = []
    for person, values in part(one, "per_subject").items():
        noticed, named = part(values, "noticed"), part(values, "named")
        rows.append(
            [
                text(person),
                percent(values.get("window_accuracy")),
                *(number(part(values, "false_per_hour").get(r), 0) for r in REGIONS),
                percent(noticed.get("missed_share")),
                percent(named.get("missed_share")),
                _latency(noticed),
                _latency(named),
                percent(values.get("ece")),
            ]
        )
    return table(heads, rows)


def _rows(sets: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Set and method as a row's head, and the method's figures."""
    for name, one in sets.items():
        methods = part(one, "methods")
        for method, said in names_of(methods).items():
            yield f"{text(name)}<small>{text(said)}</small>", methods[method]


def _rate(found: Mapping[str, Any]) -> str:
    interval = interval_of(found)
    below = f"<small>{number(interval[0], 0)} – {number(interval[1], 0)}</small>" if interval else ""
    return number(found.get("mean"), 0) + below


def _mean(metric: Any) -> str:
    """A mean over people in percent, with its interval."""
    values = part(metric)
    interval = interval_of(values)
    below = f"<small>{percent(interval[0])} – {percent(interval[1])}</small>" if interval else ""
    return percent(mean_of(values)) + below


def _latency(found: Mapping[str, Any]) -> str:
    median, last = finite(found.get("median_s")), finite(found.get("p90_s"))
    return "–" if median is None else f"{number(median, 0, 1000.0)}<small>({number(last, 0, 1000.0)})</small>"
