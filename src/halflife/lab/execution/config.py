"""Where the networks of a study are trained: in worker processes here, or on a Ray or Slurm cluster."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from ...optim.groups import on_purpose
from ..config.user_code import Config, OwnTraining
from ..errors import StudyError
from ..training import Training, TrialBatch
from .dispatch import CellFailed, ShareOut, TrainingMode, execute, run_jobs, shared_out

ExecutorName = Literal["vectorised", "processes", "ray", "slurm"]


@dataclass(frozen=True)
class ExecutionConfig:
    """Where and how networks are trained; no result depends on it but for rounding.

    Args:
        executor: "vectorised" trains them in stacks where a short trial says that this pays, "processes" each by
            itself; "ray" shares them out, cut and stacked as for "vectorised", to a Ray cluster; "slurm" makes each
            network, by itself as for "processes", a task of a job array.
        workers: how many processes, or tasks at a time; None: as there are cores.
        memory: bytes, which bound all stacks together.
        address: of the Ray cluster; one that it starts itself if None.
        data_dir: holds the problem's files.
        device: torch's name of where weights and data lie, "cuda" say: each network is then trained by itself, and the
            workers share the device.
        budget: seconds, which bound the time: seeds that do not fit are left out, and trained by the same call later.
        slurm: the job array's options, say ``{"partition": "gpu", "time": 60}``.

    Raises:
        StudyError: for an unknown executor, numbers below 1, and a device that is not there.

    Example:
        >>> from halflife.lab import ExecutionConfig
        >>> how = ExecutionConfig("processes", workers=2, budget=3600)
        >>> how.n_workers, how.where
        (2, 'on this machine')
    """

    executor: ExecutorName = "vectorised"
    workers: int | None = None
    memory: int | None = None
    address: str | None = None
    data_dir: Path | None = None
    device: str = "cpu"
    budget: float | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if self.executor not in get_args(ExecutorName):
            names = ", ".join(get_args(ExecutorName))
            raise StudyError(f"executor {self.executor!r} is not known; choose among {names}.")
        for name in ("workers", "memory", "budget"):
            value = getattr(self, name)
            if value is not None and not value >= 1:
                raise StudyError(f"{name} must be at least 1, but {value} was given.")
        if self.slurm and self.executor != "slurm":
            raise StudyError(f"--slurm is for --executor slurm, but the executor is {self.executor!r}.")
        if (
            self.executor not in ("ray", "slurm") and self.lacks_device
        ):  # with these the workers' machines must have one
            raise StudyError(
                f"there is no device {self.device!r} here ({self.lacks_device}); leave --device out to use the CPU."
            )

    @property
    def lacks_device(self) -> str:
        """Why there is no such device on this machine; empty if there is."""
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError, ValueError) as error:  # torch says it in all three ways
            return str(error).strip().partition("\n")[0]
        return ""

    @property
    def n_workers(self) -> int:
        """How many workers, as said or as there are cores."""
        if self.workers is not None:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def is_singly(self) -> bool:
        """Whether this executor trains each network by itself, and tries no stacks."""
        return self.executor in ("processes", "slurm")

    @property
    def where(self) -> str:
        """On which machines, in words: those of others may round otherwise."""
        if self.executor == "slurm":
            return "under Slurm"
        return "on a Ray cluster" if self.executor == "ray" and self.address is not None else "on this machine"

    def share_out(self, folder: Path) -> ShareOut:
        """What gives jobs to workers.

        Args:
            folder: the study's, for the logs of those that write any.

        Returns:
            A function that the study calls with its jobs.
        """
        if self.executor == "slurm":
            from .slurm import shared_out_by_slurm  # noqa: PLC0415 (an extra)

            return partial(shared_out_by_slurm, folder=folder / "slurm", options=self.slurm, workers=self.workers)
        if self.executor == "ray":
            from .ray import shared_out_by_ray  # noqa: PLC0415 (an extra)

            on_gpu = self.device.startswith("cuda")
            return partial(shared_out_by_ray, address=self.address, workers=self.workers, on_gpu=on_gpu)
        return partial(shared_out, workers=self.n_workers)


def trained(
    training: Training | OwnTraining,
    batches: Sequence[TrialBatch],
    way: Sequence[TrainingMode],
    how: ExecutionConfig,
    progress: Callable[[float], None],
    checkpoints: Path,
) -> Iterator[tuple[int, Any, float]]:
    """The index of a batch, what came out of it and the seconds that it took, as they are finished."""
    share_out = how.share_out(checkpoints.parent)
    if isinstance(training, Training):
        return execute(training, batches, way, share_out, progress, checkpoints)
    configs = [training.config(p.spec, p.lrs[0], p.lams[0], p.seeds[0]) for p in batches]
    return run_jobs(Call(training), configs, share_out, progress)


@dataclass(frozen=True)
class Call:
    """The job of a worker for a training of the user's own."""

    training: OwnTraining

    def __call__(self, config: Config, progress: Callable[[float], None]) -> Any:
        try:
            with on_purpose():
                return self.training.train(config)
        except (Exception, SystemExit) as error:
            return CellFailed(f"{type(error).__name__}: {error}", traceback.format_exc())
