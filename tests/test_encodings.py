"""Every text file is read and written as UTF-8, whatever the locale: our texts hold λ, κ and √."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = [path for folder in ("src", "tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
ELSEWHERE = {"os", "tarfile", "webbrowser", "gzip", "zipfile", "Image"}
"""Whose ``open`` is another."""


def opens_text(call: ast.Call) -> bool:
    """``path.read_text()``, ``path.write_text(…)``, ``open(…)`` and ``path.open(…)`` but for bytes."""
    called = call.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    if name != "open":
        return name in ("read_text", "write_text")
    of = called.value if isinstance(called, ast.Attribute) else None
    words = [x.value for x in [*call.args, *(k.value for k in call.keywords)] if isinstance(x, ast.Constant)]
    binary = any(isinstance(word, str) and "b" in word and len(word) <= 3 for word in words)
    return not binary and getattr(of, "id", "") not in ELSEWHERE


def without_encoding(source: str) -> list[int]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and opens_text(node)]
    return [call.lineno for call in calls if "encoding" not in [keyword.arg for keyword in call.keywords]]


def test_the_check_sees_what_it_is_for() -> None:
    for text in ("p.read_text()", "p.write_text(x)", "open(p)", "p.open('a', newline='')", "p.parent.open()"):
        assert without_encoding(text), text
    for text in ("p.read_text(encoding='utf-8')", "open(p, 'rb')", "p.open(mode='wb')", "os.open(p, 0)"):
        assert not without_encoding(text), text


def test_the_encoding_is_said() -> None:
    lines = {str(path.relative_to(ROOT)): without_encoding(path.read_text(encoding="utf-8")) for path in FILES}
    assert len(lines) > 500
    assert {path: own for path, own in lines.items() if own} == {}
