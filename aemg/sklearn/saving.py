"""A fitted classifier as safetensors and JSON: nothing in it is executed when it is read."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.utils.validation import check_is_fitted

from aemg.config import from_mapping, to_mapping
from aemg.errors import AEMGError, DataFileError
from aemg.model import AEMGConfig, Seen
from aemg.model.network import Encoder
from aemg.sessions.windows import Donning
from aemg.signals import Montage
from aemg.sklearn.classifier import AEMGClassifier
from aemg.sklearn.describe import Calibration, Describer
from aemg.sklearn.donnings import Sources
from aemg.sklearn.head import Moments
from aemg.tokenizer import RestLevel
from aemg.topology import UNIFIED, Worn

FORMAT = 1
CARD, ARRAYS = "classifier.json", "classifier.safetensors"
_KINDS = "biufUO"  # of labels: truth values, numbers, words
_ENCODER = "encoder."


def save_classifier(classifier: AEMGClassifier, folder: str | Path) -> None:
    """Writes a fitted classifier with its encoder, so that nothing else is needed to use it again.

    Raises:
        AEMGError: labels that are neither numbers nor words.
        OSError: the folder cannot be written.
    """
    check_is_fitted(classifier)
    kind = classifier.classes_.dtype
    names = classifier.classes_.tolist()
    if kind.kind not in _KINDS or (kind.kind == "O" and not all(isinstance(name, str) for name in names)):
        raise AEMGError(f"only labels that are numbers or words can be saved, these are {kind}")
    params = classifier.get_params(deep=False)
    encoder, montage = params["encoder"], params["montage"]
    params["encoder"] = str(encoder) if isinstance(encoder, str | Path) else None
    params["montage"] = None if montage is None else to_mapping(montage)
    card: dict[str, Any] = {
        "format": FORMAT,
        "params": {**params, "parts": list(params["parts"])},
        "classes": names,
        "label_dtype": kind.str,
        "n_features_in": classifier.n_features_in_,
        "feature_names_in": getattr(classifier, "feature_names_in_", np.zeros(0)).tolist(),
    }
    arrays = {**_fields("known.", classifier._known), **_fields("own.", classifier._own)}
    if hasattr(classifier, "calibration_"):
        described, describer_arrays = _describer_out(classifier._describer)
        calibrated, calibration_arrays = _calibration_out(classifier.calibration_)
        card |= {"describer": described, "calibration": calibrated}
        arrays |= describer_arrays | calibration_arrays
        if (sources := classifier._sources) is not None:
            card["sources_worn"] = [asdict(worn) for worn in sources.worn]
            arrays |= {"sources.features": sources.features, "sources.classes": sources.classes}
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, target / ARRAYS)
    (target / CARD).write_text(json.dumps(card, indent=1))


def load_classifier(folder: str | Path) -> AEMGClassifier:
    """Reads what `save_classifier` wrote. An encoder that was given as an object is used as it was saved; to `fit` again, give
    one anew.

    Raises:
        DataFileError: a file is missing or damaged.
    """
    source = Path(folder)
    try:
        card: dict[str, Any] = json.loads((source / CARD).read_text())
        arrays = load_file(source / ARRAYS)
        if card["format"] != FORMAT:
            raise DataFileError(source / CARD, f"format {FORMAT}", f"format {card['format']}")
        return _classifier(card, arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(source, "a saved classifier", f"{type(error).__name__}: {error}") from error


def _classifier(card: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> AEMGClassifier:
    params = dict(card["params"])
    params["montage"] = None if params["montage"] is None else from_mapping(Montage, params["montage"])
    classifier = AEMGClassifier(**{**params, "parts": tuple(params["parts"])})
    dtype = np.dtype(card["label_dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"labels of type {dtype}")
    classifier.classes_ = np.array(card["classes"], dtype=dtype)
    classifier.n_features_in_ = int(card["n_features_in"])
    if card["feature_names_in"]:
        classifier.feature_names_in_ = np.array(card["feature_names_in"], dtype=object)
    classifier._known, classifier._own = (
        Moments(*(arrays[part + name] for name in ("counts", "means", "scatter"))) for part in ("known.", "own.")
    )
    if "calibration" in card:
        classifier._describer = _describer_in(card["describer"], arrays)
        classifier.calibration_ = _calibration_in(card["calibration"], arrays)
        classifier._sources = None
        if "sources_worn" in card:
            worn = tuple(Worn(**way) for way in card["sources_worn"])
            classifier._sources = Sources(arrays["sources.features"], arrays["sources.classes"], worn)
    return classifier._solved()


def _fields(prefix: str, moments: Moments) -> dict[str, NDArray[Any]]:
    return {prefix + name: value for name, value in vars(moments).items()}


def _describer_out(describer: Describer) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    seen = {**asdict(describer.seen), "files": sorted(describer.seen.files)}
    card = {"parts": list(describer.parts), "config": to_mapping(describer.config), "seen": seen}
    if describer.encoder is None:
        return card, {}
    return card, {_ENCODER + name: value.numpy() for name, value in describer.encoder.state_dict().items()}


def _describer_in(card: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Describer:
    config, seen, encoder = from_mapping(AEMGConfig, card["config"]), card["seen"], None
    weights = {name.removeprefix(_ENCODER): torch.tensor(a) for name, a in arrays.items() if name.startswith(_ENCODER)}
    if weights:
        encoder = Encoder(config)
        encoder.load_state_dict(weights)
        encoder.eval()
    people = {name: tuple(of) for name, of in seen["people"].items()}
    known = Seen(people, frozenset(seen["files"]), seen["licences"], tuple(seen["restricted"]))
    return Describer(tuple(card["parts"]), encoder, config, known)


def _calibration_out(calibration: Calibration) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    rest, donning = calibration.donning.rest, calibration.donning
    card = {
        "montage": to_mapping(calibration.montage),
        "rate_hz": calibration.rate_hz,
        "worn": asdict(calibration.worn),
        "rest": {"rate_hz": rest.rate_hz, "tokens_per_s": rest.tokens_per_s, "source": rest.source},
    }
    arrays: dict[str, NDArray[Any]] = {
        "calibration.mean": calibration.mean,
        "calibration.std": calibration.std,
        "donning.rest_mean_square": rest.mean_square,
        "donning.slot_rest": donning.slot_rest,
        "donning.feature_mean": donning.feature_mean,
        "donning.feature_std": donning.feature_std,
    }
    return card, arrays


def _calibration_in(card: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Calibration:
    rest = RestLevel(mean_square=arrays["donning.rest_mean_square"], montage=UNIFIED, **card["rest"])
    donning = Donning(rest, *(arrays[f"donning.{name}"] for name in ("slot_rest", "feature_mean", "feature_std")))
    montage = from_mapping(Montage, card["montage"])
    spread = arrays["calibration.mean"], arrays["calibration.std"]
    return Calibration(montage, card["rate_hz"], donning, Worn(**card["worn"]), *spread)
