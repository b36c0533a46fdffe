"""Sessions: a corpus unified and tokenised, one donning at a time, with the features that registration and controls use."""

from aemg.sessions.session import (
    HOP_S,
    WINDOW_S,
    Session,
    SessionKey,
    TokenisedRecording,
    labelled_windows,
    load_session,
    save_session,
    tokenise_session,
)
from aemg.sessions.store import SessionStore, sessions_of

__all__ = [
    "HOP_S", "WINDOW_S", "Session", "SessionKey", "SessionStore", "TokenisedRecording", "labelled_windows",
    "load_session", "save_session", "sessions_of", "tokenise_session",
]
