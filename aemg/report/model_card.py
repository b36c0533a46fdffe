"""A model's card in Markdown, from the model's own files and from results; every figure on it is read or counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open

from aemg.errors import DataFileError
from aemg.model import ModelCard
from aemg.model.pretrained import KNOWN, SEEN, TRAINING, WEIGHTS
from aemg.report.card_results import results_of
from aemg.report.markdown import markdown_table, plain

_PARTS = {  # what of the weights does what
    "encoder.": "encoder: what embeds",
    "tokenizer.encoder.": "encoder of the codebook",
    "tokenizer.codebook.": "codebook and its averages",
    "tokenizer.decoder.": "decoder: only training needs it",
}


def model_card(folder: str | Path, results: Sequence[str | Path] = ()) -> str:
    """The card of a saved model: use, data, training, size, codebook, what it has seen, results, limits, licences.

    Args:
        folder: of the model; what its `training.json` does not tell is left out.
        results: JSON files: of `finetune loso`, `fewshot` and `benchmark`, of `finetune/linear_probe.py`, of a benchmark of
            speed.

    Raises:
        DataFileError: a file is missing or damaged.
    """
    place = Path(folder)
    card, record = ModelCard.read(place), _record(place)
    sets = record.get("sets", [])
    parts = [
        _head(place, card, record),
        _use(place, record),
        _data(sets),
        _training(record),
        _size(place),
        _codebook(record),
        _seen(place, card),
        results_of(results),
        _limits(card, sets),
        _licences(card, sets),
    ]
    return "\n".join(part for part in parts if part)


def _head(folder: Path, card: ModelCard, record: Mapping[str, Any]) -> str:
    network, space = card.config.network, card.config.space
    name = f"{record.get('name', folder.name)} {record.get('version', '')}".strip()
    stages = {
        "fresh": "not trained",
        "codebook": "trained by reconstruction",
        "masked": "pre-trained on masked codes",
        "movements": "pre-trained on masked codes and on the movements of the people below",
    }
    return (
        f"# {name}\n\nAn encoder of surface EMG of the forearm, {stages.get(card.stage, card.stage)}. It takes recordings of any "
        f"montage and rate, brings them to sixteen slots around the forearm at {plain(space.rate_hz)} Hz, cuts them into "
        f"contractions, and gives a vector of {network.width} numbers and one of {network.codes} codes for each. "
        f"{network.layers} layers, {network.heads} heads of {network.head_width}.\n"
    )


def _use(folder: Path, record: Mapping[str, Any]) -> str:
    name = str(record.get("name", folder.name))
    given = name if name in KNOWN else f"FOLDER/{folder.name}"
    return (
        f'## Use\n\n```python\nfrom aemg import AEMG\n\nmodel = AEMG.from_pretrained("{given}")\n'
        "embedding = model.embed(recording)    # a vector a contraction\ncodes = model.codes(recording)\n```\n\n"
        "Loading asks no network and executes nothing. Meant for research on decoding, on transfer between people and devices, "
        "and as features for classifiers that are trained for a person. Not meant for diagnosis, nor for devices on whose "
        "decisions somebody's safety depends.\n"
    )


def _data(sets: Sequence[Mapping[str, Any]]) -> str:
    if not sets:
        return ""
    heads = ("set", "people", "recordings", "hours", "weight", "channels", "rate, Hz", "device", "montage", "licence")
    rows = [
        (
            f"{s['name']}{' (simulated)' if s['simulated'] else ''}", s["people"], s["recordings"], plain(s["hours"]),
            plain(s["weight"]), _list(s["channels"]), _list(s["rates_hz"]), s["device"], s["montage"], s["licence"],
        )
        for s in sets
    ]  # fmt: skip
    hours, simulated = _hours(sets), _hours(s for s in sets if s["simulated"])
    people = sum(s["people"] for s in sets if not s["simulated"])
    share = _percent(_seen_hours(sets, True), _seen_hours(sets))
    return (
        f"## Data\n\n{markdown_table(heads, rows)}\n\n{people} real people, counted by set, and {plain(hours - simulated)} hours "
        f"of them. Simulated signal is {_percent(simulated, hours)} of the hours, {share} of hours times weight.\n"
    )


def _training(record: Mapping[str, Any]) -> str:
    stages = record.get("stages", [])
    if not stages:
        return ""
    rows = []
    for stage in stages:
        figures, optim = stage["figures"], stage["settings"].get("optim", {})
        shown = ", ".join(f"{k} {plain(figures[k])}" for k in ("loss", "accuracy") if k in figures)
        batch, minutes = optim.get("batch", "–"), plain(stage["training_s"] / 60)
        rows.append((stage["name"], stage["steps"], optim.get("epochs", "–"), batch, minutes, shown))
    table = markdown_table(("stage", "steps", "epochs", "sentences a step", "minutes", "last figures"), rows)
    machine = record["machine"]["accelerator"] or f"no accelerator ({record['machine']['processor']})"
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    settings = yaml.safe_dump({s["name"]: s["settings"] for s in stages}, sort_keys=False)
    return (
        f"## Training\n\n{table}\n\nOn {machine}; {versions}.\n\n<details><summary>All settings</summary>\n\n```yaml\n{settings}"
        "```\n\n</details>\n"
    )


def _size(folder: Path) -> str:
    counts, kinds = dict.fromkeys(_PARTS, 0), set()
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                piece = file.get_slice(name)
                kinds.add(piece.get_dtype())
                count = 1
                for length in piece.get_shape():
                    count *= length
                part = next((p for p in _PARTS if name.startswith(p)), name.split(".")[0])
                counts[part] = counts.get(part, 0) + count
    except (OSError, SafetensorError) as error:
        raise DataFileError(folder / WEIGHTS, "a model's weights", str(error)) from error
    rows = [(_PARTS.get(part, part), f"{count:,}") for part, count in counts.items() if count]
    size = (folder / WEIGHTS).stat().st_size
    return (
        f"## Size\n\n{markdown_table(('part', 'numbers'), rows)}\n\n{sum(counts.values()):,} numbers in all, in a file of "
        f"{size:,} bytes ({', '.join(sorted(kinds))}); read as float32.\n"
    )


def _codebook(record: Mapping[str, Any]) -> str:
    names = {
        "perplexity": "perplexity",
        "codes_used": "share of the codes used in the last epoch",
        "restarts": "codes restarted in the last epoch",
        "gradient_reach": "share of the reconstruction's gradient that reaches the encoder",
    }
    rows = [
        (text, plain(stage["figures"][name]))
        for stage in record.get("stages", [])
        for name, text in names.items()
        if name in stage["figures"]
    ]
    return f"## Codebook\n\n{markdown_table(('measure', 'value'), rows)}\n" if rows else ""


def _seen(folder: Path, card: ModelCard) -> str:
    digest = hashlib.sha256((folder / SEEN).read_bytes()).hexdigest()
    rows = [(name, len(people), _few(people)) for name, people in card.seen.people.items()]
    return (
        f"## What it has seen\n\n{markdown_table(('set', 'people', 'names'), rows)}\n\n{len(card.seen.files)} native files: "
        f"their sha256 are in `{SEEN}`, whose own is `{digest}`. Results on these people, or on files with these sums, are not "
        "results on unseen people; every evaluation of the project compares them and says so in its certificate.\n"
    )


def _limits(card: ModelCard, sets: Sequence[Mapping[str, Any]]) -> str:
    space = card.config.space
    found = [
        f"What lies above {plain(space.rate_hz / 2)} Hz is not in the waves that the network sees; amplitudes and time-domain "
        "features are taken at the native rate.",
        "Features are standardised over a donning, and rest is found in it: a few seconds of signal alone are too little.",
        "How a band is worn is not found by the model itself: registration needs labelled sources, and unlabelled signal of the "
        "person.",
        "A stretch without contractions gives no vector of a contraction.",
    ]
    if sets:
        real = [s for s in sets if not s["simulated"]]
        devices = sorted({s["device"] for s in real})
        channels = sorted({c for s in real for c in s["channels"]})
        rates = sorted({r for s in real for r in s["rates_hz"]})
        found.append(
            f"Real signal came from {'; '.join(devices) or 'no device'} ({_list(channels)} channels, {_list(rates)} Hz); other "
            "devices were simulated, if at all."
        )
        found.append("Age, sex, health and skin of the people are as in the sets named; nothing else is covered.")
    return "## Limits\n\n" + "\n".join(f"- {limit}" for limit in found) + "\n"


def _licences(card: ModelCard, sets: Sequence[Mapping[str, Any]]) -> str:
    told = "\n".join(f"- {name}: {licence}" for name, licence in card.seen.licences.items()) or "- none"
    state = (
        f"Weights may not be given away freely, because of {', '.join(card.seen.restricted)}."
        if card.seen.restricted
        else "All of them let weights be given away; what they ask for, such as naming the source, holds for the model too."
    )
    sources = "\n".join(f"- {s['citation']}. {s['homepage']}".strip() for s in sets if not s["simulated"])
    cited = f"\nSources:\n\n{sources}\n" if sources else ""
    return f"## Licences\n\nThe model inherits those of its data:\n\n{told}\n\n{state}\n{cited}"


def _record(folder: Path) -> dict[str, Any]:
    file = folder / TRAINING
    if not file.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise DataFileError(file, "the record of a training", str(error)) from error
    return found


def _hours(sets: Iterable[Mapping[str, Any]]) -> float:
    return float(sum(s["hours"] for s in sets))


def _seen_hours(sets: Iterable[Mapping[str, Any]], simulated_only: bool = False) -> float:
    return float(sum(s["hours"] * s["weight"] for s in sets if s["simulated"] or not simulated_only))


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _list(values: Sequence[float]) -> str:
    return ", ".join(plain(value) for value in values)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{names[0]} … {names[-1]}"
