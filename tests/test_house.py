"""The house rules that a machine can hold: imports run one way, files and functions stay short, names are exported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import halflife

SOURCE = Path(halflife.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
TEXTS = {path: path.read_text(encoding="utf-8") for path in FILES}
TREES = {path: ast.parse(text) for path, text in TEXTS.items()}

ROOMS: dict[str, set[str]] = {
    "arithmetic": set(),
    "caller": set(),
    "rules": {"arithmetic"},
    "decays": {"arithmetic", "caller"},
    "regularizers": {"arithmetic"},
    "registry": {"rules"},
}
ROOMS["sharded"] = {"arithmetic", "rules", "regularizers"}
ROOMS["update"] = {"arithmetic", "rules", "decays", "regularizers"}
ROOMS["engines"] = ROOMS["update"] | {"update", "registry", "caller", "sharded"}
ROOMS["optim"] = ROOMS["engines"] | {"engines"}
ROOMS["optimizers"] = ROOMS["optim"] | {"optim"}
ROOMS["schedules"] = {"decays"}
ROOMS["conventions"] = ROOMS["optimizers"] | {"optimizers"}
ROOMS["parameters"] = {"caller"}
ROOMS["training"] = ROOMS["optim"] | {"optim", "parameters"}
ROOMS["catalogue"] = ROOMS["optimizers"] | {"optimizers"}
ROOMS["lab"] = ROOMS["catalogue"] | {"catalogue", "schedules", "parameters", "training", "halflife"}
ROOMS["benchmark"] = ROOMS["lab"] | {"lab"}
ROOMS["explain"] = ROOMS["conventions"] | {"conventions"}
ROOMS["cli"] = ROOMS["lab"] | {"lab", "benchmark", "explain", "conventions"}
ROOMS["by_name"] = ROOMS["catalogue"] | {"catalogue", "parameters", "training"}
ROOMS["integrations"] = ROOMS["by_name"] | {"by_name"}
ROOMS["halflife"] = set(ROOMS) - {"lab", "benchmark", "cli", "explain", "integrations", "halflife"}
HEAVY = {"typer", "rich", "matplotlib", "sklearn", "pandas", "scipy", "transformers", "accelerate"}


def room_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    if parts == ("__main__",):
        return "cli"
    return "halflife" if parts[0] == "__init__" else parts[0]


def imports(path: Path) -> list[tuple[str, ...]]:
    """Every module that a file imports, as absolute dotted parts."""
    package = ("halflife", *path.relative_to(SOURCE).parent.parts)
    found: list[tuple[str, ...]] = []
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            found += [(*module, alias.name) for alias in node.names] if len(module) == 1 else [module]
    return found


def none(faults: Iterator[tuple[Path, str]]) -> None:
    """There is no fault, or an error that names each with its file."""
    found = [f"{path.relative_to(SOURCE)}: {fault}" for path, fault in faults]
    assert not found, "\n".join(found)


def test_imports_run_one_way() -> None:
    def faults() -> Iterator[tuple[Path, str]]:
        for path in FILES:
            room = room_of(path)
            for module in imports(path):
                other = module[1] if len(module) > 1 and module[1] in ROOMS else "halflife"
                if module[0] == "halflife" and other != room and other not in ROOMS[room]:
                    yield path, f"{room} must not import {'.'.join(module)}"

    none(faults())


def test_the_library_needs_torch_and_numpy_alone() -> None:
    library = [path for path in FILES if room_of(path) not in ("lab", "benchmark", "cli", "integrations")]
    none((path, f"imports {module[0]}") for path in library for module in imports(path) if module[0] in HEAVY)


def test_files_and_functions_are_short() -> None:
    def faults() -> Iterator[tuple[Path, str]]:
        for path in FILES:
            if TEXTS[path].count("\n") > 400:
                yield path, "more than 400 lines"
            for node in ast.walk(TREES[path]):
                if isinstance(node, ast.FunctionDef):
                    doc = ast.get_docstring(node)
                    length = node.end_lineno - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
                    if length > 40:
                        yield path, f"{node.name} has {length} lines"

    none(faults())


def test_the_rooms_around_a_step_are_few() -> None:
    """But for the kernels that are written at run time, a room of their own."""
    around = [path for path in FILES if room_of(path) in ("optim", "engines", "training")]
    assert len([path for path in around if path.parent.name != "cuda"]) <= 30
    assert len([path for path in around if path.parent.name == "cuda"]) <= 12


def private_names(tree: ast.AST) -> set[str]:
    """What a file defines under names of its own: functions, classes, and attributes that it assigns."""
    named = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    found = {node.name for node in ast.walk(tree) if isinstance(node, named)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.attr if isinstance(node, ast.Attribute) else node.id)
    namedtuples = {"_replace", "_asdict", "_fields", "_make"}
    return {name for name in found if name.startswith("_") and not name.startswith("__")} - namedtuples


PRIVATE = set().union(*map(private_names, TREES.values()))


def test_nobody_calls_anothers_privates() -> None:
    """``x._name`` of halflife's own stands only where x is self or cls."""
    none(
        (path, f"line {node.lineno}: {ast.unparse(node)}")
        for path in FILES
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        if not is_super_or_own_class(node.value)
    )


def is_super_or_own_class(value: ast.expr) -> bool:
    """``super()`` and ``type(self)`` are the object itself."""
    called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else None
    of_self = isinstance(value, ast.Call) and [ast.unparse(x) for x in value.args] == ["self"]
    return called == "super" or (called == "type" and of_self)


def modules_imported(path: Path) -> set[Path]:
    """The files of this package that a file imports at its top or under TYPE_CHECKING; not within functions."""
    inside = {id(sub) for node in ast.walk(TREES[path]) if isinstance(node, ast.FunctionDef) for sub in ast.walk(node)}
    package, found = ("halflife", *path.relative_to(SOURCE).parent.parts), set[Path]()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and id(node) not in inside:
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            if module[:1] != ("halflife",):
                continue
            for target in [(*module, alias.name) for alias in node.names] + [module]:
                at = SOURCE.joinpath(*target[1:])
                file = next((f for f in (at.with_suffix(".py"), at / "__init__.py") if f.is_file() and f != path), None)
                if file is not None and file in TREES:
                    found.add(file)
                    if target != module:
                        continue
    return found


def test_no_import_circles() -> None:
    """Importing a package's own ``__init__`` from within it is a circle too, but for its parts' parts."""
    graph = {
        path: {f for f in modules_imported(path) if f.name != "__init__.py" or f.parent not in path.parents}
        for path in FILES
    }
    done, trail = set[Path](), list[Path]()

    def visit(path: Path) -> None:
        if path in trail:
            raise AssertionError(" → ".join(str(p.relative_to(SOURCE)) for p in [*trail[trail.index(path) :], path]))
        if path in done:
            return
        trail.append(path)
        for other in sorted(graph[path]):
            visit(other)
        trail.pop()
        done.add(path)

    for path in FILES:
        visit(path)


@pytest.mark.parametrize("path", sorted((SOURCE / "rules").glob("[a-z]*.py")), ids=lambda p: p.stem)
def test_a_rule_is_its_paper(path: Path) -> None:
    if path.stem in ("__init__", "rule", "newton_schulz"):
        return
    source = path.read_text(encoding="utf-8")
    assert 30 <= source.count("\n") <= 90
    assert ".item()" not in source
    docs = [ast.get_docstring(node) or "" for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    assert all(word in docs[0] for word in ("Source", "Deviation", "State")), "equation, state, source and deviation"
    assert "hapes" in docs[0]


def test_public_names_have_docstrings() -> None:
    for name in halflife.__all__:
        assert name == "__version__" or (getattr(halflife, name).__doc__ or "").strip(), name
