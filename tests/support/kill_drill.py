"""Runs a job again and again, each time killed (SIGKILL) at its n-th step in the file system, and at last to its end.

    python kill_drill.py STAGE CONFIG FOLDER COUNT...

prints how many steps the last run took. Only openings for writing, renamings and removals below FOLDER are counted, so that a
kill falls between the very operations that must not leave anything half done. Each run is a fork of this process, which has
imported everything and computed nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

SCRIPT = Path(__file__)
STEPS = {"os.rename": (0, 1), "os.remove": (0,), "os.mkdir": (0,), "os.rmdir": (0,), "os.link": (0, 1), "os.utime": (0,)}


def drill(stage: str, config: Path, folder: Path, kills: list[int]) -> int:
    """Kills a job at those numbers of file operations, one run after the other, then lets it end; the steps of its last run."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(SCRIPT), stage, str(config), str(folder), *map(str, kills)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("steps")))


def job_of(stage: str, config: str) -> Callable[[], object]:
    from aemg.config import load_config

    if stage == "decoder":
        from aemg.neuromotor.training import DecoderConfig, decode

        return lambda: decode(load_config(DecoderConfig, config))
    if stage == "loso":
        from aemg.evaluation import EvaluationConfig, evaluate

        return lambda: evaluate(load_config(EvaluationConfig, config))
    from aemg.training import RunConfig, pretrain, train_tokenizer

    run = {"tokenizer": train_tokenizer, "pretrain": pretrain}[stage]
    return lambda: run(load_config(RunConfig, config))


def counted(folder: Path, kill_at: int | None) -> Callable[[], int]:
    """Counts this process's steps from now on, and kills it at one of them."""
    done = 0

    def below(path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(os.fspath(path)).startswith(f"{folder}")

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        if event == "open":
            mode = arguments[1]
            step = isinstance(mode, str) and any(c in mode for c in "wax+") and below(arguments[0])
        else:
            step = event in STEPS and any(below(arguments[i]) for i in STEPS[event])
        if step:
            done += 1
            if done == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: done


def run(job: Callable[[], object], folder: Path, kill_at: int | None) -> bool:
    """Whether the job came to its end before it was killed."""
    child = os.fork()
    if child == 0:
        steps = counted(folder, kill_at)
        job()
        os.write(1, f"steps {steps()}\n".encode())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        if os.WEXITSTATUS(status):
            sys.exit(f"the job failed with status {os.WEXITSTATUS(status)}, not killed")
        return True
    assert os.WTERMSIG(status) == signal.SIGKILL
    return False


def main() -> None:
    os.environ["ACCELERATE_USE_CPU"] = "true"
    import torch

    torch.set_num_threads(1)
    stage, config, folder, *counts = sys.argv[1:]
    job = job_of(stage, config)
    for count in counts:
        if run(job, Path(folder).absolute(), int(count)):
            return
    if not run(job, Path(folder).absolute(), None):
        sys.exit("the last run was killed")


if __name__ == "__main__":
    main()
