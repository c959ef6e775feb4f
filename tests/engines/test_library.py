"""The native library is loaded, or it is said in words why not; it shares torch's threads."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from halflife.engines import library
from halflife.engines.library import HL_ABI, INSTALLED, Library, Missing, load, open_library

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
    text.write_text(source)
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
    found = re.search(r"HL_ABI = (\d+)", HEADER.read_text())
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
    (tmp_path / "none.so").write_text("text")
    assert "does not load" in reason(load_anew())


@compiles
def test_another_interface_is_refused(tmp_path: Path) -> None:
    text = reason(open_library(made(tmp_path, f"int hl_abi(void) {{ return {HL_ABI + 1}; }}")))
    assert f"has interface {HL_ABI + 1}, and {HL_ABI} is needed: install halflife-optim again" in text


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


class Row(ctypes.Structure):
    _fields_ = [("words", ctypes.c_int32 * 6), ("lr", ctypes.c_double), ("scale", ctypes.c_double)]
    _fields_ += [("lam", ctypes.c_double), ("gradient", ctypes.c_double), ("hyper", ctypes.c_double * 6)]
    _fields_ += [("penalty", ctypes.c_double * 6), ("ema_decay", ctypes.c_double)]


class Entry(ctypes.Structure):
    _fields_ = [("w", ctypes.c_void_p), ("g", ctypes.c_void_p), ("parts", ctypes.c_void_p * 13)]
    _fields_ += [("n", ctypes.c_int64), ("block", ctypes.c_int64)]
    _fields_ += [("row", ctypes.c_int32), ("formats", ctypes.c_uint8 * 4), ("first", ctypes.c_int32 * 2)]


def gradient_norm(g: torch.Tensor, gradient: float = 1.0, threads: int = 1) -> float:
    loaded = load()
    assert isinstance(loaded, Library)
    entry, row = Entry(g=g.data_ptr(), n=g.numel()), Row(gradient=gradient)
    return loaded.gradient_norm(ctypes.addressof(entry), 1, ctypes.addressof(row), threads)


@built
def test_a_call_takes_addresses_and_returns_a_double() -> None:
    g = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    norm = gradient_norm(g, -0.5)
    assert norm == pytest.approx(0.5 * g.double().norm().item(), rel=1e-12)
    assert norm == gradient_norm(g, -0.5, threads=2)
    assert ctypes.sizeof(Entry) == 152
    assert ctypes.sizeof(Row) == 160


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
