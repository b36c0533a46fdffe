"""The networks that decode finger flexion: by name, to and from a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from aemg.config import from_mapping, to_mapping
from aemg.errors import AEMGError, DataFileError
from aemg.virtual_user.aemg_decoder import FingerBackbone
from aemg.virtual_user.emg import EMGSettings
from aemg.virtual_user.tcn import FingerTCN

FingerNetwork = FingerTCN | FingerBackbone
KINDS = ("tcn", "aemg")


def fresh_network(kind: str, channels: int, rate_hz: float, **settings: Any) -> FingerNetwork:
    """A network with fresh weights for EMG of so many channels.

    Args:
        kind: `tcn` or `aemg`; the latter takes the sixteen channels of a ring at 2000 Hz only.
        settings: of its constructor.

    Raises:
        AEMGError: an unknown kind, or EMG that it cannot take.
    """
    if kind not in KINDS:
        raise AEMGError(f"decoders are {' and '.join(KINDS)}, got {kind!r}")
    if kind == "tcn":
        return FingerTCN(channels, rate_hz=rate_hz, **settings)
    network = FingerBackbone(**settings)
    if (network.channels, network.rate_hz) != (channels, rate_hz):
        raise AEMGError(
            f"the decoder aemg takes {network.channels} electrodes of a ring at {network.rate_hz:g} Hz, "
            f"got {channels} channels at {rate_hz:g} Hz"
        )
    return network


def save_network(network: FingerNetwork, emg: EMGSettings, folder: Path, **about: Any) -> None:
    """Writes decoder.json (settings of network and EMG, and `about`) and decoder.safetensors into a folder, made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    partial = folder / f"decoder.safetensors.partial-{os.getpid()}"
    save_file(weights, partial)
    os.replace(partial, folder / "decoder.safetensors")
    card = {"network": network.get_config(), "emg": to_mapping(emg), **about}
    (folder / "decoder.json").write_text(json.dumps(card, indent=1) + "\n")


def load_network(folder: Path) -> tuple[FingerNetwork, EMGSettings]:
    """What `save_network` wrote: the network, in evaluation, and how the EMG that it takes is made.

    Raises:
        DataFileError: a file is missing or damaged.
    """
    card = folder / "decoder.json"
    if not card.is_file():
        raise DataFileError(folder, "decoder.json and decoder.safetensors of a finger decoder", "no decoder.json there")
    try:
        values = json.loads(card.read_text())
        config = dict(values["network"])
        emg = from_mapping(EMGSettings, values["emg"], source=str(card))
        network: FingerNetwork
        if config.pop("kind") == "tcn":
            network = FingerTCN(**config)
        else:
            network = FingerBackbone.from_config(config)
        network.load_state_dict(load_file(folder / "decoder.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise DataFileError(folder, "decoder.json and decoder.safetensors of a finger decoder", str(error)) from error
    return network.eval(), emg
