"""The pages that are made of other texts when the site is built, so that each thing is said in one place.

``concepts/`` is what ``halflife explain`` says; a recipe is the text and the code of its file in ``examples/``; the API
pages list what the packages export. In the menu ``concepts/decays/*`` stands for all of them. Links from pages out of
``docs/`` lead to the repository.
"""

from __future__ import annotations

import ast
import html
import importlib
import inspect
import posixpath
import re
from pathlib import Path
from typing import Any

import click
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from halflife import explain
from halflife.cli.app import app

ROOT = Path(__file__).parents[2]
CONCEPTS = {
    "topics": explain.TOPICS,
    "decays": explain.DECAYS,
    "regularizers": explain.REGULARIZERS,
    "optimizers": explain.OPTIMIZERS,
}
"""Folder of concepts/ → names, in the order of the terminal's list."""
API = {
    "optimizers": "halflife",
    "decays": "halflife.decays",
    "regularizers": "halflife.regularizers",
    "rules": "halflife.rules",
    "schedules": "halflife.schedules",
    "training": "halflife.training",
    "conventions": "halflife.conventions",
    "lab": "halflife.lab",
}
_OUTSIDE = re.compile(r"\]\((\.\./[^)#\s]*)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> None:
    """Put the pages of a folder of concepts where the menu has its pattern."""
    config.nav = _expanded(config.nav)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated pages."""
    pages = {_concept(folder, name): explain.markdown(name) for folder, names in CONCEPTS.items() for name in names}
    examples = sorted((ROOT / "examples").glob("*.py"))
    pages |= {f"recipes/{path.stem}.md": recipe(path) for path in examples}
    pages["recipes/index.md"] = recipes(examples)
    pages |= {f"api/{page}.md": api(module) for page, module in API.items()}
    pages["api/commands.md"] = commands()
    for at, content in pages.items():
        files.append(File.generated(config, at, content=content))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead what points out of docs/ to the repository."""

    def target(match: re.Match[str]) -> str:
        at = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), match[1]))
        inside = at.startswith("docs/") or not (ROOT / at).exists()
        return match[0] if inside else f"]({config.repo_url}/blob/main/{at}{match[2] or ''})"

    return _OUTSIDE.sub(target, markdown)


def recipe(path: Path) -> str:
    """A page of an example: its docstring as text, then the code without it."""
    text = path.read_text(encoding="utf-8")
    title, prose, after = _docstring(text)
    code = "\n".join(text.splitlines()[after:]).strip()
    prose = re.sub(r"``(.+?)``", r"`\1`", prose).replace("](../docs/", "](../")
    where = f"[examples/{path.name}](../../examples/{path.name})"
    return f"# {title}\n{prose}\n\nThe file: {where}.\n\n```python\n{code}\n```\n"


def recipes(examples: list[Path]) -> str:
    """The list of all recipes."""
    lines = ["# Recipes", "", "Each is one file that runs on a laptop: start from it. `--quick` only tries it.", ""]
    for path in examples:
        lines.append(f"- [{_docstring(path.read_text(encoding='utf-8'))[0]}]({path.stem}.md)")
    return "\n".join(lines) + "\n"


def _docstring(text: str) -> tuple[str, str, int]:
    """A module's first line, the rest, and the number of the line that it ends on."""
    tree = ast.parse(text)
    title, _, rest = (ast.get_docstring(tree) or "").partition("\n")
    return title.rstrip("."), rest, tree.body[0].end_lineno or 0


def api(module: str) -> str:
    """A page of what a package exports, one heading a name."""
    package = importlib.import_module(module)
    lines = [f"# {module}", "", (package.__doc__ or "").replace("``", "`"), ""]
    for name in package.__all__:
        thing: Any = getattr(package, name)
        if isinstance(thing, type) or callable(thing):
            lines += [f"::: {module}.{name}", ""]
    return "\n".join(lines)


def commands() -> str:
    """Every command with its arguments and options, as the command line has them."""
    group = typer.main.get_command(app)
    lines = ["# halflife, the command", "", "`halflife COMMAND --help` says the same in the terminal.", ""]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        lines += [f"## halflife {name}", "", inspect.cleandoc(command.help or ""), "", "| | |", "|---|---|"]
        with click.Context(command, info_name=name) as context:
            rows = [row for each in command.params if (row := _row(each, context))]
        lines += [f"| <code>{said}</code> | {words} |" for said, words in rows] + [""]
    return "\n".join(lines)


def _row(parameter: Any, context: Any) -> tuple[str, str] | None:
    said, words = parameter.get_help_record(context) or ("", "")
    cells = (html.escape(" ".join(text.split())).replace("|", "&#124;") for text in (said, words))
    return (next(cells), next(cells)) if said else None


def _concept(folder: str, name: str) -> str:
    return f"concepts/{folder}/{name.lower()}.md"


def _expanded(entry: Any) -> Any:
    if isinstance(entry, list):
        return [_expanded(part) for part in entry]
    if isinstance(entry, dict):
        return {title: _expanded(part) for title, part in entry.items()}
    match = re.fullmatch(r"concepts/(\w+)/\*", entry or "")
    return [{name: _concept(match[1], name)} for name in CONCEPTS[match[1]]] if match else entry
