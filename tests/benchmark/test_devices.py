"""The benchmark away from the CPU, shown on an interface of CUDA that is made of Python and lies on the CPU."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch.nn import Parameter

from halflife.benchmark import ENTRIES, SETS, BenchmarkSettings, ParameterSet, run_benchmark
from halflife.benchmark import contenders as who
from halflife.benchmark.devices import Cpu, Cuda, device_of
from halflife.benchmark.panels import panels_of, subtitle_of
from halflife.benchmark.peers import PEERS, missing_libraries, peers_of
from halflife.benchmark.timing import Arena, Stream
from halflife.lab import StudyError

PAIR = ParameterSet("pair", "a pair", ((3, 4), (4,)), ("kept", "scheduled"))
CPU = torch.device("cpu")


class FakeCuda:
    """As much of torch.cuda as is asked for: a clock that each call of a contender moves, and an allocator's counts."""

    def __init__(self):
        self.now, self.said, self.held, self.most = 0.0, [], 100, 100
        self.free, self.reserved = 1 << 40, 150

    def Event(self, enable_timing):
        assert enable_timing
        event = SimpleNamespace(at=None, seen=False)

        def record(stream):
            assert stream == "the stream"
            event.at = self.now

        def synchronize():
            event.seen = True

        def elapsed_time(other):
            assert other.seen, "the end was not waited for"
            return 1e3 * (other.at - event.at)

        event.record, event.synchronize, event.elapsed_time = record, synchronize, elapsed_time
        return event

    def current_stream(self, where):
        assert where == CPU
        return "the stream"

    def synchronize(self, where):
        self.said.append("synchronize")

    def reset_peak_memory_stats(self, where):
        self.most = self.held

    def memory_allocated(self, where):
        return self.held

    def max_memory_allocated(self, where):
        return self.most

    def memory_reserved(self, where):
        return self.reserved

    def mem_get_info(self, where):
        return self.free, 2 * self.free

    def get_device_properties(self, where):
        return SimpleNamespace(name="a card", total_memory=1 << 34, major=9, minor=0)


@pytest.fixture
def api():
    return FakeCuda()


@pytest.fixture
def card(api):
    return Cuda(CPU, api)


def test_time_is_the_distance_of_two_events_around_all_repetitions(api, card):
    def work():
        assert api.said == ["synchronize"]
        api.now += 0.25

    assert card.seconds(work, 4) == 1.0


def test_temporaries_are_the_peak_above_what_was_there(api, card):
    api.most = 1000  # of an earlier step

    def step():
        api.most = api.held + 28

    assert card.temporaries(step) == 28
    assert Cpu().temporaries(step) is None


def test_what_the_allocator_keeps_for_later_is_free(api, card):
    assert card.free_memory() == api.free + 50


def test_the_stream_of_a_card_is_a_copy(api, card):
    a, b = torch.zeros(3), torch.ones(3)
    card.stream(a, b)
    assert torch.equal(a, b)
    card.stream = lambda a, b: setattr(api, "now", api.now + 1e-3)
    stream = Stream(card, 1 << 20)
    stream.measure(3)
    assert stream.gigabytes_per_second == pytest.approx(8 * 2**20 / 1e-3 / 1e9)


def test_a_run_on_a_card_says_which_and_keeps_its_numbers(api, card, tmp_path, monkeypatch):
    def seconds(work, repetitions):
        work()
        return 1e-3 * repetitions

    monkeypatch.setattr(card, "seconds", seconds)
    settings = BenchmarkSettings((PAIR,), ("adamw",), rounds=2, stream_numbers=1 << 10, device="cuda")
    report = run_benchmark(settings, tmp_path, device=card)
    assert report.picture
    content = json.loads(report.results.read_text(encoding="utf-8"))
    assert (content["machine"]["card"], content["machine"]["compute_capability"]) == ("a card", "9.0")
    assert content["settings"]["device"] == "cuda"
    assert content["settings"]["stream"].startswith("card's copy")
    assert subtitle_of(report.benchmark).startswith("a card, torch ")
    rows = content["measurements"]
    assert {row["gradients"] for row in rows} == {"kept", "scheduled"}
    assert {row["temporary_bytes_per_parameter"] for row in rows} == {0.0}
    assert {row["role"] for row in rows} >= {"ours", "ours, other engine", "ours, other states", "fused", "foreach"}
    assert "halflife (foreach)" in {row["contender"] for row in rows}
    kept, moving = panels_of(report.benchmark)
    assert (kept.subtitle, moving.subtitle) == ("16 parameters, 2 tensors", "16 parameters, lr moving at each step")
    assert [bar.label for bar in kept.bars][:3] == ["AdamW", "AdamW, bf16 states", "AdamW, 8-bit states"]


def test_on_the_cpu_nothing_is_said_of_temporaries(tmp_path):
    settings = BenchmarkSettings((PAIR,), ("sgd",), rounds=1, round_seconds=1e-4, stream_numbers=1 << 10)
    content = json.loads(run_benchmark(settings, tmp_path).results.read_text(encoding="utf-8"))
    assert {row["temporary_bytes_per_parameter"] for row in content["measurements"]} == {None}
    assert "card" not in content["machine"]


def test_contenders_on_a_card():
    fused = {name for name, e in ENTRIES.items() if any(c.role == "fused" for c in who.contenders_of(e, kind="cuda"))}
    assert {"adamw", "adam", "sgd"} <= fused
    assert "adagrad" not in fused
    for kind, engines in (("cuda", ["cuda", "foreach", "cuda", "cuda"]), ("cpu", [None, None, None])):
        ours = [c for c in who.contenders_of(ENTRIES["adamw"], kind=kind) if c.role.startswith("ours")]
        built = [c.build([Parameter(torch.zeros(1))]).optimizer.param_groups[0].get("engine") for c in ours]
        assert built == engines


def test_peers_on_a_card(monkeypatch):
    monkeypatch.setattr("halflife.benchmark.peers.find_spec", lambda name: name != "deepspeed" or None)
    assert "deepspeed" in missing_libraries("cpu")
    assert missing_libraries("cuda") == []
    on_a_card = [peer.label for peer in peers_of("adamw", "cuda")]
    assert {"optimi foreach", "optimi Triton", "flashoptim", "torchao, 8-bit states"} <= {*on_a_card}
    assert len({*on_a_card}) == len(on_a_card)
    assert "optimi" in {peer.label for peer in peers_of("adamw", "cpu")}
    triton = {peer.label: peer.settings.get("triton") for peer in PEERS if peer.library == "optimi"}
    assert triton == {"optimi": None, "optimi foreach": False, "optimi Triton": True}


def test_a_schedule_moves_lr_at_every_step_and_ends_where_it_began():
    arena, seen = Arena(PAIR, "scheduled"), []
    arena.reset()
    optimizer = torch.optim.SGD(arena.params, lr=0.5)
    running = who.Running(optimizer, lambda: seen.append(optimizer.param_groups[0]["lr"]), "")
    arena.seconds(running, 3)
    arena.seconds(running, 1)
    assert len({*seen}) == 4
    assert max(seen) <= 0.5
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_the_usual_sets_of_a_device():
    assert [s.name for s in BenchmarkSettings().chosen_sets] == ["gpt2", "resnet", "large", "tiny", "five"]
    assert [s.name for s in BenchmarkSettings(device="cuda:1").chosen_sets] == ["gpt2", "huge", "thousand", "resnet"]
    assert SETS["huge"].parameters == 6 * 8192**2
    assert (len(SETS["thousand"].shapes), SETS["thousand"].parameters) == (1000, 1000 * 64**2)


def test_a_device_that_is_none():
    with pytest.raises(StudyError, match=r"timed on cpu or cuda .* but 'gpu' was given"):
        BenchmarkSettings(device="gpu")
    with pytest.raises(StudyError, match="but 'meta' was given"):
        BenchmarkSettings(device="meta")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_card_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match=r"there is no device 'cuda' here \(.*\); leave --device out to use the CPU"):
        device_of("cuda")
    with pytest.raises(StudyError, match="there is no device 'cuda'"):
        run_benchmark(BenchmarkSettings(device="cuda"), tmp_path)
    assert not list(tmp_path.iterdir())
