"""The pages written by hand: their Python runs and prints what they say, their names and figures are the library's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import halflife
from halflife import regularizers
from halflife.cli.app import app
from halflife.conventions import CONVENTIONS, find
from halflife.decays import named
from halflife.explain.decays import DECAYS
from halflife.explain.optimizers import OPTIMIZERS
from halflife.explain.regularizers import REGULARIZERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BY_HAND = ("choose.md", "lab.md", "faq.md", "cite.md", "concepts/index.md")
WRITTEN = sorted([*DOCS.glob("coming-from/*.md"), *(DOCS / name for name in BY_HAND)])
ARXIV = re.compile(r"arxiv\.org/abs/(\d+\.\d+)")
MADE = {  # by the site's own scripts, from `halflife explain` and from examples/
    *(f"concepts/optimizers/{name.lower()}.md" for name in OPTIMIZERS),
    *(f"concepts/decays/{name}.md" for name in DECAYS),
    *(f"concepts/regularizers/{name.lower()}.md" for name in REGULARIZERS),
    *(f"concepts/topics/{name}.md" for name in ("prox", "scale-free", "taylor", "metric", "batchnorm", "history")),
}
RECIPES = (
    "index plain_loop hugging_face lightning_module accelerate_loop fsdp2 autocast_or_bf16 fine_tune sparse_mlp "
    "group_lasso states_8bit ema muon_adamw hyperball one_cycle find_lambda char_transformer"
)
OF_OTHERS = {
    *(f"recipes/{name}.md" for name in RECIPES.split()),
    "index.md",
    "quickstart.md",
    "support.md",
    "api/index.md",
}


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_python_runs_in_order_and_prints_what_it_says(path: Path, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "__page__"}
    for block in re.findall(r"^```python\n(.*?)^```", text_of(path), flags=re.DOTALL | re.MULTILINE):
        exec(compile(block, name_of(path), "exec"), scope)
        printed = capsys.readouterr().out
        for told in re.findall(r"print\(.*\)  # (.+)", block):
            assert told in printed


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(path)):
        to = (path.parent / link).resolve()
        inside = to.relative_to(DOCS.resolve()).as_posix()
        assert to.exists() or inside in MADE | OF_OTHERS, f"{link} leads to no page"


def test_the_thesis_names_every_decay_regularizer_and_optimizer_once() -> None:
    page = text_of(DOCS / "concepts" / "index.md")
    for room, names in (("decays", DECAYS), ("regularizers", REGULARIZERS), ("optimizers", OPTIMIZERS)):
        linked = re.findall(rf"\[(\w+)\]\({room}/(\w+)\.md\)", page)
        assert sorted(label for label, _ in linked) == sorted(names)
        assert all(label.lower() == file for label, file in linked)
    for name in re.findall(r"\[(\w+)\]\(regularizers/", page):
        assert hasattr(regularizers, name)


def test_the_usual_decay_of_each_class_is_the_librarys() -> None:
    page, w = text_of(DOCS / "concepts" / "index.md"), torch.nn.Parameter(torch.ones(2, 2))
    table = page.split("| usual decay | classes |", 1)[1].split("\n\n", 1)[0]
    for decay, classes in re.findall(r"^\| ([a-z_]+)[^|]*\| (.*) \|$", table, flags=re.MULTILINE):
        for name in re.findall(r"\[(\w+)\]", classes):
            if name not in ("SparseAdam", "LBFGS"):
                optimizer = getattr(halflife, name)([w])
                kind = optimizer.view(optimizer.param_groups[0]).decay
                assert kind == named(decay), name


def test_every_source_of_the_code_is_in_the_bibliography_once() -> None:
    code = {number for path in (ROOT / "src").rglob("*.py") for number in ARXIV.findall(text_of(path))}
    listed = [
        number for row in text_of(DOCS / "cite.md").splitlines() if row[:1] == "|" for number in ARXIV.findall(row)
    ]
    assert code <= {*listed}
    assert len(listed) == len({*listed})
    surnames = {
        words.split()[0]
        for path in (ROOT / "src").rglob("*.py")
        for words in re.findall(r"Source: ([A-Z][\w é]+?)(?: et al\.| &|,)? ?[\w&, ]*(?:19|20)\d\d", text_of(path))
    }
    assert len(surnames) > 20
    missing = {name for name in surnames if name not in text_of(DOCS / "cite.md")}
    assert not missing


def test_renamed_arguments_are_the_conventions_own() -> None:
    """A page that names a convention's defaults names those of its file."""
    for page, convention in (
        ("keras", "keras"),
        ("optimi", "optimi"),
        ("optax", "optax"),
        ("tensorflow-addons", "tfa"),
    ):
        text, defaults = text_of(DOCS / "coming-from" / f"{page}.md"), find(convention).defaults
        assert f"| {defaults.eps:.0e} →".replace("e-0", "e-") in text
        for theirs in find(convention).spelling:
            assert f"`{theirs}`" in text
    assert f"All {len(CONVENTIONS)} conventions" in text_of(DOCS / "coming-from" / "index.md")


def test_figures_of_the_decision_are_those_of_the_reproductions() -> None:
    """Each row, and each sentence that ends in a link to a reproduction, has numbers of that page."""
    page, seen = text_of(DOCS / "choose.md"), 0
    for row in re.findall(r"^\| .*reproductions/.*$", page, flags=re.MULTILINE):
        source = text_of(DOCS / re.findall(r"\((reproductions/[^)]+)\)", row)[0])
        for told in re.findall(r"κ [−+]\d[^,|]*?\)|apart costs [\d.]+ points", row):
            assert told in source, told
            seen += 1
    assert seen >= 7
    for figures, name in (("1.3 ± 1.6 points", "batchnorm"), ("0.7 ± 0.6", "batchnorm"), ("+0.23", "batch-size")):
        assert figures in page
        assert figures in text_of(DOCS / "reproductions" / name / "reproduction.md")


def test_what_suggest_says_is_shown_as_it_says_it() -> None:
    shown = re.search(r"\$ halflife (suggest .*)\n(.*)\n", text_of(DOCS / "choose.md"))
    assert shown is not None
    said = CliRunner().invoke(app, shown[1].split()).output
    assert shown[2] in said
    assert re.findall(r"^halflife study my.py.*$", text_of(DOCS / "choose.md"), flags=re.MULTILINE)[0] in said
