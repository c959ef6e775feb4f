import json
from types import SimpleNamespace

import pytest
import torch
from torch.nn import Parameter

import halflife
from halflife.benchmark import (
    ENTRIES,
    SETS,
    BenchmarkSettings,
    Measurement,
    ParameterSet,
    Speed,
    run_benchmark,
    speeds,
)
from halflife.benchmark import contenders as who
from halflife.benchmark.figure import SpeedBar, SpeedPanel, draw_speeds, factor, span
from halflife.benchmark.panels import panels_of
from halflife.benchmark.peers import PEERS, missing_libraries, peers_of
from halflife.benchmark.results import Benchmark
from halflife.benchmark.run import bytes_needed, run
from halflife.benchmark.timing import Arena
from halflife.cli.bench_table import remarks
from halflife.lab import StudyError

PAIR = ParameterSet("pair", "a pair", ((3, 4), (4,)), ("kept", "fresh"))
QUICK = {"sets": (PAIR,), "rounds": 2, "round_seconds": 1e-4, "stream_numbers": 1 << 12}


def measured(optimizer, role, ms, set_="five", nearest="", contender="", gradients="kept", parameters=320):
    seconds = tuple(1e-3 * x for x in ms)
    label = contender or {"ours": "halflife (native)"}.get(role, f"torch {role}")
    return Measurement(set_, gradients, optimizer, label, role, nearest, parameters, 5, 1, seconds, 28.0)


def test_the_sets_are_what_they_are_called():
    tensors = {name: (each.parameters, len(each.shapes)) for name, each in SETS.items()}
    assert tensors["gpt2"] == (124_439_808, 148)
    assert tensors["large"] == (3 * 4096**2, 3)
    assert tensors["tiny"] == (3360, 210)
    assert tensors["five"] == (320, 5)
    assert tensors["resnet"][0] == pytest.approx(7.4e6, rel=0.02)
    assert tensors["resnet"][1] == 210


def test_where_torch_has_the_rule_both_take_the_same_step():
    assert all(entry.torch_class for entry in ENTRIES.values())
    for entry in (entry for entry in ENTRIES.values() if not entry.nearest and not entry.clip_and_average):
        weights = []
        for contender in who.contenders_of(entry):
            if contender.role in ("ours", "loop"):
                arena = Arena(PAIR, "kept")
                arena.reset()
                running = contender.build(arena.taken(entry))
                arena.seconds(running, 3)
                weights.append(torch.cat([p.detach().flatten() for p in arena.params]))
        torch.testing.assert_close(*weights, msg=entry.name)


def test_the_clipped_and_averaged_step_of_torch_is_ours():
    ours, fused, foreach = who.contenders_of(ENTRIES["adamw-clip-ema"])
    assert (ours.role, fused.role, foreach.role) == ("ours", "fused", "foreach")
    weights = []
    for contender in (ours, fused):
        arena = Arena(PAIR, "kept")
        arena.reset()
        for p in arena.params:
            p.grad.mul_(1e3)
        arena.seconds(contender.build(arena.params), 1)
        weights.append(torch.cat([p.detach().flatten() for p in arena.params]))
    torch.testing.assert_close(*weights)


def test_what_takes_matrices_alone_is_timed_on_those_and_says_what_it_leaves_out(tmp_path):
    vectors = ParameterSet("vectors", "vectors", ((4,), (5,)))
    settings = BenchmarkSettings(optimizers=("muon", "adafactor"), **{**QUICK, "sets": (PAIR, vectors)})
    found = run(settings, tmp_path / "benchmark.json")
    muon = [m for m in found.measurements if m.optimizer == "muon"]
    assert {m.contender for m in muon} == {"halflife (foreach)", "torch, its only form"}
    assert {(m.set, m.parameters, m.tensors, m.left_out) for m in muon} == {("pair", 12, 1, 1)}
    assert {m.bytes_per_parameter for m in muon} == {20.0}
    (skipped,) = (s for s in found.skipped if s.optimizer == "muon")
    assert (skipped.set, skipped.contender) == ("vectors", "")
    assert "takes no tensor of this set: Muon only supports 2D parameters" in skipped.reason
    others = [m for m in found.measurements if m.optimizer == "adafactor"]
    assert {(m.set, m.tensors, m.left_out) for m in others} == {("pair", 2, 0), ("vectors", 2, 0)}
    assert {m.role for m in others} == {"ours", "foreach", "loop"}
    words = "Muon on pair: 1 of the 2 tensors, 12 parameters; its rule takes no others"
    assert sum(line.startswith(words) for line in remarks(found)) == 1


def test_products_of_large_matrices_are_timed_on_a_cpu_only_where_they_are_asked_for():
    assert set(ENTRIES) - set(BenchmarkSettings().chosen_optimizers) == {"muon"}
    assert set(who.usual_optimizers("cuda")) == set(ENTRIES)


def test_fused_is_timed_where_torch_has_it_for_cpus():
    fused = {name for name, entry in ENTRIES.items() if any(c.role == "fused" for c in who.contenders_of(entry))}
    assert not fused & {"rmsprop", "adadelta", "asgd", "nadam", "radam", "adamax", "rprop"}
    assert {"adamw", "adam", "sgd", "adagrad", "lion"} <= fused


def test_the_nearest_rule_is_named():
    labels = [c.label for c in who.contenders_of(ENTRIES["lion"])]
    assert "torch fused, SGD with momentum" in labels


def test_the_bytes_that_a_step_must_move():
    p = Parameter(torch.zeros(1000))
    p.grad = torch.ones(1000)
    moved = {}
    for name in ("adamw", "sgd", "prox-sgd", "lion", "adamw-clip-ema"):
        for contender in who.contenders_of(ENTRIES[name]):
            if contender.role in ("ours", "foreach"):
                running = contender.build([p])
                running.step()
                moved[name, contender.role] = who.bytes_moved(running, [p]) / 1000
    assert [moved[name, "ours"] for name in ("adamw", "sgd", "prox-sgd", "lion")] == [28, 20, 12, 20]
    assert moved["adamw-clip-ema", "ours"] == moved["adamw-clip-ema", "foreach"] == 40
    assert moved["adamw", "foreach"] == 28


def test_states_that_other_libraries_wrap_are_counted_as_they_lie_in_memory():
    class Codes(torch.Tensor):  # as torchao's: a float32 tensor by its looks
        tensor_attrs = ("codes", "scale", "table")

    p = Parameter(torch.zeros(1000))
    eight_bit = torch.zeros(1000).as_subclass(Codes)
    eight_bit.codes, eight_bit.scale, eight_bit.table = torch.zeros(1000).byte(), torch.ones(4), torch.zeros(256)
    held = SimpleNamespace(_data=torch.zeros(1000, dtype=torch.bfloat16), _scales=None, _signed=True)  # as flashoptim's
    state = {p: {"m": eight_bit, "v": held, "step": torch.tensor(3.0), "of": 7, "again": eight_bit.table}}
    running = who.Running(SimpleNamespace(state=state), lambda: None, "")
    assert who.bytes_moved(running, [p]) == 2 * (4000 + 1000 + 16 + 1024 + 2000)


def test_fresh_gradients_lie_elsewhere_and_say_the_same():
    arena = Arena(PAIR, "fresh")
    arena.reset()
    before = [p.grad for p in arena.params]
    values = [g.clone() for g in before]
    arena.renew(torch.optim.SGD(arena.params))
    assert all(p.grad is not g for p, g in zip(arena.params, before, strict=True))
    assert all(torch.equal(p.grad, g) for p, g in zip(arena.params, values, strict=True))


def test_speeds_are_ratios_of_medians_within_one_set_and_optimizer():
    found = speeds(
        [
            measured("adamw", "ours", (1.0, 2.0, 9.0)),
            measured("adamw", "fused", (3.0, 4.0, 5.0)),
            measured("adamw", "foreach", (9.0, 10.0, 100.0)),
            measured("adamw", "ours", (1.0,), gradients="fresh"),
            measured("radam", "ours", (2.0,)),
            measured("radam", "foreach", (1.0,)),
        ]
    )
    assert found[0] == pytest.approx((2.0, 5.0))
    assert found[1] == pytest.approx((1.0, 2.5))
    assert found[3] == Speed(None, None)
    assert found[4] == (None, pytest.approx(0.5))


def test_rates_and_spread():
    m = measured("adamw", "ours", (1.0, 2.0, 3.0, 4.0, 5.0), parameters=1_000_000)
    assert m.milliseconds == pytest.approx(3.0)
    assert m.spread == pytest.approx(1 / 3)
    assert m.gigabytes_per_second == pytest.approx(28e6 / 3e-3 / 1e9)


def test_a_run_writes_every_number_and_a_picture(tmp_path):
    said = []
    report = run_benchmark(BenchmarkSettings(optimizers=("adamw", "lion"), **QUICK), tmp_path / "new", said.append)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["benchmark.json", "benchmark.png"]
    assert report.picture.read_bytes().startswith(b"\x89PNG")
    content = json.loads(report.results.read_text(encoding="utf-8"))
    assert {"processor", "cores", "isa", "torch", "threads", "load_before", "load_after"} <= set(content["machine"])
    assert content["stream_gigabytes_per_second"] > 0
    assert (content["settings"]["sets"], content["settings"]["rounds"]) == (["pair"], 2)
    assert {(row["optimizer"], row["gradients"]) for row in content["measurements"]} == {
        (name, gradients) for name in ("adamw", "lion") for gradients in ("kept", "fresh")
    }
    for row in content["measurements"]:
        assert len(row["seconds"]) == 2
        assert min(row["seconds"]) > 0
        assert row["times_as_fast_as_torch_fused"] > 0
        assert row["bytes_per_parameter"] > 0
    assert (said[0].done, said[0].total, said[0].doing) == (0, 4, "a pair · AdamW")
    assert said[-1].doing == "a pair, fresh gradients · Lion"
    assert [x.done for x in said] == sorted(x.done for x in said)


def test_who_cannot_be_built_is_skipped_with_the_reason(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise TypeError("got an unexpected keyword argument 'foreach'\nand more")

    monkeypatch.setitem(ENTRIES.special, "sgd", who.Entry("sgd", "SGD", halflife.SGD, refuse))
    found = run(BenchmarkSettings(optimizers=("sgd",), **QUICK), tmp_path / "benchmark.json")
    assert {m.role for m in found.measurements} - {"peer"} == {"ours"}
    reasons = {s.contender: s.reason for s in found.skipped}
    assert {"torch foreach", "torch loop"} <= set(reasons)
    assert reasons["torch foreach"] == "TypeError: got an unexpected keyword argument 'foreach'"
    assert panels_of(found) == []


def test_what_does_not_fit_in_memory_is_skipped(tmp_path):
    found = run(BenchmarkSettings(optimizers=("adam",), memory=1e-9, **QUICK), tmp_path / "benchmark.json")
    assert not found.measurements
    assert "may be used" in found.skipped[0].reason
    contenders = who.contenders_of(ENTRIES["adamw"])
    assert bytes_needed(SETS["gpt2"], contenders) < 10e9


def test_threads_are_torchs_own_again_afterwards(tmp_path):
    before = torch.get_num_threads()
    found = run(BenchmarkSettings(optimizers=("sgd",), threads=2, **QUICK), tmp_path / "benchmark.json")
    assert found.machine["threads"] == 2
    assert torch.get_num_threads() == before


def test_peers_are_timed_only_where_they_are_installed(monkeypatch):
    assert {peer.entry for peer in PEERS} <= set(ENTRIES)
    monkeypatch.setattr("halflife.benchmark.peers.find_spec", lambda name: name == "optimi" or None)
    module = SimpleNamespace(
        Lion=lambda params, lr, weight_decay: torch.optim.SGD(params, lr, weight_decay=weight_decay)
    )
    monkeypatch.setitem(__import__("sys").modules, "optimi", module)
    assert "optimi" not in missing_libraries()
    assert "deepspeed" in missing_libraries()
    (peer,) = peers_of("lion")
    assert peer.role == "peer"
    assert isinstance(peer.build([Parameter(torch.zeros(1))]).optimizer, torch.optim.SGD)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizers": ("sgdx",)}, "optimizer 'sgdx' is not known; choose among adamw"),
        ({"optimizers": ()}, "one or more optimizers"),
        ({"sets": (PAIR, PAIR)}, "each of them once"),
        ({"rounds": 0}, "at least 1"),
    ],
)
def test_impossible_settings_are_refused(settings, words):
    with pytest.raises(StudyError, match=words):
        BenchmarkSettings(**settings)


def test_a_folder_that_cannot_be_written_is_found_out_before_anything_is_timed(tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    said = []
    with pytest.raises(StudyError, match="cannot be written"):
        run(BenchmarkSettings(optimizers=("sgd",), **QUICK), tmp_path / "taken" / "benchmark.json", said.append)
    assert not said


def test_the_picture_shows_ours_and_other_libraries_against_torch():
    found = [
        measured("adamw", "ours", (2.0,)),
        measured("adamw", "ours, other states", (1.0,), contender="halflife (native), bf16 states"),
        measured("adamw", "fused", (4.0,)),
        measured("adamw", "foreach", (8.0,)),
        measured("adamw", "peer", (16.0,), contender="optimi"),
        measured("lion", "ours", (1.0,), nearest="SGD with momentum"),
        measured("lion", "foreach", (3.0,), nearest="SGD with momentum"),
    ]
    (panel,) = panels_of(Benchmark({}, {}, 1.0, found))
    assert (panel.title, panel.subtitle) == ("5 tensors of 64", "320 parameters, 5 tensors")
    assert [bar.label for bar in panel.bars] == [
        *("AdamW", "AdamW, bf16 states", "AdamW, optimi", "Lion / SGD with momentum")
    ]
    assert [bar.over_fused for bar in panel.bars] == [*map(pytest.approx, (2.0, 4.0, 0.25)), None]
    assert [bar.over_foreach for bar in panel.bars] == [*map(pytest.approx, (4.0, 8.0, 0.5, 3.0))]
    assert [bar.ours for bar in panel.bars] == [True, True, False, True]


def test_all_panels_share_rows_and_scale():
    panels = [
        SpeedPanel("one", "", [SpeedBar("AdamW", 2.0, 5.0, True), SpeedBar("RAdam", None, 0.3, True)]),
        SpeedPanel("two", "", [SpeedBar("Lion", 1.5, None, True)]),
    ]
    low, high = span(panels)
    assert low < 0.3
    assert high > 5.0
    figure = draw_speeds(panels, "subtitle")
    first, second = figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["AdamW", "RAdam", "Lion"]
    assert first.get_xlim() == second.get_xlim() == (low, high)
    assert {"2.0", "5.0", "0.30"} <= {text.get_text() for text in first.texts}


def test_long_names_have_room():
    name = "AdamW, a library with a long name and StableAdamW"
    figure = draw_speeds([SpeedPanel("one", "", [SpeedBar(name, 2.0, 5.0, False)])], "subtitle")
    figure.canvas.draw()
    (label,) = figure.axes[0].get_yticklabels()
    assert label.get_window_extent().x0 >= 0


def test_factors_as_people_read_them():
    assert [factor(x) for x in (0.482, 1.0, 1.84, 12.3)] == ["0.48", "1.0", "1.8", "12"]
