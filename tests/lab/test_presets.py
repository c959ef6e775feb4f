"""Every reproduction runs at its smallest scale, and says what it found; every claim can fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halflife.lab import ExecutionConfig, StudyError, run_preset
from halflife.lab.analysis import Findings
from halflife.lab.reproductions import PRESETS, SCALES, scale_named
from halflife.lab.result import Result

from .data_files import SAMPLES

IMAGES = pytest.mark.skipif(not (SAMPLES / "cifar-10-batches-bin").is_dir(), reason="no sample of CIFAR-10 here")
ON_IMAGES = {"batchnorm", "blog-resnet20", "shake-shake"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=IMAGES if n in ON_IMAGES else ()) for n in PRESETS])
def test_runs_at_smoke_scale(name: str, tmp_path: Path) -> None:
    results, pictures, conclusion = run_preset(
        name, "smoke", tmp_path, how=ExecutionConfig(workers=1, data_dir=SAMPLES)
    )
    assert len(results) == len(PRESETS[name].conditions("smoke"))
    assert all(not found.missing for result in results for found in result.findings)
    assert all(picture.stat().st_size > 10_000 for picture in pictures)
    assert conclusion is not None
    assert conclusion.sentence.endswith(".")
    assert len(conclusion.figures) >= 2


@pytest.mark.parametrize("name", PRESETS)
def test_every_scale_has_settings_that_hold_together(name: str) -> None:
    preset = PRESETS[name]
    assert {"smoke", "small", "paper"} <= set(preset.cost) <= set(SCALES)
    assert bool(preset.medium) == ("medium" in preset.cost)
    for scale in preset.cost:
        conditions = preset.conditions(scale)
        assert len({condition.title for condition in conditions}) == len(conditions)


def test_an_unknown_scale() -> None:
    with pytest.raises(StudyError, match="scale 'huge' is not known; choose among smoke, small, medium, paper"):
        scale_named("huge")


def test_an_optimizer_that_the_claim_speaks_of_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="a claim about adamw-paper, which the optimizers given leave out; add it"):
        run_preset("batchnorm", "smoke", tmp_path, given={"optimizers": ("adam-l2",)})


def result_of(name: str, condition: int, errors: dict[str, float], shape: tuple[int, int, int] = (2, 2, 2)) -> Result:
    """What a study would have found, had every cell this error, a little less in the first one."""
    settings = PRESETS[name].conditions("small")[condition].settings
    findings: list[Findings] = []
    for spec in settings.optimizer_specs():
        val = np.full(shape, errors[spec.name]) + np.linspace(0, 1e-3, shape[0])[:, None, None]
        val[:, 0, 0] -= 1e-3
        lams = tuple(np.geomspace(1e-4, 1e-2, shape[2]))
        findings.append(Findings(spec, (1e-3, 1e-2), lams, val, val, np.zeros(shape, dtype=bool)))
    blank = findings[0]
    return Result(f"condition {condition}", replace(settings, seeds=shape[0]), None, findings, blank, {}, Path(), "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("without", "with_bn", "holds"),
    [((0.30, 0.25), (0.20, 0.20), True), ((0.25, 0.30), (0.20, 0.20), False), ((0.30, 0.29), (0.30, 0.20), False)],
)
def test_batchnorm_judges(without: tuple[float, float], with_bn: tuple[float, float], holds: bool) -> None:
    conditions = [dict(zip(("adam-l2", "adamw-paper"), pair, strict=True)) for pair in (without, with_bn)]
    conclusion = PRESETS["batchnorm"].conclude(
        [result_of("batchnorm", i, condition) for i, condition in enumerate(conditions)]
    )
    assert conclusion.holds is holds


@pytest.mark.parametrize(("moved", "holds"), [(("adam-l2", "adam-p"), True), (("adamw-paper", "adam-p"), False)])
def test_scale_free_judges(moved: tuple[str, ...], holds: bool) -> None:
    names = ("adam-l2", "adamw-paper", "prox-adam", "adam-p")
    conditions = [{name: 0.2 + 0.05 * i * (name in moved) for name in names} for i in range(3)]
    conclusion = PRESETS["scale-free"].conclude(
        [result_of("scale-free", i, condition) for i, condition in enumerate(conditions)]
    )
    assert conclusion.holds is holds


@pytest.mark.parametrize(("prox", "holds"), [(0.2, True), (0.3, False)])
def test_adamw_vs_proxadam_judges(prox: float, holds: bool) -> None:
    result = result_of("adamw-vs-proxadam", 0, {"adamw-paper": 0.2, "prox-adam": prox})
    assert PRESETS["adamw-vs-proxadam"].conclude([result]).holds is holds


def valleys(name: str, condition: int, kappas: dict[str, float]) -> Result:
    """What a study would have found, had every optimizer a valley with this κ; four seeds that hardly differ."""
    settings = PRESETS[name].conditions("small")[condition].settings
    lrs, lams = tuple(np.geomspace(1e-3, 1e-1, 5)), tuple(np.geomspace(1e-5, 1.0, 11))
    x, z = np.log(lrs)[:, None], np.log(lams)[None, :]
    findings: list[Findings] = []
    for spec in settings.optimizer_specs():
        bend = 0.02 * (z - z.mean() + kappas[spec.name] * (x - x.mean())) ** 2
        noise = np.random.default_rng(len(findings)).normal(0, 3e-3, (4, 5, 11))
        val = 0.2 * np.exp(bend + 0.01 * (x - x.mean()) ** 2 + noise)
        findings.append(Findings(spec, lrs, lams, val, val, np.zeros(val.shape, dtype=bool)))
    return Result(f"condition {condition}", replace(settings, seeds=4), None, findings, findings[0], {}, Path(), "")  # type: ignore[arg-type]


@pytest.mark.parametrize(("l2", "decoupled", "holds"), [(1.0, 0.0, True), (0.0, -1.0, False)])
def test_decoupling_judges(l2: float, decoupled: float, holds: bool) -> None:
    kappas = {"sgd-l2": l2, "adam-l2": l2, "sgdw": decoupled, "adamw-paper": decoupled, "adamw-torch": decoupled + 1}
    conclusion = PRESETS["decoupling"].conclude([valleys("decoupling", i, kappas) for i in range(3)])
    assert conclusion.holds is holds
    assert f"in {6 * holds} of 6 comparisons" in conclusion.sentence


@pytest.mark.parametrize(("paper", "holds"), [(0.0, True), (-0.4, None), (-1.0, False)])
def test_ridge_judges(paper: float, holds: bool | None) -> None:
    kappas = dict.fromkeys(("sgd-l2", "adamw-paper", "prox-adam", "adam-l2"), paper) | {"adamw-torch": paper + 1}
    conclusion = PRESETS["ridge"].conclude([valleys("ridge", i, kappas) for i in range(2)])
    assert conclusion.holds is holds


def test_batchnorm_takes_what_luck_explains_for_undecided() -> None:
    results = [result_of("batchnorm", i, {"adam-l2": 0.3, "adamw-paper": 0.29}) for i in range(2)]
    results[0].findings[0].val[0] += 0.2
    conclusion = PRESETS["batchnorm"].conclude(results)
    assert conclusion.holds is None
    assert "±" in conclusion.sentence
