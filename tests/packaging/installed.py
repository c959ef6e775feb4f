"""What an installed halflife does where there are torch and numpy, and nothing of the lab; without pytest.

``python tests/packaging/installed.py`` ends with 0 and a line for each check, or with what failed. The wheels' tests
run it on every platform; ``test_wheel.py`` does in a bare environment.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import torch

import halflife
from halflife.engines.library import Missing, load

NATIVE = sys.platform == "linux" and "HALFLIFE_PURE" not in os.environ


def contents() -> None:
    """The files that it cannot do without, and none that it should not bring."""
    files = [file.as_posix() for file in distribution("halflife-optim").files or []]
    for needed in ("py.typed", "engines/cuda/include/fused.hpp", "engines/cuda/include/formats/formats.hpp"):
        assert f"halflife/{needed}" in files, f"the wheel lacks {needed}"
    assert any(file.endswith("licenses/LICENSE") for file in files)
    library = [file for file in files if file.endswith((".so", ".dylib", ".dll"))]
    assert library == (["halflife/engines/libhalflife_native.so"] if NATIVE else []), library
    others = [file for file in files if not file.startswith(("halflife/", "halflife_optim-", "../"))]
    assert not others, f"it brings what is not its own: {others}"
    assert not [file for file in files if "test_" in file or "conftest" in file]


def location() -> None:
    """It is what was installed that is tried, not a source tree."""
    installed = distribution("halflife-optim").locate_file("halflife")
    assert Path(halflife.__file__).parent.resolve() == Path(str(installed)).resolve(), halflife.__file__


def step() -> None:
    """A step on two threads, decay and all, by the engine that this platform has."""
    torch.set_num_threads(2)
    weight = torch.nn.Parameter(torch.ones(1 << 18, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    optimizer = halflife.AdamW([weight], lr=0.5, weight_decay=0.5)
    optimizer.step()
    assert weight.detach().unique().tolist() == [0.75], weight
    engine = optimizer.engines()[0].name
    assert engine == ("native" if NATIVE else "foreach"), f"{engine}: {load()}"
    assert isinstance(load(), Missing) != NATIVE


def pools() -> None:
    """One OpenMP library in the process, torch's: two would each start their threads."""
    if NATIVE:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        found = {Path(line.split()[-1]).resolve() for line in lines if "libgomp" in line}
        assert len(found) == 1, f"there are {len(found)}: {found}"
        assert found.pop().is_relative_to(Path(torch.__file__).resolve().parent)


def commands() -> None:
    """The script, without the lab's packages: three commands work, the others say what to install."""
    script = Path(sysconfig.get_path("scripts")) / ("halflife.exe" if os.name == "nt" else "halflife")
    environment = {**os.environ, "PYTHONUTF8": "1"}
    for words, expected in {
        "--version": f"halflife {halflife.__version__}",
        "doctor": f"torch        {torch.__version__}",
        "explain AdamW": "w ← (1 − lr·λ)·w − lr·u",
        "convert 0.01 --from torch": "paper",
    }.items():
        done = subprocess.run([script, *words.split()], capture_output=True, env=environment, check=False)
        said = done.stdout.decode()
        assert done.returncode == 0, f"halflife {words}: {done.stderr.decode()}"
        assert expected in said, f"halflife {words}: {said}"
        assert not done.stderr, f"halflife {words}: {done.stderr.decode()}"


if __name__ == "__main__":
    print(f"halflife {halflife.__version__}, torch {torch.__version__}, {platform.platform()}")
    for check in (contents, location, step, pools, commands):
        check()
        print(f"{check.__name__}: {check.__doc__}")
