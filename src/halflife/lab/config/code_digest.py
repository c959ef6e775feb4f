"""What a problem of the user's own is made of, as a digest: its results are never taken for another's."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from textwrap import dedent
from types import CodeType
from typing import Any

from torch import nn

from ..problems import Problem


def code_of_file(path: Path) -> str:
    """Of a Python file and of all that it imports from beside it; comments, positions and docstrings do not count."""
    return _digest(_files(path))


def code_of_problem(problem: Problem, model: nn.Module) -> str:
    """Of a problem's own functions and its model's own modules; halflife's and torch's are known by their names.

    What these call in turn is not looked at: in a file of its own, as ``my.py:problem``, it is.
    """
    functions = (problem.model, problem.loss, problem.error, problem.augment)
    return _digest(_function(f) for f in (*functions, *dict.fromkeys(map(type, model.modules()))))


def _digest(parts: Iterator[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def _files(path: Path) -> Iterator[str]:
    """The text of the file and of its neighbours, each once, without what does not count."""
    folder, todo, done = path.resolve().parent, [path.resolve()], set[Path]()
    while todo:
        file = todo.pop()
        if file in done:
            continue
        done.add(file)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for name in _imported(tree):
            beside = folder.joinpath(*name.split("."))
            todo += [x for x in (beside.with_suffix(".py"), beside / "__init__.py") if x.is_file()]
        yield f"{file.relative_to(folder)}\n{_without_docstrings(tree)}"


def _imported(tree: ast.AST) -> Iterator[str]:
    """The modules that a text imports by name; of ``from a import b`` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from ([module] if module else [])
            yield from (f"{module}.{one.name}".strip(".") for one in node.names)


def _without_docstrings(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None  # pyright: ignore[reportUnknownVariableType]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            first.value = ast.Constant(0)
    return ast.dump(tree)


def _dumped(text: str) -> str:
    try:
        return _without_docstrings(ast.parse(dedent(text).strip()))
    except SyntaxError:  # a lambda amid its line
        return text


def _function(f: Callable[..., Any] | None) -> str:
    """A function or class by its text, or by its compiled code where it has none; with what it was partially given."""
    if f is None:
        return "none"
    if hasattr(f, "func"):  # of functools.partial
        return f"{_function(f.func)} {getattr(f, 'args', ())!r} {getattr(f, 'keywords', {})!r}"  # type: ignore[attr-defined]
    module = str(getattr(f, "__module__", ""))
    if module.partition(".")[0] in ("halflife", "torch"):
        return f"{module}.{getattr(f, '__qualname__', '')}"
    try:
        return _dumped(inspect.getsource(f))
    except (OSError, TypeError):  # typed at a prompt, an object with __call__
        code = getattr(f, "__code__", None) or getattr(type(f).__call__, "__code__", None)
        return _compiled(code) if isinstance(code, CodeType) else repr(type(f))


def _compiled(code: CodeType) -> str:
    constants = [_compiled(x) if isinstance(x, CodeType) else repr(x) for x in code.co_consts]
    return f"{sys.version_info[:2]} {code.co_code.hex()} {code.co_names} {constants}"
