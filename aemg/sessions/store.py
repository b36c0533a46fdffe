"""Tokenised sessions beside their corpus: made once for each setting of space and tokenizer, then read by memory map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor
from pathlib import Path

import joblib

from aemg.config import to_mapping
from aemg.corpus import Corpus
from aemg.corpus.remote import address_of
from aemg.corpus.shards import set_files
from aemg.errors import AEMGError
from aemg.sessions.session import Session, SessionKey, load_session, save_session, tokenise_session
from aemg.signals import Recording
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SpaceConfig

FORMAT = 7  # raised when the content of a stored session changes


class SessionStore:
    """The sessions of a corpus under one setting.

    Args:
        corpus: folder of prepared sets, or the address of one elsewhere.
        space, tokenizer: another setting is another store.
        folder: of the sessions; None for `sessions` in the corpus.

    Raises:
        AEMGError: no folder for a corpus elsewhere.
    """

    def __init__(
        self, corpus: Path, space: SpaceConfig, tokenizer: TokenizerConfig, folder: Path | None = None
    ) -> None:
        if folder is None and address_of(corpus) is not None:
            raise AEMGError(f"{corpus} lies elsewhere: name a folder for its tokenised sessions (data.sessions=DIR)")
        self.corpus, self.space, self.tokenizer = corpus, space, tokenizer
        self._sessions = folder or corpus / "sessions"
        setting = json.dumps([FORMAT, to_mapping(space), to_mapping(tokenizer)], sort_keys=True)
        self._setting = hashlib.sha256(setting.encode()).hexdigest()[:10]
        self._digests: dict[str, str] = {}

    def load(self, key: SessionKey) -> Session:
        """A session that `ensure` has made.

        Raises:
            DataFileError: missing or damaged.
        """
        return load_session(self._folder(key))

    def ensure(
        self,
        keys: Iterable[SessionKey] | None = None,
        *,
        jobs: int = 2,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[SessionKey]:
        """Makes the sessions that are missing, several at a time, and returns the keys of all that were asked for. Under
        `joblib.parallel_config(backend="dask")` they are made on all machines that share the corpus's folder.

        Args:
            keys: None for every raw session of the corpus; envelope recordings are left out.
            progress: called with how many are done and how many there are.

        Raises:
            AEMGError: a session that the corpus does not hold.
        """
        members = sessions_of(Corpus(self.corpus))
        wanted = sorted(members, key=str) if keys is None else list(keys)
        unknown = [str(k) for k in wanted if k not in members]
        if unknown:
            raise AEMGError(f"the corpus at {self.corpus} holds no raw session {', '.join(unknown)}")
        missing = [k for k in wanted if not (self._folder(k) / "session.json").exists()]
        done = len(wanted) - len(missing)
        report = progress or (lambda done, total: None)
        report(done, len(wanted))
        work = [joblib.delayed(_make)(self.corpus, k, self.space, self.tokenizer, self._folder(k)) for k in missing]
        parallel = joblib.Parallel(n_jobs=max(1, min(jobs, len(work))), return_as="generator_unordered")
        try:
            for _ in parallel(work):
                done += 1
                report(done, len(wanted))
        except BrokenExecutor as error:
            raise AEMGError("a tokenising process died, maybe for want of memory; run it again, with fewer jobs") from error
        return wanted

    def _folder(self, key: SessionKey) -> Path:
        if key.dataset not in self._digests:
            digest = Corpus(set_files(self.corpus, key.dataset)).digests[key.dataset]
            self._digests[key.dataset] = (digest or "undated")[:10]
        setting = f"{self._setting}-{self._digests[key.dataset]}"
        return self._sessions / key.dataset / setting / f"{key.subject}_{key.session}"


def sessions_of(corpus: Corpus) -> dict[SessionKey, list[int]]:
    """Which recordings of a corpus belong to each raw session."""
    members: dict[SessionKey, list[int]] = {}
    for i, entry in enumerate(corpus.recordings):
        if entry.kind == "raw":
            members.setdefault(SessionKey(entry.dataset, entry.subject, entry.session), []).append(i)
    return members


def recordings_of(corpus: Path, key: SessionKey) -> list[Recording]:
    """The recordings of one raw session, in its order."""
    one_set = Corpus(set_files(corpus, key.dataset))
    return [one_set.load(i) for i in sessions_of(one_set)[key]]


def _make(
    corpus: Path, key: SessionKey, space: SpaceConfig, tokenizer: TokenizerConfig, folder: Path
) -> None:
    save_session(tokenise_session(key, recordings_of(corpus, key), space, tokenizer), folder)
