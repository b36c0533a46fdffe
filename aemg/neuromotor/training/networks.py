"""The network of a configuration, fresh or from saved weights; who it was trained on, as far as that is known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aemg.datasets.formats.neuromotor_file import Task
from aemg.datasets.sets.meta import SETS
from aemg.errors import ConfigError, DataFileError
from aemg.model import ModelCard
from aemg.neuromotor.backbone import AEMGDecoder, aemg_decoder
from aemg.neuromotor.decoder import Decoder, read_card
from aemg.neuromotor.gestures import DiscreteGestures
from aemg.neuromotor.handwriting import Handwriting
from aemg.neuromotor.training.config import DecoderConfig
from aemg.neuromotor.wrist import Wrist

NETWORKS: dict[Task, type[Decoder]] = {"discrete_gestures": DiscreteGestures, "handwriting": Handwriting, "wrist": Wrist}
TRAINED_ON = "trained_on.json"


@dataclass(frozen=True)
class TrainedOn:
    """Users and datasets whose recordings a decoder's weights have seen, those of its `init` included.

    Args:
        complete: False where the `init` does not tell whom it had seen.
    """

    users: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    complete: bool = True

    def __add__(self, other: TrainedOn) -> TrainedOn:
        return TrainedOn(
            tuple(sorted({*self.users, *other.users})),
            tuple(sorted({*self.datasets, *other.datasets})),
            self.complete and other.complete,
        )

    def save(self, folder: Path) -> None:
        """Writes it beside a saved decoder."""
        (folder / TRAINED_ON).write_text(json.dumps(asdict(self), indent=1) + "\n")


@dataclass(frozen=True)
class Start:
    """A network to train or test, and whom it has seen."""

    network: Decoder
    trained_on: TrainedOn


def make_network(config: DecoderConfig) -> Start:
    """The network that a configuration describes; a fresh one takes its weights from torch's generator.

    Raises:
        ConfigError: settings that do not fit the network, or an `init` of another kind than they say.
        DataFileError: an `init` that cannot be read.
    """
    if config.init is not None:
        return _initial(config, config.init)
    model = config.model
    if model.backbone == "meta":
        if model.encoder != "none":
            raise ConfigError("model.encoder is for model.backbone=aemg, which is meta here")
        return Start(NETWORKS[config.task].from_config(model.network), TrainedOn())
    if model.encoder == "none":
        return Start(aemg_decoder(config.task, None, **model.network), TrainedOn())
    encoder = _saved_folder(Path(model.encoder))
    return Start(aemg_decoder(config.task, encoder, **model.network), _seen_by(encoder, config.task))


def _seen_by(encoder: Path, task: Task) -> TrainedOn:
    """Whom of the task's users a pre-trained encoder has seen; the people of other sets are others."""
    return TrainedOn(tuple(sorted(ModelCard.read(encoder).seen.people.get(SETS[task], ()))))


def _initial(config: DecoderConfig, init: Path) -> Start:
    wanted: type[Decoder] = NETWORKS[config.task] if config.model.backbone == "meta" else AEMGDecoder
    if init.is_file():
        if config.model.backbone != "meta":
            raise ConfigError(f"init={init} is a checkpoint of a published network, but model.backbone is aemg")
        return Start(wanted.from_checkpoint(init, **config.model.network), TrainedOn(complete=False))
    folder = _saved_folder(init)
    card = read_card(folder)
    if card["decoder"] != wanted.__name__:
        raise ConfigError(
            f"init={init} holds a {card['decoder']}, but task={config.task} with model.backbone={config.model.backbone} "
            f"is a {wanted.__name__}"
        )
    return Start(_with_settings(wanted.from_pretrained(folder), config.model.network, init), _read_trained_on(folder))


def _with_settings(network: Decoder, settings: dict[str, Any], init: Path) -> Decoder:
    """The same weights under other settings, such as dropout, as far as they fit."""
    if not settings:
        return network
    made = type(network).from_config({**network.get_config(), **settings})
    try:
        made.load_state_dict(network.state_dict())
    except RuntimeError as error:
        raise ConfigError(f"model.network = {settings} does not fit the weights of init={init}: {error}") from None
    made.licence = network.licence
    return made


def _saved_folder(path: Path) -> Path:
    """A model's folder, given itself or the run that it lies in."""
    return path / "model" if (path / "model").is_dir() else path


def _read_trained_on(folder: Path) -> TrainedOn:
    file = folder / TRAINED_ON
    if not file.exists():
        return TrainedOn(complete=False)
    try:
        told = json.loads(file.read_text())
        return TrainedOn(tuple(told["users"]), tuple(told["datasets"]), bool(told["complete"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataFileError(file, "users, datasets and complete in JSON", str(error)) from None


__all__ = ["NETWORKS", "TRAINED_ON", "Start", "TrainedOn", "make_network"]
