"""The examples run as they stand: each as a smoke test, and whole when slow tests are asked for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .recipes import DATA, FOLDER, doc_of, masked, numbers, printed, quick, run

OF_TRAINERS = ("accelerate_loop", "hugging_face", "lightning_module")
"""What needs one of these is run beside the trainers' tests."""
OWN_PROCESSES = ("find_lambda", "fsdp2")
FIGURES_IN_PROSE = ("char_transformer", "fine_tune", "sparse_mlp")
EXAMPLES = sorted(FOLDER.glob("*.py"))

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


@pytest.fixture
def lines(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """What the example prints under ``--quick``."""
    path = FOLDER / f"{request.param}.py"
    return run(path, tmp_path, "--quick") if path.stem in OWN_PROCESSES else quick(path, tmp_path, monkeypatch, capsys)


def example(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("lines", names, indirect=True)


def rows(lines: list[str], begin: str) -> list[list[float]]:
    """The numbers of the lines that begin so, without those of their first words."""
    return [numbers(line[len(begin) :]) for line in lines if line.startswith(begin)]


@each_example
def test_one_file_with_a_word_on_what_to_learn(path: Path) -> None:
    source, doc = path.read_text(encoding="utf-8"), doc_of(path)
    assert source.count("\n") <= 120
    title, blank, *_ = doc.splitlines()
    assert title[0].isupper()
    assert blank == ""
    assert "What to learn from it:" in doc
    assert re.search(rf"^    python examples/{path.name} ", doc, re.MULTILINE)
    assert bool(printed(path)) == (path.stem not in FIGURES_IN_PROSE)
    assert "\ndef main() -> None:\n" in source


@example(*FIGURES_IN_PROSE)
def test_smoke(lines: list[str]) -> None:
    *table, last = lines
    assert len(table) >= 6
    assert re.search(r"; \d+ s$", last)


def check_printed(name: str, lines: list[str]) -> None:
    """The text shows a table of the same head."""
    assert masked(printed(FOLDER / f"{name}.py")[0]) == masked(lines[0])


@example("plain_loop")
def test_a_plain_loop_resumes_in_the_same_bits(lines: list[str]) -> None:
    check_printed("plain_loop", lines)
    assert lines[-1] == "6 of 6 tensors have the same bits"
    (end,), (resumed,) = rows(lines, "at the end"), rows(lines, "resumed from the checkpoint")
    assert end == resumed
    assert [row[1] for row in rows(lines, "halfway")] == [0.55]


@example("autocast_or_bf16")
def test_bf16_loses_a_small_decay_without_a_rounding_of_its_own(lines: list[str]) -> None:
    check_printed("autocast_or_bf16", lines)
    left = {line[22:34].strip(): numbers(line[34:])[:2] for line in lines if line.startswith("bfloat16  ")}
    assert left["nearest"] == [6, 100.0]
    assert left["stochastic"] == pytest.approx([6, 99.0], abs=0.1)
    assert left["kahan"] == pytest.approx([8, 99.0], abs=0.1)
    assert "never moves one" in " ".join(lines)


@example("group_lasso")
def test_neurons_vanish_and_the_cut_network_says_the_same(lines: list[str]) -> None:
    check_printed("group_lasso", lines)
    table = [numbers(line) for line in lines[1:-1]]
    assert table[0][1:4] == [256, 256, 100.0]
    assert table[-1][1] + table[-1][2] < 512
    assert table[-1][3] < 99
    assert all(row[4] == row[5] for row in table)
    assert all(row[6] < 1e-5 for row in table)


@example("states_8bit")
def test_bytes_of_states(lines: list[str]) -> None:
    check_printed("states_8bit", lines)
    sizes = [numbers(line[16:])[0] for line in lines[1:4]]
    assert sizes == pytest.approx([8, 4, 2.03], abs=0.02)


@example("ema")
def test_an_average_is_another_network(lines: list[str]) -> None:
    check_printed("ema", lines)
    table = [numbers(line) for line in lines[1:-1]]
    assert {row[0] for row in table} == {0.9, 0.99, 0.998}
    assert all(abs(abs(row[3] - row[2]) - row[4]) < 0.11 for row in table)
    assert any(row[4] > 1 for row in table)


@example("muon_adamw")
def test_muon_has_half_of_the_matrices_states(lines: list[str]) -> None:
    check_printed("muon_adamw", lines)
    adamw, muon = ({line.split()[-1] for line in lines if line.startswith(f"{name}   ")} for name in ("AdamW", "Muon"))
    assert (adamw, muon) == ({"0.31"}, {"0.17"})
    assert any(line.startswith("Muon, λ 0.1: 8 tensors") for line in lines)


@example("hyperball")
def test_spheres_keep_the_norm_and_lr_bounds_the_angle(lines: list[str]) -> None:
    check_printed("hyperball", lines)
    for name in ("Adam on spheres", "Muon on spheres"):
        for lr, first, last, *angles, _ in rows(lines, name):
            assert first == last
            assert all(0.3 * lr < angle < 1.01 * lr for angle in angles)
    assert any(first != last for _, first, last, *_ in rows(lines, "AdamW, λ 0.5"))
    assert lines[-1].endswith("the same bits")


@example("one_cycle")
def test_the_decay_per_step_follows_the_base_lr(lines: list[str]) -> None:
    assert lines[:7] == printed(FOLDER / "one_cycle.py")[:7]
    right, wrong = rows(lines, "LambdaLR"), rows(lines, "own loop, made with 1e-4 ")
    assert rows(lines, "own loop, made with the peak") == rows(lines, "own loop, made with 0, base_lr=1e-3") == right
    assert wrong[0][2::2] == pytest.approx([10 * x for x in right[0][2::2]])
    assert "is above the base learning rate 0.0001" in lines[-2]
    assert "is refused: give that as base_lr= to" in lines[-1]


@example("find_lambda")
def test_a_study_of_ones_own_ends_in_a_line_to_paste(lines: list[str]) -> None:
    assert lines[:6] == printed(FOLDER / "find_lambda.py")[:6]
    assert any(line.startswith("Use halflife.AdamW(model.parameters(), lr=") for line in lines)


@example("fsdp2")
def test_shards_come_to_the_plain_loops_numbers(lines: list[str]) -> None:
    check_printed("fsdp2", lines)
    moved, apart = numbers(lines[-1])[:2]
    assert moved > 0.05
    assert apart < 1e-5


@pytest.mark.slow
def test_fine_tuning_toward_the_start_forgets_least(tmp_path: Path) -> None:
    lines = run(FOLDER / "fine_tune.py", tmp_path)
    none = next(line for line in lines if line.startswith("none"))
    zero, init = (line for line in lines if "best on validation" in line)
    (none_new, none_old), (zero_new, _), (_, init_old) = (numbers(line)[1::2][:2] for line in (none, zero, init))
    assert zero_new > none_new + 2
    assert init_old > none_old + 10


@pytest.mark.slow
def test_a_proximal_l1_gives_exact_zeros_and_the_picture(tmp_path: Path) -> None:
    lines = run(FOLDER / "sparse_mlp.py", tmp_path)
    proximal = [numbers(line.split(")")[1]) for line in lines if line.startswith("proximal")]
    in_loss = [numbers(line.split(")")[1]) for line in lines if line.startswith("in the loss")]
    assert max(exact for _, exact, _, accuracy, _ in proximal if accuracy > 90) > 80
    assert max(exact for _, exact, *_ in in_loss) < 1
    assert (tmp_path / "sparse_mlp.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_half_life_in_tokens_stays_right_when_the_batch_changes(tmp_path: Path) -> None:
    if not (DATA / "tinyshakespeare").is_dir():
        pytest.skip(f"no tinyshakespeare in {DATA}")
    rows = [
        numbers(line.split("tokens")[-1] if "tokens" in line else line)
        for line in run(FOLDER / "char_transformer.py", tmp_path)[2:-1]
    ]
    none, _, half, eight, small, number = (row[-1] for row in rows)
    assert half < none - 0.05
    assert abs(eight - half) < 0.05
    assert small < number - 0.03
