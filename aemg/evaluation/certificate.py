"""The split certificate: what training and adaptation saw, computed from the data that were used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aemg.datasets import DatasetInfo, crowd_of
from aemg.evaluation.trials import Trial
from aemg.model import Seen
from aemg.sessions import Session


@dataclass(frozen=True)
class FoldFacts:
    """What one fold's training and test data have in common, and what its encoder had seen.

    Args:
        shared_people, shared_sessions: named on both sides.
        shared_trials, shared_windows: labelled ones on both sides, by file and time.
        encoder_saw_subject, encoder_saw_file: None without an encoder.
    """

    subject: str
    shared_people: tuple[str, ...]
    shared_sessions: tuple[str, ...]
    shared_trials: int
    shared_windows: int
    encoder: str | None
    encoder_saw_subject: bool | None
    encoder_saw_file: bool | None


def facts_of(values: Mapping[str, Any]) -> FoldFacts:
    """Facts as a fold's file keeps them."""
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return FoldFacts(**lists)


def fold_facts(
    subject: str,
    info: DatasetInfo,
    infos: dict[str, DatasetInfo],
    train: tuple[Sequence[Session], Sequence[Trial]],
    test: tuple[Sequence[Session], Sequence[Trial]],
    encoder: tuple[str, Seen] | None,
    adaptation: tuple[Sequence[Session], Sequence[Trial]] = ((), ()),
) -> FoldFacts:
    """Compares the sides of a fold, sessions and trials as handed to training and test.

    Args:
        infos: cards by name, for sets with the same people.
        encoder: its folder and what it has seen.
        adaptation: the test subject's own sessions and labelled trials that a trained model is adapted to; no source, but
            nothing of them may be tested.
    """
    people = [{(crowd_of(s.key.dataset, infos), s.key.subject) for s in side[0]} for side in (train, test)]
    sessions = [{str(s.key) for s in side[0]} for side in (train, test)]
    trials = [{(t.file, t.start_s, t.end_s) for t in side} for side in ([*train[1], *adaptation[1]], test[1])]
    windows = [{*_windows(*train), *_windows(*adaptation)}, set(_windows(*test))]
    saw_subject = saw_file = None
    if encoder is not None:
        files = {r.sha256 for s in test[0] for r in s.recordings}
        saw_subject, saw_file = saw(encoder[1], info, subject, infos), bool(files & encoder[1].files)
    return FoldFacts(
        subject,
        tuple(sorted(subject for _, subject in people[0] & people[1])),
        tuple(sorted(sessions[0] & sessions[1])),
        len(trials[0] & trials[1]),
        len(windows[0] & windows[1]),
        encoder[0] if encoder else None,
        saw_subject,
        saw_file,
    )


def saw(seen: Seen, info: DatasetInfo, subject: str, infos: dict[str, DatasetInfo]) -> bool:
    """Whether a model has seen a person, under this set's name or that of another set with the same people."""
    return any(
        subject in people and crowd_of(name, infos) == crowd_of(info.name, infos)
        for name, people in seen.people.items()
    )


def certificate(
    folds: Iterable[FoldFacts], *, protocol: str, target_unlabelled: str | None, target_labelled: Sequence[float] | None
) -> dict[str, object]:
    """The statement over all folds, as stored in the report; `loso` is True only where nothing of a test subject was
    seen with labels, nor seen at all in pre-training."""
    facts = list(folds)
    disjoint = not any(f.shared_people for f in facts)
    sessions = not any(f.shared_sessions for f in facts)
    trials, windows = sum(f.shared_trials for f in facts), sum(f.shared_windows for f in facts)
    subject = any(f.encoder_saw_subject for f in facts)
    file = any(f.encoder_saw_file for f in facts)
    loso = bool(facts) and disjoint and sessions and not (trials or windows or subject or file)
    kind = "leave-one-subject-out (LOSO)" if loso else "cross-user, but not leave-one-subject-out"
    if not disjoint:
        kind = "user-dependent"
    return {
        "loso": loso,
        "user_disjoint": disjoint,
        "session_disjoint": sessions,
        "shared_windows": windows,
        "shared_trials": trials,
        "target_unlabelled": target_unlabelled,
        "target_labelled": list(target_labelled) if target_labelled else None,
        "transductive": target_unlabelled is not None,
        "pretraining": {
            "encoder": sorted({f.encoder for f in facts if f.encoder}) or None,
            "saw_subject": subject,
            "saw_file": file,
            "details": {f.subject: asdict(f) for f in facts if f.encoder_saw_subject or f.encoder_saw_file},
        },
        "folds": len(facts),
        "statement": _statement(kind, protocol, target_unlabelled, target_labelled, subject or file),
    }


def row_certificate(
    facts: FoldFacts, protocol: str, *, unlabelled: str | None, labelled: str | None, adapted: bool, saw_set: bool | None
) -> dict[str, object]:
    """The statement on one row of a benchmark.

    Args:
        unlabelled, labelled: what of the person's data its method saw, in words.
        adapted: the labelled data adapt a model of other people, rather than train it.
        saw_set: pre-training saw people of the tested set, whoever they were; None without an encoder.
    """
    whole = certificate([facts], protocol=protocol, target_unlabelled=unlabelled, target_labelled=None)
    seen = bool(facts.encoder_saw_subject or facts.encoder_saw_file)
    kind = "user-dependent" if facts.shared_people else "few-shot" if adapted else "cross-user"
    loso = bool(whole["loso"]) and not labelled
    said = [f"{'Leave-one-subject-out (LOSO)' if loso else kind[0].upper() + kind[1:]}, protocol {protocol}."]
    said.append(f"Seen of the tested person without labels: {unlabelled or 'nothing'}.")
    said.append(f"With labels: {labelled or 'nothing'}.")
    if facts.encoder and seen:
        said.append("Pre-training saw the person or their files.")
    shared = facts.shared_trials or facts.shared_windows
    if shared:
        said.append(f"{facts.shared_trials} trials and {facts.shared_windows} windows are trained on and tested.")
    return {
        "class": kind,
        "loso": loso,
        "user_disjoint": whole["user_disjoint"],
        "session_disjoint": whole["session_disjoint"],
        "shared_trials": facts.shared_trials,
        "shared_windows": facts.shared_windows,
        "target_unlabelled": unlabelled,
        "target_labelled": labelled,
        "transductive": unlabelled is not None,
        "pretraining": {
            "encoder": facts.encoder,
            "saw_subject": facts.encoder_saw_subject,
            "saw_file": facts.encoder_saw_file,
            "saw_set": saw_set,
        },
        "statement": " ".join(said),
    }


def _statement(
    kind: str, protocol: str, unlabelled: str | None, labelled: Sequence[float] | None, seen: bool
) -> str:
    parts = [f"Protocol {protocol}: {kind}."]
    parts.append(
        f"Of the test subject's data without labels: {unlabelled}." if unlabelled else "No unlabelled data of the test subject."
    )
    if labelled:
        parts.append(f"With labels, for the few-shot points: the first {', '.join(f'{f:.0%}' for f in labelled)}.")
    else:
        parts.append("No labelled data of the test subject.")
    if seen:
        parts.append("Pre-training saw test subjects or their files, so these are not zero-shot results.")
    return " ".join(parts)


def _windows(sessions: Sequence[Session], trials: Sequence[Trial]) -> Iterable[tuple[str, float]]:
    for trial in trials:
        starts = sessions[trial.session].window_start_s
        for w in range(*trial.windows):
            yield trial.file, float(starts[w])
