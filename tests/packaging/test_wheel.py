"""What is built: the sdist, the wheel out of it, and what it does in an environment that has torch and numpy alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent.parent
LIBRARY = "halflife/engines/libhalflife_native.so"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("build") is None, reason="build is not installed"),
]


def built(what: str, source: Path, folder: Path) -> Path:
    """What `python -m build` makes of a source tree, as it is to be had for git and where there are build outputs."""
    command = [sys.executable, "-m", "build", f"--{what}", "--outdir", str(folder), str(source)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def inside(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def contents(wheel: Path) -> dict[str, bytes]:
    """The wheel's files but for directories and the list of their digests, which the library's moves."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith(("/", "/RECORD"))]
        return {name: archive.read(name) for name in names}


def test_the_sdist_has_what_a_build_needs_and_nothing_that_was_built(sdist: Path) -> None:
    names = inside(sdist)
    texts = (path for kind in ("cpp", "hpp", "h", "def") for path in (ROOT / "native").rglob(f"*.{kind}"))
    native = {path.relative_to(ROOT).as_posix() for path in texts if "editable" not in path.parts}
    assert len(native) > 20
    needed = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "pyproject.toml", "PKG-INFO", "native/halflife.h"}
    assert native | needed | {"native/CMakeLists.txt", "native/editable/CMakeLists.txt"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyc", ".o", ".whl"))]
    assert not {"shared", ".venv", "build", "dist"} & {PurePosixPath(name).parts[0] for name in names if name}


def test_the_wheel_has_the_package_alone(wheel: Path) -> None:
    files = contents(wheel)
    assert re.fullmatch(r"halflife_optim-[\d.]+-py3-none-\w+\.whl", wheel.name), wheel.name
    for name in ("py.typed", "engines/cuda/include/fused.hpp", "engines/cuda/include/formats/formats.hpp"):
        assert f"halflife/{name}" in files
    assert {PurePosixPath(name).parts[0].partition("-")[0] for name in files} == {"halflife", "halflife_optim"}
    assert not [name for name in files if re.search(r"test_|conftest|__pycache__", name)]
    ours = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src" / "halflife").rglob("*.py")}
    assert ours == {name for name in files if name.endswith(".py")}
    if sys.platform == "linux" and shutil.which("g++"):
        assert LIBRARY in files


def test_the_wheel_of_the_sdist_is_the_same(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    (folder := tmp_path / "wheel").mkdir()
    again = built("wheel", source, folder)
    assert again.name == wheel.name
    first, second = contents(wheel), contents(again)
    assert first.keys() == second.keys()
    assert not [name for name in first if first[name] != second[name] and name != LIBRARY]
    if LIBRARY in first:
        assert len(first[LIBRARY]) == pytest.approx(len(second[LIBRARY]), rel=0.01)


@pytest.mark.skipif(find_spec("twine") is None, reason="twine is not installed")
def test_pypi_would_show_both(sdist: Path, wheel: Path) -> None:
    command = [sys.executable, "-m", "twine", "--no-color", "check", "--strict", str(sdist), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2
    assert "warning" not in done.stdout.lower()


def test_no_link_of_the_readme_is_relative(wheel: Path) -> None:
    (text,) = [content.decode() for name, content in contents(wheel).items() if name.endswith("/METADATA")]
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(targets) > 10
    assert not [target for target in targets if not target.startswith(("https://", "#"))]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures
    assert all(p.startswith("https://raw.githubusercontent.com/halflife-optim/halflife/main/docs/") for p in pictures)


def closure(*names: str) -> Iterator[str]:
    """These distributions and what they need here, extras aside."""
    found = [*names]
    for name in found:
        for line in distribution(name).requires or []:
            requirement, _, marker = line.partition(";")
            needed = re.split(r"[\s\[<>=!~(]", requirement.strip())[0].lower()
            if "extra" not in marker and needed not in found and find_spec(needed.replace("-", "_")):
                found.append(needed)
    yield from found


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel, torch, numpy and what these need, linked to from here."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in closure("torch", "numpy", "typing-extensions"):
        one = distribution(name)
        for top in {file.parts[0] for file in one.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(one.locate_file(top))).resolve())
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return python


@pytest.mark.skipif(os.name == "nt", reason="links files")
def test_it_works_where_there_are_torch_and_numpy_alone(bare: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/nonexistent", "HOME": str(tmp_path)} | (
        {} if shutil.which("g++") else {"HALFLIFE_PURE": "1"}
    )
    command = [str(bare), str(Path(__file__).with_name("installed.py"))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\n") == 6
    lacks = subprocess.run([str(bare), "-c", "import typer"], capture_output=True, check=False)
    assert lacks.returncode != 0, "it is not bare"
