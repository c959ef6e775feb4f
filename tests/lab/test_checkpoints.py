"""A training that is interrupted goes on where it was and ends with the same bits."""

import warnings

import pytest
import torch

from halflife.lab.training import checkpoints
from halflife.lab.training.sequential import train_sequentially
from halflife.lab.training.vectorized import train_vectorized

from .training_cases import CELLS, equal, replicas, training

MODES = {
    "stacked": (train_vectorized, replicas()),
    "singly": (train_sequentially, replicas(cells=CELLS[:1], seeds=(0,))),
}
SICK = replicas("sgd-l2", cells=((1e-2, 0.01), (1e30, 0.01)))


class CutError(Exception):
    """The power is cut."""


def interrupt_at(share):
    def report(done):
        if done >= share:
            raise CutError

    return report


@pytest.fixture(autouse=True)
def every_epoch(monkeypatch):
    monkeypatch.setattr(checkpoints, "SPACING", 0)


@pytest.mark.parametrize("way", [*MODES, "one diverges"])
def test_resumed_it_ends_with_the_same_bits(tmp_path, way):
    train, some = MODES.get(way, (train_vectorized, SICK))
    undisturbed = train(training(), some)
    file = tmp_path / "new" / "batch.pt"
    for share in (0.5, 0.75):
        with pytest.raises(CutError):
            train(training(), some, interrupt_at(share), file)
    told = []
    assert equal(train(training(), some, told.append, file), undisturbed)
    assert told == [0.75, 1.0], "what was done is done again"
    assert undisturbed.diverged.any() == (way == "one diverges")


@pytest.mark.parametrize("harm", ["cut short", "no archive", "another training"])
@pytest.mark.parametrize("way", MODES)
def test_a_damaged_or_foreign_file_is_not_used(tmp_path, way, harm):
    train, some = MODES[way]
    file = tmp_path / "batch.pt"
    other = training(epochs=5) if harm == "another training" else training()
    with pytest.raises(CutError):
        train(other, some, interrupt_at(0.75), file)
    content = file.read_bytes()
    if harm != "another training":
        file.write_bytes(content[: len(content) // 2] if harm == "cut short" else b"PK" + b"\0" * 500)
    with pytest.warns(RuntimeWarning, match="is not used"):
        outcome = train(training(), some, checkpoint=file)
    assert equal(outcome, train(training(), some))


def test_a_disk_that_refuses_ends_no_training(tmp_path):
    (tmp_path / "in the way").write_text("", encoding="utf-8")
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        outcome = train_vectorized(training(), replicas(), checkpoint=tmp_path / "in the way" / "batch.pt")
    assert equal(outcome, train_vectorized(training(), replicas()))


def test_checkpoints_take_a_twentieth_of_the_time_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SPACING", 20)
    clock, saved = [0.0], []
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: clock[0])
    manager = checkpoints.CheckpointManager(tmp_path / "x.pt", training(), replicas())

    def state():
        clock[0] += 1.0  # a save takes a second
        saved.append(clock[0])
        return {"x": torch.zeros(1)}

    for _ in range(200):
        clock[0] += 0.5  # an epoch takes half of one
        manager.offer(state)
    assert 4 <= len(saved) <= 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert manager.load() is not None
