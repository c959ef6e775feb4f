"""Muon in a study: of the matrices inside a model, beside AdamW, by one lr and one λ."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

import halflife
from halflife.lab import ExecutionConfig, Problem, Settings, Split, StudyError, plan, run_study
from halflife.lab.analysis import decision_words
from halflife.lab.config.optimizer_names import optimizer_spec
from halflife.lab.config.task import training_of, with_head
from halflife.lab.config.user_code import Config
from halflife.lab.load import load_study
from halflife.lab.models import flat_mlp, head_of, mlp, resnet, shake_shake, transformer
from halflife.lab.refinement import decision_of
from halflife.lab.report import report_study
from halflife.lab.training.magnitudes import record_magnitudes

from .training_cases import training

HERE = ExecutionConfig(workers=1)
LR, LAM = 1e-2, 0.1


def toy(model, **changed):
    return replace(training(model).problem, augment=None, **changed)


def small():
    return mlp(5, 7, 6, 3)


class Named(nn.Module):
    """Layers whose order no type tells."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 7), nn.Linear(7, 3)

    def forward(self, x):
        return self.b(self.a(x).relu())


class Said(Named):
    def get_classifier(self):
        return self.b


def words():
    """A problem of tokens, for a transformer."""
    tokens = torch.randint(0, 5, (24, 4), generator=torch.Generator().manual_seed(0))
    split = Split(tokens, tokens.roll(1, 1))
    model = lambda: transformer(5, 4, width=8, depth=1, heads=2)  # noqa: E731
    loss = lambda outputs, targets: nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())  # noqa: E731
    error = lambda outputs, targets: (outputs.argmax(-1) != targets).float().mean(-1)  # noqa: E731
    return Problem("words", "words", split, split, split, model, loss, error)


def give_gradients(model):
    for p in model.parameters():
        p.grad = p.detach().cos()


@pytest.mark.parametrize(
    ("model", "head"),
    [
        (lambda: mlp(4, 3, 2), ("2.*",)),
        (lambda: flat_mlp(4, 3, 2), ("1.2.*",)),
        (lambda: transformer(5, 4, width=8, depth=1), ("predict.1.*",)),
        (lambda: resnet(8, width=4), ("classify.*",)),
        (lambda: shake_shake(4, depth=8), ("classify.*",)),
        (lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2), nn.LayerNorm(2)), ("1.*",)),
        (lambda: nn.Linear(4, 3), ()),
        (Said, ("b.*",)),
        (Named, None),
        (lambda: nn.Sequential(nn.Linear(5, 5), Named()), None),
    ],
)
def test_the_head_is_what_the_model_says_or_the_last_layer_in_a_row(model, head):
    assert head_of(model()) == head


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has it from 2.9 on")
def test_the_matrices_inside_are_muons_and_all_else_is_adamws_by_one_lr_and_one_decay():
    torch.manual_seed(0)
    ours, model = (small() for _ in range(2))
    ours.load_state_dict(model.state_dict())
    inside, rest = [model[0].weight, model[2].weight], [model[0].bias, model[2].bias, *model[4].parameters()]
    muon = torch.optim.Muon(inside, lr=LR, weight_decay=50.0, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(rest, lr=LR, weight_decay=50.0)
    begun = [p.detach().clone() for p in model.parameters()]
    for one in (ours, model):
        give_gradients(one)
    for optimizer in (optimizer_spec("muon").build(ours, LR, 50.0), muon, adamw):
        optimizer.step()
    for start, mine, theirs in zip(begun, ours.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
        assert (mine - start).abs().max() > 1e-3


@pytest.mark.parametrize("words", ["coupled", "independent", "proximal", "huber"])
def test_words_are_of_both_rules(words):
    spec, model = optimizer_spec(f"muon:{words}"), small()
    optimizer = spec.build(model, LR, LAM)
    for group in optimizer.param_groups:
        update = optimizer.view(group).update
        if words == "huber":
            assert update.regularizer == halflife.regularizers.Huber()
        else:
            assert update.decay == halflife.decays.NAMED[words]
        assert (group["lr"], group["weight_decay"]) == (LR, LAM)
    assert spec.label == f"Muon + AdamW ({words})"
    assert spec.multiplier == str(optimizer.view(optimizer.param_groups[1]).update.decay.multiplier)


def test_eps_is_of_both_rules_and_the_head_of_the_study():
    settings = Settings(toy(small), None, ("muon", "adamw"), batch_size=12, eps=1e-3)
    spec = with_head(settings, training_of(settings, HERE)).optimizer_specs()[0]
    assert spec.head == ("4.*",)
    assert [group["eps"] for group in spec.build(small(), LR, LAM).param_groups] == [1e-3, 1e-3]
    assert with_head(replace(settings, optimizers=("adamw",)), training_of(settings, HERE)).head is None


@pytest.mark.parametrize("model", [lambda: toy(small), words], ids=["mlp", "transformer"])
def test_a_study_of_muon_beside_adamw_ends_in_figures_a_report_and_a_line_that_runs(tmp_path, model):
    problem = model()
    settings = Settings(problem, None, ("muon", "adamw"), (1e-3, 1e-2), (0.1, 10.0), 2, 3, 12)
    (result,), pictures, _ = run_study(settings, tmp_path, how=HERE)
    muon, adamw = result.findings
    assert [muon.spec.label, adamw.spec.label] == ["Muon + AdamW", "AdamW"]
    assert (muon.complete, adamw.complete) == ((0, 1), (0, 1))
    assert len({run.weight_norm for one in (muon, adamw) for run in result.runs[one.spec.name]}) == 16
    assert muon.spec.multiplier == adamw.spec.multiplier == "lr"
    assert pictures
    page = report_study(tmp_path, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Muon + AdamW" in page
    (again,) = load_study(tmp_path).results
    assert again.found("muon").val.tolist() == muon.val.tolist()
    line = decision_words(decision_of(replace(result, findings=[muon])))[0].removeprefix("Use ")
    optimizer = eval(line, {"halflife": halflife, "model": problem.model()})
    built = muon.spec.build(problem.model(), muon.best_lr, muon.best_lam)
    told = ("rule", "adjust_lr_fn", "lr", "weight_decay", "decay", "param_names")
    for mine, theirs in zip(optimizer.param_groups, built.param_groups, strict=True):
        assert {name: mine.get(name) for name in told} == {name: theirs.get(name) for name in told}


def test_a_study_of_muon_goes_on_where_it_was_and_ends_with_the_same_bits(tmp_path):
    def networks(folder, **changed):
        settings = Settings(toy(small), None, ("muon",), (1e-3, 1e-2), (1.0,), epochs=3, batch_size=12, **changed)
        return run_study(settings, folder, how=HERE).results[0].runs["muon"]

    part = networks(tmp_path / "a", seeds=1)
    resumed, whole = networks(tmp_path / "a", seeds=2), networks(tmp_path / "b", seeds=2)
    assert [run.seconds for run in resumed[:2]] == [run.seconds for run in part], "not trained again"
    assert [(x.key, x.val_loss, x.weight_norm) for x in resumed] == [(x.key, x.val_loss, x.weight_norm) for x in whole]


def test_another_head_is_another_network(tmp_path):
    settings = Settings(toy(small), None, ("muon",), (1e-2,), (1.0,), 1, 3, 12)
    first, second = (run_study(one, tmp_path, how=HERE) for one in (settings, replace(settings, head="0.*")))
    one, other = (outcome.results[0].runs["muon"][0] for outcome in (first, second))
    assert one.key != other.key
    assert one.weight_norm != other.weight_norm
    assert second.results[0].settings.head == ("0.*",)


@pytest.mark.parametrize(
    ("model", "head", "message"),
    [
        (Named, None, r"muon cannot train this model: .*head='b\.\*' perhaps.* --head PATTERN, Settings\(head=…\)"),
        (Named, "nothing.*", "muon cannot train this model: .*nothing"),
        (lambda: mlp(5, 3), None, "muon would step nothing of this model: .* Study adamw"),
    ],
)
def test_what_cannot_be_routed_is_said_before_anything_is_trained(tmp_path, model, head, message):
    settings = Settings(toy(model), None, ("muon",), (1e-2,), (1e-2,), 1, 1, 12, head=head)
    for ask in (plan, run_study):
        with pytest.raises(StudyError, match=message):
            ask(settings, tmp_path)
    assert not list(tmp_path.glob("**/*.db"))


def test_a_head_that_is_said_is_taken(tmp_path):
    settings = Settings(toy(Named), None, ("muon",), (1e-2,), (1e-2,), 1, 1, 12, head="b.*")
    assert run_study(settings, tmp_path, how=HERE).results[0].found("muon").complete == (0,)


def test_a_training_of_ones_own_gives_the_model():
    config, model = Config(optimizer_spec("muon"), LR, LAM, 0, 1, 1), small()
    assert len(config.build(model).param_groups) == 2
    assert len(config.build([model[0].weight]).param_groups) == 1
    with pytest.raises(StudyError, match=re.escape("Give config.build the model itself")):
        config.build(model.parameters())


def test_magnitudes_are_recorded_of_both_rules():
    task = replace(training(small), problem=toy(small))
    recorded = record_magnitudes(task, optimizer_spec("muon"), LR, LAM, epochs=(1,))
    assert recorded.counts["update"].sum() == sum(p.numel() for p in small().parameters())


def test_a_plan_says_who_is_trained_singly(tmp_path):
    mode = plan(Settings("digits", optimizers=("adamw", "muon"), seeds=1, epochs=1), tmp_path, HERE).mode
    assert mode.startswith("singly") or mode.endswith("Muon + AdamW: singly, which takes longer")
