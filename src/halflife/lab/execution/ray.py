"""Many machines: jobs shared out to the workers of a Ray cluster.

Start one on the first machine by ``ray start --head --port 6379``, on each other one by
``ray start --address FIRST:6379``; halflife must be installed on all of them. The driver alone writes the ledger.
Where the cluster asks for a token (Ray 2.60 and later, RAY_AUTH_MODE=token), all of them and the driver need the same
``RAY_AUTH_TOKEN``.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false, reportFunctionMemberAccess=false
from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import StudyError
from ..training.thread_setup import set_up_process
from .process_pool import HEARTBEAT, TRIES, Finished
from .worker import Job

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
try:
    import ray
    from ray.exceptions import (
        NodeDiedError,
        ObjectLostError,
        OutOfMemoryError,
        RayActorError,
        RayTaskError,
        WorkerCrashedError,
    )
except ModuleNotFoundError as error:
    raise StudyError("the executor ray needs Ray, which is not installed: pip install 'halflife-optim[ray]'") from error


def shared_out_by_ray(
    job: Job,
    items: Sequence[Any],
    progress: Callable[[Sequence[float]], None],
    address: str | None = None,
    workers: int | None = None,
    on_gpu: bool = False,
) -> Iterator[Finished]:
    """Index, result and seconds of each item, as they are finished: a ``ShareOut``.

    ``address`` is a cluster's, or "auto" for the one that this machine belongs to; None starts one here, with as many
    ``workers`` as given. An item whose worker dies is begun anew, once; then it is a ``StudyError``. With ``on_gpu``
    all that run at a time share the cluster's GPUs evenly.
    """
    if not items:
        return
    with _connected(address, workers):
        board = _Board.remote(len(items))
        shipped, work = ray.put(job), _work.options(num_gpus=_gpu_share() if on_gpu else 0)
        shares = [0.0] * len(items)
        futures = {work.remote(shipped, item, index, board): index for index, item in enumerate(items)}
        try:
            while futures:
                ready, _ = ray.wait(list(futures), timeout=HEARTBEAT)
                for future in ready:
                    yield futures.pop(future), *_result(future)
                shares = _shares(board, shares)
                progress(shares)
        finally:
            for future in futures:
                ray.cancel(future, force=True)


def _shares(board: Any, known: list[float]) -> list[float]:
    """What the board says; as it was, where the machine that holds it is gone: the display stops, the training not."""
    try:
        return ray.get(board.shares.remote())
    except RayActorError:
        return known


@contextmanager
def _connected(address: str | None, workers: int | None) -> Generator[None, None, None]:
    """A connection for the time of a study; a cluster that was started for it ends with it."""
    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address is None else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray's are of many kinds, a bare Exception where it does not start in time
        reason = str(error).partition("\n")[0]
        if address is None:
            raise StudyError(f"Ray does not start here ({reason}).") from error
        raise StudyError(
            f"there is no Ray cluster at {address} ({reason}); start one with 'ray start --head' and give its "
            "address, or leave --address out to start one here. A cluster that asks for a token (Ray 2.60 and later) "
            "reads it from RAY_AUTH_TOKEN."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _gpu_share() -> float:
    """Of a GPU, for each task, if as many run as there are cores."""
    there = ray.cluster_resources()
    if not there.get("GPU"):
        raise StudyError("the Ray cluster has no GPU; leave --device out to train on its CPUs.")
    return min(1.0, int(1e4 * there["GPU"] / there["CPU"]) / 1e4)


def _result(future: Any) -> tuple[Any, float]:
    try:
        return ray.get(future)
    except RayTaskError as error:
        raise error.cause from error
    except (WorkerCrashedError, OutOfMemoryError, ObjectLostError, NodeDiedError) as error:
        raise StudyError(
            f"a Ray worker, or its machine, died {TRIES} times on the same networks; what is finished is "
            "kept, and the same command goes on. If it was killed for want of memory, train fewer at a time (--memory)."
        ) from error


@ray.remote(num_cpus=0)
class _Board:
    """What the workers say of their progress."""

    def __init__(self, n: int) -> None:
        self._shares = [0.0] * n

    def tell(self, index: int, share: float) -> None:
        self._shares[index] = share

    def shares(self) -> list[float]:
        return self._shares


@ray.remote(num_cpus=1, max_retries=TRIES - 1)
def _work(job: Job, item: Any, index: int, board: Any) -> tuple[Any, float]:
    set_up_process()
    start = time.perf_counter()
    result = job(item, lambda share: board.tell.remote(index, share))
    return result, time.perf_counter() - start
