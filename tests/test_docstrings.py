"""What a user imports says what it takes, gives and raises, and shows it by an example that runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
import torch

import halflife

PUBLIC = {
    name: tuple(importlib.import_module(name).__all__)
    for name in (
        "halflife",
        "halflife.conventions",
        "halflife.decays",
        "halflife.lab",
        "halflife.lab.models",
        "halflife.lab.problems",
        "halflife.optim",
        "halflife.optimizers",
        "halflife.regularizers",
        "halflife.rules",
        "halflife.schedules",
        "halflife.training",
    )
}
"""Not ``explain``, ``benchmark`` and the rooms within the lab: their users are the commands and what is listed here."""
PUBLIC["halflife.parameters"] = ("KINDS", "LayerDepths", "layer_depths", "named_parameters")
"""What ``param_groups`` points to."""
PUBLIC["halflife.registry"] = ("RuleEntry", "by_fields", "entries", "entry_named", "entry_of", "register")
"""By these a rule of another distribution is listed, as CONTRIBUTING.md shows."""

BETWEEN_ROOMS = {
    **dict.fromkeys(("watch", "view", "unscale_in_step", "register_zero_grad_hook"), "Optimizer"),
    **dict.fromkeys(("step", "zero_grad", "add_param_group", "load_state_dict"), "Optimizer"),
    **dict.fromkeys(("at", "value_for", "warn_if_still"), "WeightDecaySchedule"),
    "look_at": "Monitor",
}
"""Methods that torch documents for its own, or that optimizers, schedules and ``training`` call of each other: a
sentence names what they take. So does it for any ``load_state_dict``."""

REFERENCE = re.compile(r"[Aa]rguments(?:, [\w, ]+)?(?: are those of|:) :class:`~?([\w.]+)`")
SAME = re.compile(r"as (?:in|of) :class:`~?([\w.]+)`")


def named(module: str) -> Iterator[tuple[str, Any]]:
    for name in PUBLIC[module]:
        yield f"{module}.{name}".removeprefix("halflife."), getattr(importlib.import_module(module), name)


def every() -> dict[str, Any]:
    """The public names, each object once."""
    found: dict[int, tuple[str, Any]] = {}
    for module in PUBLIC:
        for name, value in named(module):
            found.setdefault(id(value), (name, value))
    return dict(found.values())


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """Its public methods and properties, as they are written in it."""
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", getattr(value, "fget", getattr(value, "func", value)))
        own = getattr(function, "__qualname__", "") == f"{cls.__qualname__}.{name}"
        letter = not name.isascii()  # of the class's equation, which explains it
        if isinstance(function, FunctionType) and own and not name.startswith("_") and not letter:
            yield name, value


CALLABLES = {name: x for name, x in every().items() if isinstance(x, type | FunctionType)}
CLASSES = {name: x for name, x in CALLABLES.items() if isinstance(x, type)}
FUNCTIONS = {name: x for name, x in CALLABLES.items() if isinstance(x, FunctionType)}
MEMBERS = {f"{name}.{member}": (cls, x) for name, cls in CLASSES.items() for member, x in members(cls)}
CONSTANTS = {
    name.rpartition(".")[2]: name
    for name, x in every().items()
    if name not in CALLABLES and not isinstance(x, ModuleType) and not name.endswith("__version__")
}


def section(doc: str, title: str) -> str:
    """What stands under ``title:``, without its indentation; empty where there is no such section."""
    found = re.search(rf"^{title}:\n((?: .*\n|\n)+)", inspect.cleandoc(doc) + "\n", re.MULTILINE)
    return textwrap.dedent(found[1]) if found else ""


def entries(text: str) -> dict[str, str]:
    """``a, b: what they are`` by each name, the text with its continuation lines in one."""
    joined = re.sub(r"\n +", " ", text)
    found: dict[str, str] = {}
    for line in filter(None, joined.splitlines()):
        names, colon, words = line.partition(": ")
        assert colon, f"{line!r} is no entry of the form `name: what it is`"
        found |= {name.strip(" *`"): words for name in names.split(",")}
    return found


def resolved(name: str, where: Any) -> Any:
    """The class that a reference names, as seen from the module that refers to it."""
    scope: Any = vars(inspect.getmodule(where) or halflife)
    first, *rest = name.removeprefix("halflife.").split(".")
    target = scope.get(first) or getattr(halflife, first, None)
    for part in rest:
        target = getattr(target, part)
    assert isinstance(target, type), f"{name}, which the docstring of {where.__qualname__} refers to, is no class"
    return target


@cache
def documented(x: Any, doc: str | None = None) -> frozenset[str]:
    """The arguments that a docstring explains, by itself or by referring to a class that does."""
    doc = (doc if doc is not None else x.__doc__) or ""
    own = entries(section(doc, "Args") or section(doc, "Attributes"))
    for name, words in own.items():
        for reference in SAME.findall(words)[:1]:
            known = documented(resolved(reference, x))
            assert name in known, f"{name} is no argument that {reference} explains"
    others = (documented(resolved(name, x)) for name in REFERENCE.findall(" ".join(doc.split())))
    return frozenset(own).union(*others)


def unexplained(x: Any, parameters: Iterator[inspect.Parameter], doc: str | None = None) -> list[str]:
    """Which parameters no ``Args:`` names. ``**settings`` may be spelled out instead, as what it takes."""
    known, listed = documented(x, doc), list(parameters)
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    spelled = known - {p.name for p in listed}
    return [p.name for p in listed if p.name not in known and not (p.kind in variadic and spelled)]


def parameters_of(cls: type) -> Iterator[inspect.Parameter]:
    if "__annotations__" in vars(cls) and hasattr(cls, "__total__"):  # a TypedDict
        return (inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in cls.__annotations__)
    if issubclass(cls, Exception) or getattr(cls, "_is_protocol", False):
        return iter(())
    return iter(inspect.signature(cls).parameters.values())


def function_of(member: Any) -> FunctionType:
    return getattr(member, "__func__", getattr(member, "fget", getattr(member, "func", member)))


def raised(function: FunctionType) -> set[str]:
    """The exceptions that ``raise X(…)`` in a function's own body names."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    inner = {id(y) for x in ast.walk(tree) if x is not tree and isinstance(x, ast.FunctionDef) for y in ast.walk(x)}
    found = [x.exc for x in ast.walk(tree) if isinstance(x, ast.Raise) and id(x) not in inner]
    called = [x.func if isinstance(x, ast.Call) else x for x in found]
    return {x.id for x in called if isinstance(x, ast.Name) and x.id[0].isupper()} - {"NotImplementedError"}


def gives(function: FunctionType) -> bool:
    return str(function.__annotations__.get("return", "None")) != "None"


@pytest.mark.parametrize("name", CALLABLES)
def test_has_an_example(name: str) -> None:
    doc = CALLABLES[name].__dict__.get("__doc__") if name in CLASSES else CALLABLES[name].__doc__
    assert ">>> " in section(doc or "", "Example"), "no Example: with lines that a doctest runs"


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_explains_its_arguments_and_errors(name: str) -> None:
    cls = CLASSES[name]
    assert not unexplained(cls, parameters_of(cls))
    made = [vars(cls)[init] for init in ("__init__", "__post_init__") if isinstance(vars(cls).get(init), FunctionType)]
    written = [
        init for init in made if init.__module__ == cls.__module__ and "<string>" not in init.__code__.co_filename
    ]
    for init in written:
        assert raised(init) <= entries(section(cls.__doc__, "Raises")).keys()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_explains_its_arguments_result_and_errors(name: str) -> None:
    function = FUNCTIONS[name]
    assert not unexplained(function, iter(inspect.signature(function).parameters.values()))
    assert not gives(function) or section(function.__doc__, "Returns")
    assert raised(function) <= entries(section(function.__doc__, "Raises")).keys()


def inherited(cls: type, member: str) -> bool:
    """Whether it is a class variable, which a base of halflife's declares and explains, made a property here."""
    bases = [base for base in cls.__mro__[1:] if member in vars(base).get("__annotations__", {})]
    return any(f"``{member}``" in (base.__doc__ or "") for base in bases)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_method_explains_its_arguments_result_and_errors(name: str) -> None:
    """A property, and a method without arguments, may do it in one sentence. An override may leave it to its base."""
    cls, member = MEMBERS[name]
    function, doc = function_of(member), inspect.getdoc(getattr(cls, name.rpartition(".")[2])) or ""
    if isinstance(member, property) and inherited(cls, name.rpartition(".")[2]):
        return
    assert doc.strip(), "no docstring"
    taken = iter(list(inspect.signature(function).parameters.values())[0 if isinstance(member, staticmethod) else 1 :])
    parameters = list(taken)
    bases = {base.__name__ for base in cls.__mro__}
    if function.__name__ == "load_state_dict" or BETWEEN_ROOMS.get(function.__name__) in bases:
        assert all(re.search(rf"``[^`]*\b{p.name}\b", doc) for p in parameters)
        return
    assert not unexplained(cls, iter(parameters), doc)
    assert not (parameters and gives(function)) or section(doc, "Returns")
    assert all(error in doc for error in raised(function)), "an error that it raises is not named"


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_is_explained_where_it_stands(name: str) -> None:
    """By a string after it, which editors and the documentation show."""
    source = Path(halflife.__file__).parent
    room = source.joinpath(*CONSTANTS[name].split(".")[:-1])
    said = [after for path in room.rglob("*.py") for after in what_follows(path, name)]
    said = said or [*what_follows(source / "arithmetic.py", name)]
    assert said
    assert all(isinstance(x, ast.Expr) and isinstance(x.value, ast.Constant) for x in said)


def what_follows(path: Path, name: str) -> Iterator[ast.stmt | None]:
    """The statement after each assignment to a name at the top of a file."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for x, after in zip(body, [*body[1:], None], strict=True):
        targets = x.targets if isinstance(x, ast.Assign) else [x.target] if isinstance(x, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield after


def examples() -> dict[str, doctest.DocTest]:
    """Of every public name, its methods among them."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests: dict[str, doctest.DocTest] = {}
    for name, x in CALLABLES.items():
        for test in finder.find(x, name, globs={"halflife": halflife, "torch": torch}):
            tests |= {test.name: test} if test.examples else {}
    return tests


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_prints_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    test = EXAMPLES[name]
    test.globs = {"halflife": halflife, "torch": torch}
    failed, tried = runner.run(test, out=said.append)
    assert tried
    assert not failed, "".join(said)
