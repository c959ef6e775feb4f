"""The native library is loaded, or it is said in words why not; it shares torch's threads."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from halflife.engines import library
from halflife.engines.library import HL_ABI, INSTALLED, Functor, Library, Missing, load, open_library

HEADER = Path(__file__).parents[2] / "native" / "halflife.h"
built = pytest.mark.skipif(not isinstance(load(), Library), reason=getattr(load(), "reason", ""))
compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
compiles = pytest.mark.skipif(compiler is None, reason="no C compiler")

LEVELS = {"x86_64": r"(x86-64-)?v[234]", "aarch64": "aarch64|generic"}


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which neither variable is set."""
    for name in ("HALFLIFE_NATIVE", "HALFLIFE_LIBRARY"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def load_anew() -> Library | Missing:
    return load.__wrapped__()


def made(folder: Path, source: str) -> Path:
    """A shared library made of this C source."""
    text, path = folder / "made.c", folder / "libmade.so"
    text.write_text(source, encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, text], check=True)
    return path


def reason(found: Library | Missing) -> str:
    assert isinstance(found, Missing)
    return found.reason


def test_it_loads_or_says_why() -> None:
    found = load()
    assert load() is found
    if isinstance(found, Missing):
        assert re.search("was not built|HALFLIFE_|Linux", found.reason), found.reason
    else:
        assert re.fullmatch(LEVELS.get(os.uname().machine, ".+"), found.level)


def test_what_was_built_or_asked_for_is_there() -> None:
    """A library that no longer loads must not go unnoticed, for every test would pass without it."""
    asked = os.environ.get("HALFLIFE_LIBRARY") or (str(INSTALLED) if INSTALLED.exists() else None)
    if asked and os.environ.get("HALFLIFE_NATIVE") != "0":
        found = load()
        assert isinstance(found, Library), found
        assert found.path == Path(asked).absolute()


def test_python_and_header_speak_of_the_same_interface() -> None:
    found = re.search(r"HL_ABI = (\d+)", HEADER.read_text(encoding="utf-8"))
    assert found
    assert int(found[1]) == HL_ABI


def test_it_can_be_turned_off(plain: pytest.MonkeyPatch) -> None:
    plain.setenv("HALFLIFE_NATIVE", "0")
    plain.setenv("HALFLIFE_LIBRARY", "/no/such/file")
    assert "HALFLIFE_NATIVE=0" in reason(load_anew())


@built
@pytest.mark.parametrize("given", ["", "1"])
def test_other_values_leave_it_on(given: str, plain: pytest.MonkeyPatch) -> None:
    loaded = load()
    assert isinstance(loaded, Library)
    plain.setenv("HALFLIFE_NATIVE", given)
    plain.setenv("HALFLIFE_LIBRARY", str(loaded.path))
    assert isinstance(load_anew(), Library)


def test_nothing_built_is_said_and_what_to_do(plain: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain.setattr(library, "INSTALLED", tmp_path / "libhalflife_native.so")
    text = reason(load_anew())
    assert "was not built" in text or "Linux alone" in text
    plain.setattr(sys, "platform", "plan9")
    assert "Linux alone so far, and this is plan9" in reason(load_anew())


@built
def test_another_library_may_be_named(plain: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = load()
    assert isinstance(loaded, Library)
    shutil.copy(loaded.path, tmp_path / "mine.so")
    plain.setenv("HALFLIFE_LIBRARY", "mine.so")
    plain.chdir(tmp_path)
    found = load_anew()
    assert isinstance(found, Library)
    assert found.path == tmp_path / "mine.so"


def test_a_file_that_is_no_library_is_refused(plain: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain.setenv("HALFLIFE_LIBRARY", str(tmp_path / "none.so"))
    assert "none.so is no file" in reason(load_anew())
    (tmp_path / "none.so").write_text("text", encoding="utf-8")
    assert "does not load" in reason(load_anew())


@compiles
def test_another_interface_is_refused(tmp_path: Path) -> None:
    text = reason(open_library(made(tmp_path, f"int hl_abi(void) {{ return {HL_ABI + 1}; }}")))
    assert f"has interface {HL_ABI + 1}, and {HL_ABI} is needed: install halflife again" in text


@compiles
@pytest.mark.parametrize(
    "source",
    [
        "int other(void) { return 1; }",
        f"int hl_abi(void) {{ return {HL_ABI}; }}",
        f'int hl_abi(void) {{ return {HL_ABI}; }} const char *hl_level(void) {{ return "v9"; }}',
    ],
)
def test_a_library_that_lacks_a_call_is_refused(source: str, tmp_path: Path) -> None:
    text = reason(open_library(made(tmp_path, source)))
    assert "another library than halflife's" in text
    assert "undefined symbol: hl_" in text


@compiles
def test_an_old_processor_is_refused(tmp_path: Path) -> None:
    """The library itself says so: what it would run needs SSE 4.2."""
    source = f'int hl_abi(void) {{ return {HL_ABI}; }} const char *hl_level(void) {{ return "none"; }}'
    assert "this processor lacks x86-64-v2" in reason(open_library(made(tmp_path, source)))


def gradient_norm(g: torch.Tensor, gradient: float = 1.0, threads: int = 1) -> float:
    loaded = load()
    assert isinstance(loaded, Library)
    entry, row = np.zeros(1, loaded.entry), np.zeros(1, loaded.row)
    entry["g"], entry["n"], row["gradient"] = g.data_ptr(), g.numel(), gradient
    return loaded.gradient_norm(entry.ctypes.data, 1, row.ctypes.data, threads)


RULES = (
    r"0\tToy\t\t2\t1\tbeta eps\n"
    r"1\tToy\twith words\t1\t0\t\n"
)
SIZES = r"hyper\t2\npenalty\t6\nstate\t2\nclock\t2\nrow\t128\nentry\t152\n"


def pretended(folder: Path, rules: str = RULES, sizes: str = SIZES) -> Library | Missing:
    """A library that says this of itself, and does nothing."""
    calls = f"int hl_abi(void) {{ return {HL_ABI}; }} void hl_step(void) {{}} void hl_gradient_norm(void) {{}}"
    texts = {"hl_level": "v9", "hl_rules": rules, "hl_sizes": sizes}
    said = [f'const char *{name}(void) {{ return "{text}"; }}' for name, text in texts.items()]
    return open_library(made(folder, "\n".join([calls, *said])))


@compiles
def test_rules_and_layouts_are_what_the_library_says(tmp_path: Path) -> None:
    found = pretended(tmp_path)
    assert isinstance(found, Library), found
    assert found.functor("Toy") == Functor(0, 2, 1, ("beta", "eps"))
    assert found.functor("Toy", "with words") == Functor(1, 1, 0, ())
    assert found.functor("Adam", "none outside") is None
    arrays = {name: found.entry[name].shape for name in ("state", "scale", "clock")}
    assert arrays == {"state": (2,), "scale": (2,), "clock": (2,)}
    assert found.row["hyper"].shape == (2,)


@compiles
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"rules": r"0\tToy\t\t2\t1\n"}, r"list of rules that cannot be read ('0\tToy\t\t2\t1')"),
        ({"rules": r"0\tToy\t\ttwo\t1\tbeta\n"}, "list of rules that cannot be read"),
        ({"rules": r"1\tToy\t\t2\t1\tbeta\n"}, "counts its rules wrongly"),
        ({"rules": r"0\tToy\t\t2\t1\t\n1\tToy\t\t2\t1\t\n"}, "names one twice"),
        ({"sizes": ""}, "does not say how long its tables' lines are"),
        ({"sizes": SIZES.replace("state", "stat")}, "does not say how long its tables' lines are"),
        ({"sizes": SIZES.replace("128", "many")}, "does not say how long its tables' lines are"),
        ({"sizes": SIZES.replace(r"row\t128", r"row\t160")}, "160 bytes in its table's row, where 128 are expected"),
        ({"sizes": SIZES.replace(r"clock\t2", r"clock\t3")}, "152 bytes in its table's entry, where 160 are expected"),
    ],
)
def test_a_library_that_speaks_of_itself_otherwise_is_refused(said: dict[str, str], words: str, tmp_path: Path) -> None:
    text = reason(pretended(tmp_path, **said))
    assert words in text
    assert text.endswith("install halflife again")
    assert "libmade.so" in text


@compiles
@built
def test_the_header_is_c_and_says_what_the_library_says(tmp_path: Path) -> None:
    source = f'#include "{HEADER}"\nint rules = HL_RULES, row = sizeof(hl_row), nadam = HL_NADAM;'
    header, loaded = ctypes.CDLL(str(made(tmp_path, source))), load()
    assert isinstance(loaded, Library)
    rules, row, nadam = (ctypes.c_int.in_dll(header, name).value for name in ("rules", "row", "nadam"))
    assert (rules, row) == (len(loaded.functors), loaded.row.itemsize)
    assert nadam == loaded.functors["NAdam", ""].number


@built
def test_a_call_takes_addresses_and_returns_a_double() -> None:
    g = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    norm = gradient_norm(g, -0.5)
    assert norm == pytest.approx(0.5 * g.double().norm().item(), rel=1e-12)
    assert norm == gradient_norm(g, -0.5, threads=2)


THREADS = """
    import importlib.util, os, sys, torch
    torch.set_num_threads(2)
    g = torch.ones(1 << 21)
    g.exp_()
    tasks = len(os.listdir("/proc/self/task"))
    spec = importlib.util.spec_from_file_location("mine", sys.argv[1])
    mine = importlib.util.module_from_spec(spec)
    sys.modules["mine"] = mine
    spec.loader.exec_module(mine)
    assert mine.gradient_norm(g, threads=2) > 0
    print(tasks, len(os.listdir("/proc/self/task")))
    print({line.split()[-1] for line in open("/proc/self/maps") if "gomp" in line or "libomp" in line})
"""


@built
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc")
def test_one_thread_pool_serves_torch_and_us() -> None:
    """In a process of its own: other packages bring pools too."""
    command = [sys.executable, "-c", textwrap.dedent(THREADS), __file__]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    tasks, pools = done.stdout.splitlines()
    if "libomp" in pools:
        pytest.skip("built by clang, whose threads are its own")
    before, after = map(int, tasks.split())
    assert before == after
    torch_brings = list((Path(torch.__file__).parent / "lib").glob("libgomp.so.1"))
    assert not torch_brings or eval(pools) == {str(torch_brings[0].resolve())}


FORK = """
    import os, torch, halflife
    from halflife.engines.library import threads
    torch.set_num_threads(2)
    def model():
        params = [torch.linspace(-1, 1, 200_000).requires_grad_() for _ in range(2)]
        for p in params:
            p.grad = p.detach().sin()
        return params, halflife.AdamW(params, lr=0.1)
    (twin, one), (params, optimizer) = model(), model()
    for o in (one, one, optimizer):
        o.step()
    assert optimizer.engines()[0].name == "native" and threads() == 2
    tasks = len(os.listdir("/proc/self/task"))
    child = os.fork()
    if child == 0:
        optimizer.step()
        torch.set_num_threads(4)
        same = all(a.detach().numpy().tobytes() == b.detach().numpy().tobytes() for a, b in zip(params, twin))
        os._exit(0 if same and threads() == 1 else 3)
    assert threads() == 2
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), tasks)
"""


@built
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")
def test_a_process_forked_after_a_step_on_several_threads_steps_too() -> None:
    """On one thread, for those of its parent are gone; to the same bits. Where it hangs, both processes are ended."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(FORK)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        pytest.fail("the forked process waits for threads that are not there")
    assert process.returncode == 0
    status, tasks = map(int, said.split())
    assert status == 0
    assert tasks > 1
