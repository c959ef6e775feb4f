"""The examples that train under one of the trainers, as smoke tests."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.recipes import FOLDER, masked, numbers, printed, quick

pytestmark = pytest.mark.filterwarnings("ignore")


def lines_of(name: str, *needs: str, given: tuple[Path, pytest.MonkeyPatch, pytest.CaptureFixture[str]]) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in needs:
            pytest.importorskip(module)
    lines = quick(FOLDER / f"{name}.py", *given)
    assert masked(printed(FOLDER / f"{name}.py")[0]) == masked(lines[0])
    return lines


@pytest.fixture
def given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Path, pytest.MonkeyPatch, pytest.CaptureFixture[str]]:
    return tmp_path, monkeypatch, capsys


def test_accelerate(given: tuple[Path, pytest.MonkeyPatch, pytest.CaptureFixture[str]]) -> None:
    lines = lines_of("accelerate_loop", "accelerate", given=given)
    assert numbers(lines[2])[-1] < 1e-5
    assert lines[3].endswith("0e+00")
    assert all(numbers(line[34:])[0] == 1 for line in lines[1:])


def test_lightning(given: tuple[Path, pytest.MonkeyPatch, pytest.CaptureFixture[str]]) -> None:
    lines = lines_of("lightning_module", "lightning", given=given)
    nobody, theirs, ours, resumed = (numbers(line[24:]) for line in lines[1:5])
    assert nobody[2] > 1e-3
    assert theirs[2] == 0
    assert ours[2] < 1e-5
    assert resumed[3] == 0
    assert resumed[0] == ours[0] == 1


def test_hugging_face(given: tuple[Path, pytest.MonkeyPatch, pytest.CaptureFixture[str]]) -> None:
    needs = ("transformers", "accelerate", "halflife.integrations.transformers")
    lines = lines_of("hugging_face", *needs, given=given)
    torchs, ours, paper, by_name, sparse = (numbers(line[46:]) for line in lines[1:])
    assert ours == pytest.approx(torchs, rel=1e-4)
    assert by_name == pytest.approx(torchs, rel=1e-4)
    assert paper[0] == pytest.approx(torchs[0], rel=1e-2)
    assert sparse[2] > 0
