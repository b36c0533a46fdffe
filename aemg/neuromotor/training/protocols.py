"""What a configuration asks for, run to its end."""

from __future__ import annotations

from aemg.neuromotor.training.config import DecoderConfig
from aemg.neuromotor.training.curves import personal_curve, scaling_curve
from aemg.neuromotor.training.run import Report, train_decoder
from aemg.training.processes import joined_processes


def decode(config: DecoderConfig) -> Report | None:
    """The report of one decoder, or the curve of several; None where the run was stopped early. Ends the group of processes.

    Raises:
        AEMGError: as `train_decoder`, `scaling_curve` and `personal_curve`.
    """
    processes = joined_processes()
    if config.protocol == "scaling":
        found = scaling_curve(config)
    elif config.protocol == "personal":
        found = personal_curve(config)
    else:
        found = train_decoder(config).report
    processes.wait_for_everyone()
    processes.destroy_process_group()
    return found
