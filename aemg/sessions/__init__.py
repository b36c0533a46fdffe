"""Sessions: a corpus unified and tokenised, one donning at a time, with the features that registration and controls use."""

from aemg.sessions.session import (
    HOP_S,
    WINDOW_S,
    RestLevels,
    Session,
    SessionKey,
    TangentScale,
    TokenisedRecording,
    labelled_windows,
    load_session,
    rest_levels,
    save_session,
    standardised_by,
    tokenise_session,
)
from aemg.sessions.store import SessionStore, recordings_of, sessions_of

__all__ = [
    "HOP_S", "WINDOW_S", "RestLevels", "Session", "SessionKey", "SessionStore", "TangentScale", "TokenisedRecording",
    "labelled_windows", "load_session", "recordings_of", "rest_levels", "save_session", "sessions_of",
    "standardised_by", "tokenise_session",
]
