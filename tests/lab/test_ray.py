"""A real Ray, started here: the same ledger as the other executors', and a worker that is killed is retried."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from halflife.lab import ExecutionConfig, Settings, StudyError, run_study
from halflife.lab.analysis.findings import Findings

pytest.importorskip("ray")
from ray.exceptions import RaySystemError

from halflife.lab.execution import ray as by_ray

T = TypeVar("T")
SETTINGS = Settings(
    optimizers=("adam-p",), lrs=(1e-3, 1e-2), lams=(0.1, 1.0), seeds=2, epochs=2, batch_size=100, curves=True
)


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Ray writes to it, and this user may have none that can be written to. One for all, as Ray reads it once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


def patiently(body: Callable[[], T]) -> T:
    """Ray gives itself 30 seconds to start, and a busy machine may need more: three times.

    What a start that failed leaves running is ended here: its end would be a warning in the midst of another test.
    """
    for _ in range(2):
        try:
            return body()
        except StudyError as error:
            if "timed out" not in str(error).lower():
                raise
        for process in [x for x in gc.get_objects() if issubclass(type(x), subprocess.Popen)]:
            process.kill()
            process.wait()
    return body()


def test_a_start_that_takes_long_is_tried_again() -> None:
    left: list[subprocess.Popen[bytes]] = []

    def body() -> str:
        if len(left) < 2:
            left.append(subprocess.Popen(["sleep", "600"]))
            raise StudyError("Ray does not start here (The current node timed out during startup.).")
        return "started"

    assert patiently(body) == "started"
    assert all(process.returncode is not None for process in left)


def test_the_same_numbers_as_here(tmp_path: Path) -> None:
    def study(executor: str) -> Findings:
        return run_study(SETTINGS, tmp_path / executor, how=ExecutionConfig(executor, workers=2)).results[0].findings[0]

    here, there = study("vectorised"), patiently(lambda: study("ray"))
    assert (here.val == there.val).all()
    assert (here.test == there.test).all()


class Frail:
    """A job whose first try ends its process."""

    def __init__(self, folder: Path, tries: int) -> None:
        self.folder, self.tries = folder, tries

    def __call__(self, item: int, progress: Callable[[float], None]) -> int:
        progress(0.5)
        tried = len(list(self.folder.glob(f"{item}-*")))
        (self.folder / f"{item}-{tried}").touch()
        if item == 1 and tried < self.tries:
            os.kill(os.getpid(), signal.SIGKILL)
        return 10 * item


def shared_out(job: Frail) -> dict[int, int]:
    from halflife.lab.execution.ray import shared_out_by_ray

    heard: list[list[float]] = []
    return {index: result for index, result, _ in shared_out_by_ray(job, range(3), heard.append, workers=2)}


def test_a_killed_worker_is_retried(tmp_path: Path) -> None:
    assert patiently(lambda: shared_out(Frail(tmp_path, 1))) == {0: 0, 1: 10, 2: 20}
    assert (tmp_path / "1-1").exists()


def test_a_worker_that_dies_again_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="died 2 times on the same networks"):
        patiently(lambda: shared_out(Frail(tmp_path, 9)))


class Killer:
    """A job that ends the actor which hears of progress, as Ray names its process, and reports before and after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: int, progress: Callable[[float], None]) -> int:
        progress(0.25)
        time.sleep(1)
        if item == 0:
            for pid in actors():
                os.kill(pid, signal.SIGKILL)
                (self.folder / str(pid)).touch()
        for _ in range(10):
            time.sleep(0.5)
            progress(0.5)
        return 10 * item


def actors() -> list[int]:
    found = subprocess.run(["pgrep", "-u", str(os.getuid()), "-f", "ray::_Board"], capture_output=True, text=True)  # noqa: PLW1510
    return [int(pid) for pid in found.stdout.split() if Path(f"/proc/{pid}/environ").exists() and ours(int(pid))]


def ours(pid: int) -> bool:
    """Of this test's cluster: others may run beside it. Ray's workers have their cluster's folder as HOME says."""
    home = f"HOME={os.environ['HOME']}".encode()
    return home in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_an_actor_that_dies_is_a_sentence_and_no_result_is_lost(tmp_path: Path) -> None:
    heard: list[list[float]] = []

    def share() -> dict[int, int]:
        heard.clear()
        found = by_ray.shared_out_by_ray(Killer(tmp_path), range(2), lambda x: heard.append(list(x)), workers=2)
        return {index: result for index, result, _ in found}

    with pytest.warns(RuntimeWarning, match=r"actor that hears of progress has died .*; the training goes on"):
        assert patiently(share) == {0: 0, 1: 10}
    assert list(tmp_path.iterdir()), "nobody was killed"
    assert any(0.5 in shares for shares in heard), "the actor did not come back"
    assert all(a <= b for one, other in pairwise(heard) for a, b in zip(one, other, strict=True))


class Lost:
    """A cluster whose head has gone: whatever is asked of it fails."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fails(*_: object, **__: object) -> None:
            raise RaySystemError("the head is gone\nand more")

        return fails


def test_a_cluster_that_is_lost_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_ray, "ray", Lost())
    with pytest.raises(
        StudyError, match=r"the Ray cluster is lost \(.*the head is gone\); what was finished is in the l"
    ):
        by_ray._ready({"a future": 0})
    with pytest.raises(
        StudyError, match=r"lost what it was training 2 times \(.*the head is gone\); what was finished"
    ):
        by_ray._result("a future")


def test_what_the_display_has_lost_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its actor alone may go: what it has said may lie on a machine that does."""
    monkeypatch.setattr(by_ray, "_Board", Asked())
    monkeypatch.setattr(by_ray, "ray", SimpleNamespace(wait=lambda x, timeout: (x, []), get=Lost().get))
    display = by_ray._Display(2)
    with pytest.warns(RuntimeWarning, match=r"has died \(.*the head is gone\); the training goes on"):
        assert display.look() == [0.0, 0.0]
    assert display.look() == [0.0, 0.0]  # and once only


class Asked:
    """Whatever is asked of it, by ``remote``, is answered by itself."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: object) -> Any:
        return self


def test_a_cluster_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudyError, match=r"there is no Ray cluster at nowhere \(.*address.*\); start one"):
        run_study(SETTINGS, tmp_path, how=ExecutionConfig("ray", address="nowhere"))

    def init(address: str, **_: object) -> None:
        """Ray's own "auto" finds any cluster of this machine, such as the one of a test that runs beside this one."""
        raise ConnectionError("Could not find any running Ray instance.\nMore of it.")

    monkeypatch.setattr(by_ray.ray, "init", init)
    with pytest.raises(
        StudyError,
        match=r"at auto \(Could not find .* instance\.\); start .* RAY_AUTH_TOKEN \(or RAY_AUTH_TOKEN_PATH\)",
    ):
        run_study(SETTINGS, tmp_path, how=ExecutionConfig("ray", address="auto"))


@pytest.mark.parametrize("error", [PermissionError(13, "it is denied"), Exception("it is denied\nand more")])
def test_a_ray_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def init(**_: object) -> None:
        raise error

    monkeypatch.setattr(by_ray.ray, "init", init)
    with pytest.raises(StudyError, match=r"Ray does not start here \(.*it is denied\)\."):
        run_study(SETTINGS, tmp_path, how=ExecutionConfig("ray"))


@pytest.mark.parametrize(("gpus", "cpus", "share"), [(2, 16, 0.125), (8, 4, 1.0), (1, 3, 0.3333)])
def test_the_tasks_share_the_gpus_evenly(monkeypatch: pytest.MonkeyPatch, gpus: int, cpus: int, share: float) -> None:
    monkeypatch.setattr(by_ray.ray, "cluster_resources", lambda: {"GPU": gpus, "CPU": cpus})
    assert by_ray._gpu_share() == share


def test_a_cluster_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_ray.ray, "cluster_resources", lambda: {"CPU": 4})
    with pytest.raises(StudyError, match="the Ray cluster has no GPU; leave --device out"):
        by_ray._gpu_share()


class Waiting:
    """A job whose first try tells its process and waits to be ended with its machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, item: int, progress: Callable[[float], None]) -> int:
        if item == 1 and not (self.folder / "begun").exists():
            (self.folder / "begun").touch()
            time.sleep(600)
        return 10 * item


@pytest.mark.filterwarnings("ignore:the Ray actor that hears of progress")  # it may lie on that machine
def test_a_machine_that_is_lost_is_retried_on_another(tmp_path: Path) -> None:
    """Two machines of one core, on this one: the one that trains the waiting network goes."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        machines = [cluster.add_node(num_cpus=1)]
        by_ray.ray.init(address=cluster.address, log_to_driver=False)

        def lose(shares: list[float]) -> None:
            if machines and (tmp_path / "begun").exists():
                cluster.add_node(num_cpus=1)
                cluster.remove_node(machines.pop(), allow_graceful=False)

        found = by_ray.shared_out_by_ray(Waiting(tmp_path), range(3), lose)
        assert {index: result for index, result, _ in found} == {0: 0, 1: 10, 2: 20}
        assert not machines
    finally:
        by_ray.ray.shutdown()
        cluster.shutdown()
