"""The sets of armbands and grids that have recordings beside the project, in their own formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

MOVEMENTS = (
    "Open Hand", "Close Hand", "Flex Hand", "Extend Hand", "Pronation", "Supination", "Side Grip", "Fine Grip", "Agree",
    "Pointer",
)


def text(values: NDArray[np.generic], separator: str = ",") -> str:
    return "".join(separator.join(f"{v:g}" for v in row) + "\n" for row in values.tolist())


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def uci_rows(classes: Sequence[tuple[int, int]] = ((0, 100), (1, 200), (0, 50), (2, 200), (0, 50), (1, 200), (0, 100))):
    """Rows a millisecond apart whose 8 values change every 10 ms: channel c of change k is k + c counts of 1e-5 V."""
    codes = np.concatenate([np.full(n, code) for code, n in classes])
    time = np.arange(len(codes)) + 1
    counts = (np.arange(len(codes)) // 10)[:, None] + np.arange(8)
    return np.column_stack([time, counts * 1e-5, codes])


def uci(
    root: Path, rows: NDArray[np.float64] | None = None, subject: str = "01", series: int = 1, tail: str = ""
) -> Path:
    rows = uci_rows() if rows is None else rows
    header = "\t".join(["time", *(f"channel{i}" for i in range(1, 9)), "class"]) + "\n"
    path = root / "EMG_data_for_gestures-master" / subject / f"{series}_raw_data_10-0{series}_22.03.16.txt"
    return write(path, header + text(rows, "\t") + tail)


def laval_3dc(
    root: Path, values: NDArray[np.generic], block: str = "train", cycle: int = 0, gesture: int = 0
) -> Path:
    folder, device = ("3dc", "3dc") if values.shape[1] == 10 else ("MyoArmband", "Myo")
    place = root / "Dataset" / "Participant5" / block / folder / "EMG"
    return write(place / f"{device}_EMG_gesture_{cycle}_{gesture}.txt", text(values))


def biopatrec(root: Path, movements: Sequence[str] = MOVEMENTS[:2], repetitions: int = 1, **fields) -> Path:
    """Sample t of channel c in movement m is (1 + c + 10 m) volts at the amplifier's output."""
    seconds = 6 * repetitions
    samples = np.ones((2000 * seconds, 4, len(movements))) + np.arange(4)[:, None] + 10 * np.arange(len(movements))
    session = {
        "sF": np.uint16(2000), "sT": np.uint8(seconds), "cT": np.uint8(3), "rT": np.uint8(3), "nM": len(movements),
        "nR": np.uint8(repetitions), "nCh": np.uint8(4), "dev": "ADH", "mov": np.array([movements], dtype=object),
        "date": np.arange(6.0), "cmt": "initials-and-age", "tdata": samples,
    }
    path = root / "10mov4chForearmUntargeted" / "6.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"recSession": {**session, **fields}}, do_compression=True)
    return path


def kanoga(root: Path, values: NDArray[np.float64], subject: int = 1, motion: int = 1, trial: int = 1) -> Path:
    return write(root / "data" / f"sub{subject}" / f"M{motion}T{trial}.csv", text(values))


def arraymap(root: Path) -> NDArray[np.uint8]:
    """Position (around a, along l) sits in raw column 4 a + l of the one half and counted back in the other."""
    placed = np.arange(1, 65, dtype=np.uint8).reshape(16, 4)
    placed[8:] = placed[8:][:, ::-1]
    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "arraymap.mat", {"arraymap": placed})
    return placed


def flexemg(
    root: Path, folder: str = "001-Session1Train", trial: int = 1, sequence=(3, 4, 2, 1), rest=500, gesture=1000, **over
) -> Path:
    """Raw column c is 8000 + c counts, and one count more in every second sample but the first."""
    arraymap(root)
    rows = rest + len(sequence) * gesture + 3000
    raw = np.zeros((rows, 96), dtype=np.uint16)
    raw[:, :64] = 8000 + np.arange(64)
    raw[2::2, :64] += 1
    parameters = {
        "lsbmV": 0.0030517578125, "labelnames": np.array([["Fist", "Raise", "Lower", "Open"]], dtype=object),
        "numlabels": 4, "sequence": np.array([sequence], dtype=np.uint8), "reps": 1, "timegest": gesture,
        "timerest": rest,
    }
    path = root / "data" / folder / f"{folder[:3]}-{trial:03d}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"raw": over.pop("raw", raw), "p": {**parameters, **over}}, do_compression=True)
    return path


def laval_myo(root: Path, counts: NDArray[np.int16], person: str = "Female0", block: str = "training0", index: int = 0,
              part: str = "PreTrainingDataset") -> Path:  # fmt: skip
    return write(root / part / person / block / f"classe_{index}.dat", counts.astype("<i2").tobytes())


def unibo(root: Path, posture: int = 1, codes=(1, 6, 1, 2, 1, 6), run: int = 250, **over) -> Path:
    relabel = np.repeat(np.asarray(codes, dtype=np.float32), run)[:, None]
    emg = np.arange(4 * len(relabel), dtype=np.float32).reshape(-1, 4)
    content = {"emg": emg, "label": relabel, "relabel": relabel, "gestureCounter": relabel, **over}
    path = root / "data" / f"user_1_day_2_posture_{posture}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content)
    return path


WRITERS = {
    "uci-gestures": lambda root: uci(root).parents[2],
    "laval-3dc": lambda root: laval_3dc(root, np.arange(2500).reshape(250, 10) % 50).parents[5],
    "laval-3dc-myo": lambda root: laval_3dc(root, np.arange(400).reshape(50, 8) % 50).parents[5],
    "biopatrec-10mov": lambda root: biopatrec(root, movements=MOVEMENTS[:1]).parents[1],
    "kanoga-myo": lambda root: kanoga(root, np.arange(8000).reshape(1000, 8) % 7 / 128).parents[2],
    "kanoga-myo-22": lambda root: kanoga(root, np.arange(8000).reshape(1000, 8) % 7 / 128, motion=22).parents[2],
    "flexemg": lambda root: flexemg(root).parents[2],
    "laval-myo": lambda root: laval_myo(root, np.arange(400).reshape(50, 8) % 50).parents[3],
    "unibo-inail": lambda root: unibo(root).parents[1],
}
