"""What worker processes of the corpus have in common."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from functools import cache

import psutil


def end_with_parent() -> None:
    """Leaves stopping to the parent, and keeps a worker from waiting for ever when its parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@cache
def end_with(caller: int) -> None:
    """Ends this process when the one that started it is gone; does nothing where another than `caller` started it."""
    if os.getppid() != caller:
        return

    def wait() -> None:
        psutil.wait_procs([parent])
        os._exit(1)

    try:
        parent = psutil.Process(caller)
    except psutil.NoSuchProcess:
        os._exit(1)
    threading.Thread(target=wait, daemon=True).start()
