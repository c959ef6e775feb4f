"""The distribution is called halflife-optim in every text: ``pip install halflife`` would fetch another's package."""

from __future__ import annotations

import re
from pathlib import Path

import halflife
from halflife.engines.cuda.text import INCLUDE, source

ROOT = Path(__file__).parent.parent
TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml")),
    *(path for folder in ("src", "docs", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.[mp][dy]")),
]
OTHERS = re.compile(r"pip install [^\n`]*?\bhalflife\b(?!-optim)|(?<![\w-])halflife\[[a-z]")


def test_the_pattern_knows_ours_from_another() -> None:
    for text in ("pip install halflife", "pip install -U 'halflife[lab]'", '"halflife[test]"'):
        assert OTHERS.search(text)
    for text in ("pip install halflife-optim", "pip install 'halflife-optim[lab]'", "import halflife"):
        assert not OTHERS.search(text)


def test_every_text_names_the_distribution() -> None:
    assert 'name = "halflife-optim"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert len(TEXTS) > 100
    assert not [(path, found) for path in TEXTS for found in OTHERS.findall(path.read_text(encoding="utf-8"))]


def test_what_generated_kernels_include_is_in_the_package() -> None:
    """Wheels and sdists have all that lies in the package, also where no C++ compiler built anything."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'wheel.packages = ["src/halflife"]' in project
    assert 'sdist.exclude = ["*.so", "shared/"]' in project
    assert INCLUDE.is_relative_to(Path(halflife.__file__).parent)
    headers = [path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.hpp")]
    assert sorted(headers) == ["formats/formats.hpp", "fused.hpp"]
    text = source("", 1)
    assert '#include "' not in text
    for header in headers:
        assert (INCLUDE / header).read_text(encoding="utf-8").splitlines()[-1] in text
    assert "engines/cuda/include)" in (ROOT / "native" / "CMakeLists.txt").read_text(encoding="utf-8")
    assert not list((ROOT / "native").rglob("formats.hpp")), "there is one text of the formats"
