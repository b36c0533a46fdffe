"""The processes that a command was launched as."""

from __future__ import annotations

import os

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env


def joined_processes() -> PartialState:
    """This process among those launched with it; to be asked for before anything else of Accelerate's.

    Left alone, Accelerate takes each of several processes without a GPU for the only one.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or (several and not torch.cuda.is_available()))
