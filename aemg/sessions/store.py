"""Tokenised sessions beside their corpus: made once for each setting of space and tokenizer, then read by memory map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from aemg.config import to_mapping
from aemg.corpus import Corpus
from aemg.errors import AEMGError
from aemg.sessions.session import Session, SessionKey, load_session, save_session, tokenise_session
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SpaceConfig

FORMAT = 6  # raised when the content of a stored session changes


class SessionStore:
    """The sessions of a corpus under one setting.

    Args:
        corpus: folder of prepared sets.
        space, tokenizer: another setting is another store.
    """

    def __init__(self, corpus: Path, space: SpaceConfig, tokenizer: TokenizerConfig) -> None:
        self._corpus, self.space, self.tokenizer = corpus, space, tokenizer
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
        """Makes the sessions that are missing, several at a time, and returns the keys of all that were asked for.

        Args:
            keys: None for every raw session of the corpus; envelope recordings are left out.
            progress: called with how many are done and how many there are.

        Raises:
            AEMGError: a session that the corpus does not hold.
        """
        members = sessions_of(Corpus(self._corpus))
        wanted = sorted(members, key=str) if keys is None else list(keys)
        unknown = [str(k) for k in wanted if k not in members]
        if unknown:
            raise AEMGError(f"the corpus at {self._corpus} holds no raw session {', '.join(unknown)}")
        missing = [k for k in wanted if not (self._folder(k) / "session.json").exists()]
        done = len(wanted) - len(missing)
        report = progress or (lambda done, total: None)
        report(done, len(wanted))
        work = [(self._corpus, k, self.space, self.tokenizer, self._folder(k)) for k in missing]
        if jobs <= 1 or len(work) <= 1:
            for item in work:
                _make(*item)
                done += 1
                report(done, len(wanted))
            return wanted
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for future in as_completed([pool.submit(_make, *item) for item in work]):
                future.result()
                done += 1
                report(done, len(wanted))
        return wanted

    def _folder(self, key: SessionKey) -> Path:
        if key.dataset not in self._digests:
            digest = Corpus(self._corpus / f"{key.dataset}.h5").digests[key.dataset]
            self._digests[key.dataset] = (digest or "undated")[:10]
        setting = f"{self._setting}-{self._digests[key.dataset]}"
        return self._corpus / "sessions" / key.dataset / setting / f"{key.subject}_{key.session}"


def sessions_of(corpus: Corpus) -> dict[SessionKey, list[int]]:
    """Which recordings of a corpus belong to each raw session."""
    members: dict[SessionKey, list[int]] = {}
    for i, entry in enumerate(corpus.recordings):
        if entry.kind == "raw":
            members.setdefault(SessionKey(entry.dataset, entry.subject, entry.session), []).append(i)
    return members


def _make(
    corpus: Path, key: SessionKey, space: SpaceConfig, tokenizer: TokenizerConfig, folder: Path
) -> None:
    one_set = Corpus(corpus / f"{key.dataset}.h5")
    recordings = [one_set.load(i) for i in sessions_of(one_set)[key]]
    save_session(tokenise_session(key, recordings, space, tokenizer), folder)
