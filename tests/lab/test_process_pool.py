"""Worker processes: what they return, what happens when one fails, is killed or is left alone."""

import os
import signal
import subprocess
import sys
import time
import warnings
from functools import partial

import pytest
import torch
from torch import nn

from halflife.lab import StudyError
from halflife.lab.execution import batches_of, execute, run_jobs, shared_out
from halflife.lab.execution.serialization import pack

from .processes import gone
from .training_cases import equal, net, replicas, training

two = partial(shared_out, workers=2)


def test_parcels_trained_by_workers_are_the_same_bits_as_here(tmp_path):
    given = training(lambda: nn.Sequential(net()))  # defined here, where no worker can import it from
    parts = batches_of(given, replicas(seeds=(0, 1, 2, 3, 4, 5, 6)), workers=2, memory=10**5)
    assert len(parts) > 2
    here = {index: outcome for index, outcome, _ in execute(given, parts)}
    told = []
    for index, outcome, seconds in execute(given, parts, "stacked", two, told.append, tmp_path):
        assert equal(outcome, here.pop(index))
        assert seconds > 0
    assert not here
    assert not list(tmp_path.iterdir()), "a finished batch's checkpoint is left behind"
    assert told == sorted(told)


def test_one_that_is_killed_is_replaced_once(tmp_path):
    def job(item, progress):
        file = tmp_path / f"{item}-{os.getpid()}"
        file.touch()
        if item == "always" or (item == "once" and len(list(tmp_path.glob("once-*"))) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "well":
            warnings.warn("as it should", UserWarning, stacklevel=1)
        print("this must not disturb the messages")
        return item.upper()

    with pytest.warns(RuntimeWarning, match="as it should"):
        done = {index: result for index, result, _ in run_jobs(job, ["once", "well"], two)}
    assert done == {0: "ONCE", 1: "WELL"}
    with pytest.raises(StudyError, match="died twice"):
        list(run_jobs(job, ["always", "x"], two))
    assert len(list(tmp_path.glob("always-*"))) == 2


def test_an_error_reaches_the_caller_and_nobody_is_left_behind(tmp_path):
    def job(item, progress):
        (tmp_path / str(os.getpid())).touch()
        if item:
            raise ZeroDivisionError("a fault in the model")
        time.sleep(60)

    with pytest.raises(ZeroDivisionError, match="a fault") as caught:
        list(run_jobs(job, [0, 1], two))
    assert "in job" in str(caught.value.__cause__)
    assert gone([int(file.name) for file in tmp_path.iterdir()])


@pytest.mark.parametrize("workers", [1, 2])
def test_what_stops_the_listener_stops_the_training(workers):
    def interrupt(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(
            execute(
                training(epochs=10**6), [replicas()], share_out=partial(shared_out, workers=workers), progress=interrupt
            )
        )


def test_workers_die_with_the_driver(tmp_path):
    script = f"""
import os, time
from functools import partial
from pathlib import Path
from halflife.lab.execution import run_jobs, shared_out
def job(item, progress):
    Path({str(tmp_path)!r}, str(os.getpid())).touch()
    time.sleep(60)
list(run_jobs(job, [1, 2], partial(shared_out, workers=2)))
"""
    driver = subprocess.Popen([sys.executable, "-c", script])
    while len(list(tmp_path.iterdir())) < 2 and driver.poll() is None:
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    pids = [int(file.name) for file in tmp_path.iterdir()]
    assert len(pids) == 2
    assert gone(pids)


def test_no_setting_of_the_callers_thread_is_touched():
    threads, tiny, state = torch.get_num_threads(), torch.tensor(1e-40), torch.get_rng_state()
    list(execute(training(), [replicas()]))
    assert torch.get_num_threads() == threads
    assert (tiny * 0.5).item() > 0, "the caller's denormals are flushed"
    assert torch.equal(torch.get_rng_state(), state)


def test_large_tensors_are_sent_as_files_and_come_back_whole(tmp_path):
    import pickle

    large, small = torch.randn(600, 500).mT, torch.randn(3)
    sent = pack({"large": large, "again": large, "small": small, "view": large.bool()}, tmp_path)
    assert len(sent) < 2 * 300_000 + 10_000, "the large tensor lies in the message"
    got = pickle.loads(sent)
    assert torch.equal(got["large"], large)
    assert torch.equal(got["small"], small)
    assert got["again"] is got["large"]
    got["large"].zero_()
    assert torch.equal(pickle.loads(sent)["large"], large), "what one writes another reads"


def test_what_is_packed_in_one_folder_stays_apart(tmp_path):
    import pickle

    job, item = torch.zeros(600, 500), torch.ones(600, 500)
    sent = [pack(thing, tmp_path) for thing in (job, item)]
    assert [pickle.loads(one).mean().item() for one in sent] == [0, 1]
