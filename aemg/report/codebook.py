"""What the codes of a codebook stand for, as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aemg.corpus import Corpus
from aemg.errors import AEMGError
from aemg.model import AEMG
from aemg.report.code_plots import CodePicture, code_plot, context_plot, map_plot
from aemg.report.measures import (
    Context,
    Information,
    Use,
    context,
    cross_table,
    information,
    meanings,
    nearest_codes,
    plane,
)
from aemg.report.page import facts, figure, number, page, percent, table, text, write_page
from aemg.report.plots import codes_plot
from aemg.report.tally import CodeUse, spread_over_sets, tally
from aemg.sessions import SessionKey, SessionStore, sessions_of
from aemg.tokenizer import PHASES
from aemg.topology import SLOT_DEG

Progress = Callable[[str, int, int], None]


def inspect_codebook(
    checkpoint: str | Path,
    corpus: str | Path,
    out: str | Path,
    *,
    sets: Sequence[str] | None = None,
    top: int = 24,
    hours: float | None = None,
    progress: Progress | None = None,
) -> CodeUse:
    """Writes the page of a model's codebook as it is used on a corpus.

    Args:
        checkpoint: folder of a saved model.
        corpus: folder of prepared sets; sessions that are not tokenised yet are, and are kept there.
        sets: names; None for all.
        top: how many of the most used codes get a card.
        hours: stop after so much signal, taken in turn from all sets; None for all.
        progress: called with what is done, how many of it are done and how many there are.

    Raises:
        AEMGError: no model or corpus there, an unknown set, no contraction, or a codebook that is not trained.
        OSError: the page or a session cannot be written.
    """
    if top < 1 or (hours is not None and not hours > 0):
        raise AEMGError(f"top must be at least 1 and the hours more than 0, got {top} and {hours}")
    report = progress or (lambda what, done, total: None)
    model = AEMG.from_pretrained(checkpoint)
    store = SessionStore(Path(corpus).expanduser(), model.config.space, model.config.tokenizer)
    keys = spread_over_sets(_keys(Path(corpus).expanduser(), sets), hours, store)
    store.ensure(keys, progress=lambda done, total: report("tokenising, sessions", done, total))
    total, done = sum(len(store.load(key).tokens) for key in keys), 0

    def count(tokens: int) -> None:
        nonlocal done
        done += tokens
        report("encoding, tokens", done, total)

    use = tally(model, store, keys, count)
    write_page(out, render_codebook(model, use, top))
    return use


def _keys(corpus: Path, sets: Sequence[str] | None) -> list[SessionKey]:
    members = sorted(sessions_of(Corpus(corpus).select(datasets=sets)), key=str)
    if not members:
        raise AEMGError(f"no raw session in {corpus}" + (f" of {', '.join(sets)}" if sets else ""))
    return members


def render_codebook(model: AEMG, use: CodeUse, top: int) -> str:
    """The page as text."""
    entries = np.asarray(model.tokenizer.codebook.entries.detach().cpu().numpy(), np.float32)
    whole = Use.of(use.tokens.code, len(entries))
    view = _View(use, entries, whole, model.config.space.rate_hz)
    found = context(use.sample, entries)
    title = f"What the {len(entries):,} codes stand for"
    return page(
        title,
        [
            f"<h1>{text(title)}</h1>",
            _lead(use),
            _numbers(whole, information(use), found),
            _evenness(use, whole, len(entries)),
            _says(use),
            _surroundings(found),
            _map(view),
            _cards(view, top),
        ],
    )


@dataclass(frozen=True)
class _View:
    """What the cards and the map look at."""

    use: CodeUse
    entries: NDArray[np.float32]
    whole: Use
    rate_hz: float

    def by(self, values: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        return cross_table(self.use.tokens.code, values, (len(self.entries), n))


def _lead(use: CodeUse) -> str:
    worn = (
        f"{use.registered} of {use.sessions} sessions are turned to the model's frame by their labels."
        if use.registered
        else "The sessions are taken as worn: the model has no frame to turn them to."
    )
    return (
        f'<p class="lead">{len(use.tokens):,} contractions of {len(use.people)} people, {use.hours:.2f} h, from '
        f"{text(', '.join(use.datasets))}, each coded in its sentence ({use.sentences:,} sentences). {worn}</p>"
    )


def _numbers(whole: Use, said: Information | None, found: Context | None) -> str:
    size = len(whole.counts)
    shown = [
        (number(whole.perplexity, 0), "perplexity: as many codes, used evenly, say as much"),
        (f"{percent(whole.used / size)} %", f"of the codes are used ({whole.used:,} of {size:,})"),
    ]
    if said is not None:
        excess = said.bits - said.by_chance
        shown.append((f"{number(excess, 2)} bit", f"a code says of the movement beyond chance, of {said.entropy:.2f}"))
    if found is not None:
        shown.append((f"{percent(found.changed_moved)} %", "of codes change when a token moves to another sentence"))
    return facts(shown)


def _evenness(use: CodeUse, whole: Use, size: int) -> str:
    rows = []
    for d, name in enumerate((*use.datasets, "all")):
        chosen = use.tokens.dataset == d if d < len(use.datasets) else np.ones(len(use.tokens), bool)
        one = Use.of(use.tokens.code[chosen], size)
        people = len(np.unique(use.tokens.person[chosen]))
        share = f"{percent(one.used / size)} %"
        rows.append([text(name), str(people), f"{chosen.sum():,}", number(one.perplexity), f"{one.used:,}", share])
    caption = f"Tokens by code, the most used first, of {size:,} codes (logarithmic scale)."
    picture = figure(codes_plot([int(n) for n in whole.counts], whole.perplexity), caption)
    heads = ["Set", "People", "Tokens", "Perplexity", "Codes used", "Share"]
    return f"<h2>How evenly the codes are used</h2>{picture}{table(heads, rows)}"


def _says(use: CodeUse) -> str:
    rows = []
    for d, name in enumerate((*use.datasets, "all")):
        found = information(use, use.tokens.dataset == d if d < len(use.datasets) else None)
        if found is None:
            continue
        excess = found.bits - found.by_chance
        share = f"{percent(excess / found.entropy)} %" if found.entropy else "–"
        bits = [number(v, 2) for v in (found.bits, found.by_chance, excess, found.entropy)]
        rows.append([text(name), f"{found.tokens:,}", *bits, share])
    if not rows:
        return "<h2>What a code says of the movement</h2><p>The corpus labels no two movements.</p>"
    heads = ["Set", "Labelled tokens", "Mutual information, bit", "By chance", "Beyond chance", "Entropy", "Share said"]
    note = (
        "Mutual information between the code of one token and the movement it lies in. By chance: the same with labels "
        "shuffled within each set, which many codes on few tokens reach for nothing. Entropy: the most there is to say."
    )
    return f"<h2>What a code says of the movement</h2><p class=note>{note}</p>{table(heads, rows)}"


def _surroundings(found: Context | None) -> str:
    head = "<h2>What the surroundings decide</h2>"
    if found is None:
        return f"{head}<p>Too few sentences to compare.</p>"
    moved = f"{percent(found.changed_moved)} %"
    alike = f"{found.pairs:,} pairs, at {found.pairs_distance:.2f} of the distance of random ones"
    rows = [
        [f"Code changes when the token is put into another sentence ({found.moved:,} tokens)", moved],
        ["Code changes without the sentence's other tokens", f"{percent(found.changed_unaccompanied)} %"],
        ["Code changes without them, the time and the overall amplitudes", f"{percent(found.changed_alone)} %"],
        [f"Most alike tokens with unequal codes ({alike})", f"{percent(found.pairs_differ)} %"],
        ["Random tokens with unequal codes", f"{percent(found.random_differ)} %"],
        ["Cosine between the codes of the most alike tokens", number(found.pairs_cosine, 2)],
        ["Cosine between the codes of random tokens", number(found.random_cosine, 2)],
    ]
    note = (
        f"From {found.tokens:,} tokens drawn at random. Neighbour pairs: each token and the one with the most alike "
        "amplitudes and band powers around the ring, in another sentence and at another position; most alike: the "
        "closest tenth of them. Points: eighths of the pairs, from the closest on."
    )
    numbers = f'<div class="half">{table(["Measure", ""], rows)}</div>'
    plot = f'<div class="half">{context_plot(found)}</div>'
    return f'{head}<p class=note>{note}</p><div class="row">{plot}{numbers}</div>'


def _map(view: _View) -> str:
    used = np.flatnonzero(view.whole.counts)
    by_label = view.by(view.use.tokens.label, max(1, len(view.use.labels)))[used]
    dominant = np.where(by_label.any(axis=1), by_label.argmax(axis=1), -1)
    places, shares = plane(view.entries[used])
    picture = map_plot(places, shares, view.whole.counts[used], dominant, view.use.labels)
    caption = "Used codes on two principal components of the codebook; area: use; colour: movement of most tokens."
    return f"<h2>Map of the codes</h2>{figure(picture, caption)}"


def _cards(view: _View, top: int) -> str:
    order = [int(k) for k in np.argsort(-view.whole.counts, kind="stable")[:top] if view.whole.counts[k]]
    rings = view.use.prototypes.sigma.numpy()[order] / view.whole.counts[order][:, None]
    scales = _Scales((min(0.0, float(rings.min())), max(float(rings.max()), 1.0)), _envelope_limits(view, order))
    tables = _Tables.of(view)
    cards = "".join(_card(view, code, set(order), tables, scales) for code in order)
    note = (
        "Slot 0 and 0° lie over the ulna, 90° on the flexors' side, 180° over the radius, 270° on the extensors' side "
        "(of the model's frame). Lift: how many times as frequent a movement is among the code's tokens as among all. "
        f"The cards share their scales: rings from {scales.ring[0]:.1f} to {scales.ring[1]:.1f}, mean |z| from "
        f"{scales.envelope[0]:.2f} (clear) to {scales.envelope[1]:.2f}. Mean z is scaled by card: blue above 0, orange "
        "below."
    )
    return f'<h2>The {len(order)} most used codes</h2><p class=note>{note}</p><div class="cards">{cards}</div>'


@dataclass(frozen=True)
class _Scales:
    """What the cards share, so that they can be compared."""

    ring: tuple[float, float]
    envelope: tuple[float, float]


@dataclass(frozen=True)
class _Tables:
    """Codes by movements, phases, sets and people."""

    labels: NDArray[np.int64]
    phases: NDArray[np.int64]
    datasets: NDArray[np.int64]
    people: NDArray[np.int64]

    @staticmethod
    def of(view: _View) -> _Tables:
        tokens, use = view.use.tokens, view.use
        return _Tables(
            view.by(tokens.label, max(1, len(use.labels))),
            view.by(tokens.phase, len(PHASES)),
            view.by(tokens.dataset, len(use.datasets)),
            view.by(tokens.person, len(use.people)),
        )


def _card(view: _View, code: int, shown: set[int], tables: _Tables, scales: _Scales) -> str:
    count = int(view.whole.counts[code])
    entries = [
        ("Movements", _movements(view, tables.labels, code)),
        ("On the ring", _ring_position(view, code)),
        ("Phase", _shares(tables.phases[code], PHASES)),
        ("Sets", _shares(tables.datasets[code], view.use.datasets)),
        ("People", f"{int((tables.people[code] > 0).sum())} of {len(view.use.people)}"),
        ("Nearest codes", _nearest(view, code, shown)),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in entries)
    share = f"{percent(count / len(view.use.tokens), 2)} % of all tokens"
    head = f'<h3>Code {code}</h3><span class="note">{count:,} tokens, {share}</span>'
    return (
        f'<section class="card" id="code-{code}">{head}'
        f"{_picture(view, code, scales)}<dl>{listed}</dl></section>"
    )


def _picture(view: _View, code: int, scales: _Scales) -> str:
    prototypes, count = view.use.prototypes, int(view.whole.counts[code])
    envelope, wave = _mean(view, prototypes.envelope, code), _mean(view, prototypes.wave, code)
    spectrum, sigma = prototypes.spectrum[code].numpy() / count, prototypes.sigma[code].numpy() / count
    return code_plot(CodePicture(envelope, wave, spectrum, sigma), scales.ring, scales.envelope, view.rate_hz)


def _mean(view: _View, sums: Tensor, code: int) -> NDArray[np.float64]:
    """(S, L) over the tokens that reach a sample, NaN where none does."""
    running = view.use.prototypes.running[code].numpy()
    return np.where(running > 0, sums[code].numpy() / np.maximum(running, 1), np.nan)


def _envelope_limits(view: _View, order: Sequence[int]) -> tuple[float, float]:
    values = np.concatenate([_mean(view, view.use.prototypes.envelope, code).ravel() for code in order])
    low, high = np.nanpercentile(values, [2, 98])
    return float(low), max(float(high), float(low) + 1e-3)


def _movements(view: _View, by_label: NDArray[np.int64], code: int) -> str:
    found = meanings(by_label[code], by_label.sum(axis=0), view.use.labels) if view.use.labels else []
    unlabelled = 1 - by_label[code].sum() / view.whole.counts[code]
    said = [f"{text(m.label)} {percent(m.share, 0)} % (lift {m.lift:.1f})" for m in found]
    return ", ".join([*said, *([f"{percent(unlabelled, 0)} % unlabelled"] if unlabelled > 0.005 else [])])


def _ring_position(view: _View, code: int) -> str:
    """Where the energy of the code's tokens sits, and how far they agree on it."""
    mean = complex(view.use.tokens.source[view.use.tokens.code == code].mean())
    angle = float(np.rad2deg(np.angle(mean))) % 360
    slot = round(angle / SLOT_DEG) % 16
    word = "all around" if abs(mean) < 0.1 else f"{angle:.0f}°, about slot {slot}"
    return f"{word} (strength {abs(mean):.2f} of 1)"


def _shares(row: NDArray[np.int64], names: Sequence[str]) -> str:
    order = [int(i) for i in np.argsort(-row, kind="stable") if row[i]]
    return ", ".join(f"{text(names[i])} {percent(row[i] / row.sum(), 0)} %" for i in order)


def _nearest(view: _View, code: int, shown: set[int]) -> str:
    found = nearest_codes(code, view.entries, view.whole.counts)
    named = [(f'<a href="#code-{k}">{k}</a>' if k in shown else str(k), cosine) for k, cosine in found]
    return ", ".join(f"{name} ({number(cosine, 2)})" for name, cosine in named) or "–"
