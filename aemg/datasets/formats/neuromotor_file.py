"""Files of Meta's generic neuromotor interface: 16 channels of EMG at 2 kHz with time stamps, stages and prompts.

One HDF5 file is one session. `/data` has a row a sample, its fields addressed by name, for their order differs;
`/stages` and `/prompts` are pandas tables. Rows are taken as evenly spaced at `RATE_HZ`, as all users of the data do,
although stamps may repeat or leave gaps: see `inspect_file`.
Source: Kaifosh et al., Nature 645:702-711 (2025), doi:10.1038/s41586-025-09255-w.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from aemg.datasets.formats.hdf5_file import dataset
from aemg.datasets.formats.hdf5_heap import check_heaps
from aemg.datasets.formats.pandas_table import DAMAGE, Column, attribute, read_frame
from aemg.errors import DataFileError

Task = Literal["discrete_gestures", "handwriting", "wrist"]
TASKS: Final[tuple[Task, ...]] = get_args(Task)
CHANNELS: Final = 16
RATE_HZ: Final = 2000.0

_NAME: Final = re.compile(rf"({'|'.join(TASKS)})_(user_\d+)_(dataset_\d+)")
_FIELDS: Final = {"emg": np.dtype(("<f4", (CHANNELS,))), "time": np.dtype("<f8")}
_WRIST_FIELDS: Final = {**_FIELDS, "wrist_angles": np.dtype(("<f4", (2,)))}
_BLOCK_ROWS: Final = 1 << 16
_CACHE_BYTES: Final = 8 << 20  # holds the chunks of a window of 8 s, where the samples are compressed
# A forked child must neither use nor close what its parent opened, so handles of other processes are kept here.
_FOREIGN: Final[list[Any]] = []


@dataclass(frozen=True)
class Stage:
    """A stretch in which one thing was done: name, start and end in unix seconds, posture ("" where not told)."""

    name: str
    start: float
    end: float
    posture: str = ""


@dataclass(frozen=True)
class GesturePrompt:
    """A gesture's event and its time in unix seconds."""

    name: str
    time: float


@dataclass(frozen=True)
class TextPrompt:
    """What was to be written, from start to end in unix seconds."""

    prompt: str
    start: float
    end: float


@dataclass(frozen=True)
class FileName:
    """What a file's name says: task, user (`user_000`) and dataset of the user (`dataset_000`)."""

    task: Task
    user: str
    dataset: str


def parse_name(file: str | Path) -> FileName:
    """Task, user and dataset of a file from its name (with or without `.hdf5`).

    Raises:
        DataFileError: another kind of name.
    """
    match = _NAME.fullmatch(Path(file).name.removesuffix(".hdf5"))
    if match is None:
        raise DataFileError(file, "a name like discrete_gestures_user_000_dataset_000", Path(file).name)
    task = next(task for task in TASKS if task == match[1])
    return FileName(task, match[2], match[3])


class NeuromotorFile:
    """One session, opened when first read from, once a process; can be pickled and used in forked and spawned workers.

    Args:
        path: the file.
        task: refuse files of other tasks.

    All reading raises `DataFileError` for a file that is missing, truncated, damaged, or of another layout.
    """

    def __init__(self, path: str | Path, task: Task | None = None) -> None:
        self.path = Path(path)
        self._wanted = task
        self._file: Any = None
        self._data: Any = None
        self._pid = 0
        self._checked = False
        self._times: NDArray[np.float64] | None = None

    def __enter__(self) -> NeuromotorFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_data": None, "_times": None}

    def close(self) -> None:
        """Closes the file if this process opened it, and forgets its stamps; reading opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        elif self._file is not None:
            _FOREIGN.append((self._file, self._data))
        self._file = self._data = self._times = None

    @property
    def task(self) -> Task:
        """What was done: one of `TASKS`."""
        self._opened()
        return self._task

    @property
    def rows(self) -> int:
        """Number of samples."""
        return int(self._opened().shape[0])

    def times(self, start_row: int = 0, stop_row: int | None = None) -> NDArray[np.float64]:
        """Stamps (n,) of rows [start_row, stop_row) in unix seconds, never falling; all of them are kept once read.

        Raises:
            DataFileError: a stamp is smaller than the one before it, or not finite.
        """
        stop_row = self.rows if stop_row is None else stop_row
        self._check_range(start_row, stop_row)
        if self._times is not None:
            return self._times[start_row:stop_row]
        stamps = np.empty(stop_row - start_row)
        for start, stop, rows in self._blocks(start_row, stop_row, "time"):
            stamps[start - start_row : stop - start_row] = rows
        self._check_stamps(stamps, start_row)
        if stop_row - start_row == self.rows:
            stamps.flags.writeable = False
            self._times = stamps
        return stamps

    def stamps(self) -> NDArray[np.float64]:
        """Stamps (n,) of all rows as they are, falling or not finite ones among them."""
        stamps = np.empty(self.rows)
        for start, stop, rows in self._blocks(0, self.rows, "time"):
            stamps[start:stop] = rows
        return stamps

    def rows_between(self, start: float, end: float) -> tuple[int, int]:
        """The rows [a, b) with start <= stamp < end, times in unix seconds."""
        first, stop = np.searchsorted(self.times(), (start, end), side="left")
        return int(first), int(stop)

    def emg(self, start_row: int = 0, stop_row: int | None = None, *, allow_nan: bool = False) -> NDArray[np.float32]:
        """EMG (n, 16) of rows [start_row, stop_row), in units of the noise's standard deviation.

        Raises:
            DataFileError: a value is not finite and `allow_nan` is off; the message names the first such row.
        """
        return np.ascontiguousarray(self._read("emg", start_row, stop_row, allow_nan))

    def channels(self, start_row: int = 0, stop_row: int | None = None) -> NDArray[np.float32]:
        """EMG as `emg` gives it, but (16, n), filled block by block so that nothing is in memory twice."""
        stop_row = self.rows if stop_row is None else stop_row
        self._check_range(start_row, stop_row)
        filled = np.empty((CHANNELS, stop_row - start_row), np.float32)
        for start in range(start_row, stop_row, _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, stop_row)
            filled[:, start - start_row : stop - start_row] = self._read("emg", start, stop).T  # (n, 16) -> (16, n)
        return filled

    def wrist_angles(
        self, start_row: int = 0, stop_row: int | None = None, *, allow_nan: bool = False
    ) -> NDArray[np.float32]:
        """Angles (n, 2) in radians: flexion/extension (extension positive), radial/ulnar deviation (radial positive).

        Raises:
            DataFileError: not a file of the wrist, or a value is not finite and `allow_nan` is off.
        """
        if self.task != "wrist":
            raise DataFileError(self.path, "wrist angles, which files of the task wrist have", f"the task {self.task}")
        return np.ascontiguousarray(self._read("wrist_angles", start_row, stop_row, allow_nan))

    @property
    def stages(self) -> list[Stage]:
        """What was done when, in the file's order."""
        frame = self._table("stages", {"start": float, "end": float, "name": str})
        postures = frame.get("posture", [""] * len(frame["name"]))
        columns = (frame["name"], frame["start"], frame["end"], postures)
        return [Stage(str(name), float(a), float(b), str(posture)) for name, a, b, posture in zip(*columns)]

    @property
    def prompts(self) -> list[GesturePrompt] | list[TextPrompt]:
        """What the person was asked for, in the file's order: gestures' events or texts; files of the wrist have none."""
        if self.task == "wrist":
            return []
        return self.gesture_prompts() if self.task == "discrete_gestures" else self.text_prompts()

    def gesture_prompts(self) -> list[GesturePrompt]:
        """The prompts of a file of gestures.

        Raises:
            DataFileError: the table is missing or another one.
        """
        frame = self._table("prompts", {"name": str, "time": float})
        return [GesturePrompt(str(name), float(time)) for name, time in zip(frame["name"], frame["time"])]

    def text_prompts(self) -> list[TextPrompt]:
        """The prompts of a file of handwriting.

        Raises:
            DataFileError: the table is missing or another one, or a prompt ends before it starts.
        """
        frame = self._table("prompts", {"prompt": str, "start": float, "end": float})
        columns = (frame["prompt"], frame["start"], frame["end"])
        prompts = [TextPrompt(str(text), float(start), float(end)) for text, start, end in zip(*columns)]
        for number, prompt in enumerate(prompts):
            if prompt.end < prompt.start:
                found = f"one from {prompt.start:.6f} to {prompt.end:.6f} s"
                raise DataFileError(self.path, f"prompt {number} to end after its start", found)
        return prompts

    def _opened(self) -> Any:
        if self._file is not None and self._pid == os.getpid():
            return self._data
        if self._file is not None:
            _FOREIGN.append((self._file, self._data))
        if not self.path.is_file():
            raise DataFileError(self.path, "a file", "none")
        try:
            self._file, self._pid = _without_lock(self.path), os.getpid()
        except DAMAGE as error:
            self._file = None
            raise DataFileError(self.path, "a whole HDF5 file", _brief(error)) from error
        try:
            self._data = self._sound_data()
        except BaseException:
            self.close()
            raise
        return self._data

    def _sound_data(self) -> Any:
        """`/data`, of a known task and with the fields that belong to it."""
        try:
            data = self._file.get("data")
            if not isinstance(data, h5py.Dataset):
                raise DataFileError(self.path, "a table /data", "none")
            data = dataset(self.path, self._file, "data")
            if not self._checked:  # reading any text of a damaged file may not return
                first = data.id.get_offset() or 0
                check_heaps(self.path, (first, first + data.id.get_storage_size() if first else 0))
                self._checked = True
            self._task = self._task_of(attribute(data, "task"))
            wanted = _WRIST_FIELDS if self._task == "wrist" else _FIELDS
            if data.ndim != 1 or data.shape[0] == 0 or data.dtype.names is None:
                found = f"{data.dtype} of shape {data.shape}"
                raise DataFileError(self.path, "a table /data with a row a sample", found[:200])
            for name, dtype in wanted.items():
                found = data.dtype[name] if name in data.dtype.names else "none"
                if found != dtype:
                    raise DataFileError(self.path, f"a field {name} of {dtype} in /data", str(found))
        except DataFileError:
            raise
        except DAMAGE as error:
            raise DataFileError(self.path, "a sound table /data", _brief(error)) from error
        return data

    def _task_of(self, name: object) -> Task:
        allowed = TASKS if self._wanted is None else (self._wanted,)
        for task in allowed:
            if name == task:
                return task
        found = "none" if name is None else f"{name!r}"[:100]
        raise DataFileError(self.path, f"the task {' or '.join(allowed)} as attribute of /data", found)

    def _check_range(self, start_row: int, stop_row: int) -> None:
        if not 0 <= start_row <= stop_row <= self.rows:
            raise DataFileError(self.path, f"rows [{start_row}, {stop_row})", f"{self.rows} rows")

    def _rows(self, start_row: int, stop_row: int) -> NDArray[np.void]:
        """Rows with all their fields: whole rows are read faster than some of their fields."""
        data = self._opened()
        try:
            rows: NDArray[np.void] = data[start_row:stop_row]
        except DAMAGE as error:
            raise DataFileError(self.path, f"readable rows [{start_row}, {stop_row})", _brief(error)) from error
        return rows

    def _blocks(self, start_row: int, stop_row: int, field: str) -> Iterator[tuple[int, int, NDArray[Any]]]:
        for start in range(start_row, stop_row, _BLOCK_ROWS):
            stop = min(start + _BLOCK_ROWS, stop_row)
            yield start, stop, self._rows(start, stop)[field]

    def _read(
        self, field: str, start_row: int, stop_row: int | None, allow_nan: bool = False
    ) -> NDArray[np.float32]:
        stop_row = self.rows if stop_row is None else stop_row
        self._check_range(start_row, stop_row)
        values: NDArray[np.float32] = self._rows(start_row, stop_row)[field]
        if not allow_nan and not (sound := np.isfinite(values)).all():
            row = start_row + int(np.argmin(sound.all(axis=1)))
            raise DataFileError(self.path, f"finite numbers in {field}", f"{values[row - start_row].tolist()} in row {row}")
        return values

    def _check_stamps(self, stamps: NDArray[np.float64], start_row: int) -> None:
        falls = stamps[1:] < stamps[:-1]
        if falls.any():
            row = int(np.argmax(falls)) + 1
            found = f"{stamps[row]:.6f} after {stamps[row - 1]:.6f} in row {start_row + row}"
            raise DataFileError(self.path, "time stamps that never fall", found)
        if not np.isfinite(stamps).all():
            row = int(np.argmin(np.isfinite(stamps)))
            raise DataFileError(self.path, "finite time stamps", f"{stamps[row]} in row {start_row + row}")

    def _table(self, name: str, columns: dict[str, type]) -> dict[str, Column]:
        """A pandas table with at least the given columns, of numbers (finite) or of text."""
        self._opened()
        try:
            group = self._file.get(name)
        except DAMAGE as error:
            raise DataFileError(self.path, f"a sound table /{name}", _brief(error)) from error
        if group is None:
            raise DataFileError(self.path, f"a table /{name}", "none")
        frame = read_frame(self.path, group)
        for column, kind in columns.items():
            if column not in frame:
                raise DataFileError(self.path, f"a column {column} in /{name}", f"the columns {', '.join(frame)}"[:200])
            values = frame[column]
            if isinstance(values, np.ndarray) != (kind is float) and len(values):
                raise DataFileError(self.path, f"{'numbers' if kind is float else 'text'} in {column} of /{name}", "others")
            if isinstance(values, np.ndarray) and not np.isfinite(values).all():
                row = int(np.argmin(np.isfinite(values)))
                raise DataFileError(self.path, f"finite numbers in {column} of /{name}", f"{values[row]} in row {row}")
        return frame


class OpenFiles:
    """Files by path, the last ones used kept open; can be pickled, and opens anew in every process.

    Args:
        task: of all the files.
        most: how many are open at once.
    """

    def __init__(self, task: Task, most: int = 64) -> None:
        self.task = task
        self.most = most
        self._files: OrderedDict[Path, NeuromotorFile] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": OrderedDict()}

    def __getitem__(self, path: Path) -> NeuromotorFile:
        file = self._files.pop(path, None) or NeuromotorFile(path, self.task)
        self._files[path] = file
        if len(self._files) > self.most:
            self._files.popitem(last=False)[1].close()
        return file

    def close(self) -> None:
        """Closes all of them; they are opened again when needed."""
        for file in self._files.values():
            file.close()
        self._files.clear()


@dataclass(frozen=True)
class Gap:
    """A time without rows: after which row, and for how many seconds."""

    row: int
    duration_s: float


@dataclass(frozen=True)
class FileFacts:
    """What a file holds and what is amiss in it.

    Args:
        task, rows: as in `NeuromotorFile`.
        start, end: first and last stamp in unix seconds.
        rate_hz: rows a second between them, gaps included; 0 where all stamps are equal.
        step_rate_hz: one over the median step of stamps that differ: the clock's rate without the gaps.
        duplicate_stamps: rows with the stamp of the row before.
        gaps: steps longer than `GAP_S`, in order.
        falling_stamps: rows with a smaller stamp than the row before; a sound file has none.
        nan_values: EMG values that are not finite; nan_rows: rows with any.
        flat_channels: channels, counted from 0, that never change.
        channel_std: standard deviation (16,) of each channel, finite values only.
    """

    task: Task
    rows: int
    start: float
    end: float
    rate_hz: float
    step_rate_hz: float
    duplicate_stamps: int
    gaps: tuple[Gap, ...]
    falling_stamps: int
    nan_values: int
    nan_rows: int
    flat_channels: tuple[int, ...]
    channel_std: tuple[float, ...]


GAP_S: Final = 0.1


def inspect_file(path: str | Path) -> FileFacts:
    """Reads a whole file, block by block, and tells what it holds and what is amiss in it.

    Raises:
        DataFileError: missing, truncated, damaged or of another layout.
    """
    with NeuromotorFile(path) as file:
        stamps = np.empty(file.rows)
        lowest, highest = np.full(CHANNELS, np.inf), np.full(CHANNELS, -np.inf)
        counts, sums, squares = np.zeros(CHANNELS), np.zeros(CHANNELS), np.zeros(CHANNELS)
        nan_values = nan_rows = 0
        for start in range(0, file.rows, _BLOCK_ROWS):
            rows = file._rows(start, min(start + _BLOCK_ROWS, file.rows))
            stamps[start : start + len(rows)] = rows["time"]
            emg = rows["emg"].astype(np.float64)  # (n, 16)
            sound = np.isfinite(emg)
            nan_values += int((~sound).sum())
            nan_rows += int((~sound).any(axis=1).sum())
            lowest = np.minimum(lowest, np.where(sound, emg, np.inf).min(axis=0))
            highest = np.maximum(highest, np.where(sound, emg, -np.inf).max(axis=0))
            known = np.where(sound, emg, 0.0)
            counts, sums, squares = counts + sound.sum(axis=0), sums + known.sum(axis=0), squares + (known**2).sum(axis=0)
        with np.errstate(all="ignore"):
            steps, duration = np.diff(stamps), float(stamps[-1] - stamps[0])
        rising = steps[steps > 0]
        mean = sums / np.maximum(counts, 1)
        return FileFacts(
            task=file.task,
            rows=file.rows,
            start=float(stamps[0]),
            end=float(stamps[-1]),
            rate_hz=(file.rows - 1) / duration if duration > 0 else 0.0,
            step_rate_hz=1.0 / float(np.median(rising)) if len(rising) else 0.0,
            duplicate_stamps=int((steps == 0).sum()),
            gaps=tuple(Gap(int(row), float(steps[row])) for row in np.flatnonzero(steps > GAP_S)),
            falling_stamps=int((steps < 0).sum()),
            nan_values=nan_values,
            nan_rows=nan_rows,
            flat_channels=tuple(int(c) for c in np.flatnonzero(lowest >= highest)),
            channel_std=tuple(np.sqrt(np.maximum(squares / np.maximum(counts, 1) - mean**2, 0.0)).tolist()),
        )


def _without_lock(path: Path) -> Any:
    """An open HDF5 file; one that this process has open with a lock can be opened in the same way only."""
    try:
        return h5py.File(path, "r", locking=False, rdcc_nbytes=_CACHE_BYTES)
    except OSError as error:
        if "locking" not in str(error):
            raise
        return h5py.File(path, "r", rdcc_nbytes=_CACHE_BYTES)


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
