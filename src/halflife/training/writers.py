"""Where measurements go: TensorBoard, W&B, a CSV file, a function."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from .measurement import Measurement

Write = Callable[[Measurement], object]


def writer_of(to: Any) -> Write:
    """What ``Monitor(to=…)`` was given, as a function of a measurement. Raises ``TypeError`` for what cannot be one."""
    if isinstance(to, list | tuple):
        writers = [writer_of(part) for part in to]  # pyright: ignore[reportUnknownVariableType]
        return lambda measurement: [write(measurement) for write in writers]
    if isinstance(to, str | Path):
        return _to_path(Path(to))
    if callable(getattr(to, "add_scalar", None)):
        return lambda measurement: _to_tensorboard(to, measurement)
    if callable(getattr(to, "log", None)):
        return lambda measurement: to.log(_named(measurement), commit=False)
    if callable(to):
        return to
    raise TypeError(
        f"to={to!r} is nothing that a Monitor writes to; give a TensorBoard SummaryWriter, a W&B run, a path "
        "('run.csv', or a folder for TensorBoard), a function of a Measurement, or a list of these."
    )


def _to_path(path: Path) -> Write:
    if path.suffix == ".csv":
        return CsvFile(path)
    if path.suffix:
        raise TypeError(
            f"to={str(path)!r} is no folder and no CSV file; name it run.csv, or give TensorBoard a folder."
        )
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"to={str(path)!r} is a folder for TensorBoard, which is not installed: pip install tensorboard, or give "
            "a CSV file, run.csv."
        ) from error
    writer: Any = SummaryWriter(str(path))  # pyright: ignore[reportUnknownVariableType]
    return lambda measurement: (_to_tensorboard(writer, measurement), writer.flush())


def _to_tensorboard(writer: Any, measurement: Measurement) -> None:
    for name, value in measurement.numbers().items():
        writer.add_scalar(f"halflife/{name}/{measurement.group}", value, measurement.step)


def _named(measurement: Measurement) -> dict[str, float]:
    """For W&B: logged with the caller's own next log, so that its steps stay the caller's."""
    numbers = {f"halflife/{name}/{measurement.group}": value for name, value in measurement.numbers().items()}
    return {"halflife/step": measurement.step, **numbers}


class CsvFile:
    """A row for each measurement, added to what is there; opened for each, so that a copy or a crash loses nothing.

    Raises ``ValueError`` for a file with other columns.
    """

    COLUMNS = tuple(f.name for f in fields(Measurement))

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and path.read_text().partition("\n")[0].strip() not in ("", ",".join(self.COLUMNS)):
            raise ValueError(f"{path} exists and is no file of a Monitor, or an older one's; give another name.")

    def __call__(self, measurement: Measurement) -> None:
        fresh = not self.path.exists() or not self.path.stat().st_size
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="") as file:
            rows = csv.DictWriter(file, self.COLUMNS)
            if fresh:
                rows.writeheader()
            rows.writerow(asdict(measurement))
