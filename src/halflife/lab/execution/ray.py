"""Many machines: jobs shared out to the workers of a Ray cluster.

Start one on the first machine by ``ray start --head --port 6379``, on each other one by
``ray start --address FIRST:6379``; halflife must be installed on all of them. Where Ray asks for a token, all of
them and this one need ``RAY_AUTH_MODE=token`` and the same ``RAY_AUTH_TOKEN``. The driver alone writes the ledger.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false, reportFunctionMemberAccess=false
from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import StudyError
from ..training.thread_setup import set_up_process
from .process_pool import HEARTBEAT, TRIES, Finished
from .worker import Job

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
try:
    import ray
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError
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
        display = _Display(len(items))
        shipped, work = ray.put(job), _work.options(num_gpus=_gpu_share() if on_gpu else 0)
        futures = {work.remote(shipped, item, index, display.board): index for index, item in enumerate(items)}
        try:
            while futures:
                for future in _ready(futures):
                    index = futures.pop(future)
                    yield index, *_result(future)
                    display.shares[index] = 1.0
                progress(display.look())
        finally:
            with suppress(Exception):  # a cluster that is lost has nothing to cancel
                for future in futures:
                    ray.cancel(future, force=True)


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
            "address, or leave --address out to start one here. If it is there and asks for a token, set "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN (or RAY_AUTH_TOKEN_PATH) here to what it was started with."
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


def _ready(futures: Mapping[Any, int]) -> list[Any]:
    """Those that are finished, after a heartbeat at most."""
    try:
        return ray.wait(list(futures), timeout=HEARTBEAT)[0]
    except (RayError, ConnectionError) as error:
        raise _lost("is lost", error) from error


def _lost(what: str, error: Exception) -> StudyError:
    reason = str(error).partition("\n")[0]
    return StudyError(
        f"the Ray cluster {what} ({reason}); what was finished is in the ledger, and the same command goes on from "
        "there."
    )


def _result(future: Any) -> tuple[Any, float]:
    try:
        return ray.get(future)
    except RayTaskError as error:
        raise error.cause from error
    except (WorkerCrashedError, OutOfMemoryError) as error:
        raise StudyError(
            f"a Ray worker died {TRIES} times on the same networks; if it was killed for want of memory, train fewer "
            "at a time (--memory)."
        ) from error
    except RayError as error:  # a machine of it, or what lay on one
        raise _lost(f"lost what it was training {TRIES} times", error) from error


class _Display:
    """The last that was heard of progress. No result depends on its actor: one that dies is begun anew, by Ray."""

    def __init__(self, n: int) -> None:
        self.shares, self.board, self.warned = [0.0] * n, _Board.remote(n), False
        self.asked = self.board.shares.remote()

    def look(self) -> list[float]:
        """Without waiting: an actor whose machine hangs must not hold up the results of others."""
        if ray.wait([self.asked], timeout=0)[0]:
            try:
                self.shares = list(map(max, self.shares, ray.get(self.asked)))
            except RayError as error:  # the actor, its machine, or what it had said
                self._warn(str(error).partition("\n")[0])
            self.asked = self.board.shares.remote()
        return self.shares

    def _warn(self, reason: str) -> None:
        if not self.warned:
            warnings.warn(
                f"the Ray actor that hears of progress has died ({reason}); the training goes on, and Ray starts it "
                "again.",
                RuntimeWarning,
                stacklevel=2,
            )
        self.warned = True


@ray.remote(num_cpus=0, max_restarts=-1)
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
