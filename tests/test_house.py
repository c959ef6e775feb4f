"""The house rules that a machine can hold: imports run one way, files and functions stay short, names are exported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import halflife

SOURCE = Path(halflife.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

ROOMS: dict[str, set[str]] = {
    "arithmetic": set(),
    "rules": {"arithmetic"},
    "decays": {"arithmetic"},
    "regularizers": {"arithmetic"},
}
ROOMS["step"] = {"arithmetic", "rules", "decays", "regularizers"}
ROOMS["engines"] = ROOMS["step"] | {"step"}
ROOMS["optim"] = ROOMS["engines"] | {"engines"}
ROOMS["schedules"] = {"decays"}
ROOMS["conventions"] = ROOMS["optim"] | {"optim"}
ROOMS["training"] = ROOMS["optim"] | {"optim"}
ROOMS["lab"] = ROOMS["optim"] | {"optim", "schedules", "halflife"}
ROOMS["explain"] = ROOMS["optim"] | {"optim"}
ROOMS["cli"] = ROOMS["lab"] | {"lab", "explain", "conventions"}
ROOMS["halflife"] = set(ROOMS) - {"lab", "cli", "explain", "halflife"}
HEAVY = {"typer", "rich", "matplotlib", "sklearn", "pandas", "scipy"}


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return "halflife" if parts[0] in ("__init__", "__main__") else parts[0]


def imports(path: Path) -> list[tuple[str, ...]]:
    """Every module that a file imports, as absolute dotted parts."""
    package = ("halflife", *path.relative_to(SOURCE).parent.parts)
    found: list[tuple[str, ...]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found += [(*module, alias.name) for alias in node.names] if len(module) == 1 else [module]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    for module in imports(path):
        if module[0] != "halflife":
            continue
        other = module[1] if len(module) > 1 and module[1] in ROOMS else "halflife"
        assert other == room or other in ROOMS[room], f"{room} must not import {'.'.join(module)}"


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) not in ("lab", "cli")], ids=lambda p: p.name)
def test_the_library_needs_torch_and_numpy_alone(path: Path) -> None:
    assert not {module[0] for module in imports(path)} & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_and_functions_are_short(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= 250
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            doc = ast.get_docstring(node)
            length = node.end_lineno - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
            assert length <= 25, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", sorted((SOURCE / "rules").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_a_rule_is_its_paper(path: Path) -> None:
    if path.stem in ("__init__", "rule"):
        return
    source = path.read_text()
    assert 30 <= source.count("\n") <= 90
    assert ".item()" not in source
    docs = [ast.get_docstring(node) or "" for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert all(word in docs[0] for word in ("Source", "Deviation", "State")), "equation, state, source and deviation"
    assert "hapes" in docs[0]


def test_public_names_have_docstrings() -> None:
    for name in halflife.__all__:
        assert name == "__version__" or (getattr(halflife, name).__doc__ or "").strip(), name
