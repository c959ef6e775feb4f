"""The README's promises and links hold, and what the page on kernels says is so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import halflife
from halflife.decays import NAMED
from halflife.engines.cuda import host
from halflife.regularizers import KNOWN
from halflife.rules import Rule, Scalar, State

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RAW = "https://raw.githubusercontent.com/halflife-optim/halflife/main/"
SITE = "https://halflife-optim.github.io/halflife/"


def test_the_code_of_the_page_on_kernels_runs() -> None:
    text = (ROOT / "docs/kernels.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    scope: dict[str, Any] = {"__name__": "kernels"}
    exec(compile(block, "docs/kernels.md", "exec", dont_inherit=True), scope)
    chosen = scope["opt"].engines()[0]
    assert chosen.name == ("eager" if host.obstacle() else "compiled"), chosen.reason


@dataclass(frozen=True)
class Unit(Rule):
    """Of length 1 in each tensor, which no kernel can tell from one coordinate."""

    acts_on, states = "coordinates", ()

    def __call__(self, t: Scalar, w: Tensor, g: Tensor, s: State) -> tuple[Tensor, float, dict[str, Tensor]]:
        return g / g.norm(), 1.0, {}


class UnitOptimizer(halflife.Optimizer, rule=Unit):
    """What the page on kernels quotes the reason of."""


def test_what_the_page_on_kernels_quotes_is_said() -> None:
    text = " ".join((ROOT / "docs/kernels.md").read_text(encoding="utf-8").split())
    (quoted,) = re.findall(r'that the reason ends with "(.*?)"', text)
    params = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(4))]
    optimizer = UnitOptimizer(params, lr=0.5, engine="compiled")
    assert f"{quoted})" in repr(optimizer)
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert [round(p.mean().item(), 6) for p in params] == [round(1 - 0.5 / 3**0.5, 6), 0.75]


def optimizers() -> list[str]:
    """The names of the library's optimizers."""
    classes = {n: getattr(halflife, n) for n in halflife.__all__ if isinstance(getattr(halflife, n), type)}
    return [n for n, c in classes.items() if issubclass(c, torch.optim.Optimizer) and n != "Optimizer"]


def test_every_decay_regularizer_and_optimizer_is_in_the_concepts() -> None:
    concepts = (ROOT / "docs/concepts/index.md").read_text(encoding="utf-8")
    assert [name for name in (*NAMED, *KNOWN, *optimizers()) if name not in concepts] == []


def test_its_numbers_of_names_are_right() -> None:
    of_torch = [name for name in optimizers() if hasattr(torch.optim, name)]
    counts = (len(of_torch), len(optimizers()) - len(of_torch), len(NAMED), len(KNOWN))
    words = {6: "six", 7: "seven", 8: "eight", 14: "fourteen", 15: "fifteen"}
    a, b, c, d = (words[n] for n in counts)
    said = f"{a} optimizers of torch and {b} more, {c} decays, {d} regularizers"
    assert said in " ".join(README.split()), said


def test_it_fits_a_screen() -> None:
    assert README.count("\n") <= 70


def test_pictures_exist() -> None:
    """By absolute addresses: the page is shown by PyPI too."""
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    for picture in pictures:
        assert picture.startswith(RAW), picture
        assert (ROOT / picture.removeprefix(RAW)).is_file(), picture


def test_its_links_into_the_site_are_pages_of_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = re.findall(rf"\]\({re.escape(SITE)}(.*?)/?\)", README)
    assert pages
    for page in pages:
        names = (f"{page}.md", f"{page}/index.md", f"{page}/README.md", f"{page}.ipynb")
        assert any(f" {name}\n" in menu for name in names), page


def test_a_page_that_no_menu_reaches_and_a_dead_link_end_the_build() -> None:
    """mkdocs counts as a warning only what its log level lets through, and looks for what the settings ask for."""
    assert "mkdocs build --strict\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("validation:\n", 1)[1].split("\n\n", 1)[0]
    assert re.findall(r"(\w+): (\w+)", settings) == [
        *(("omitted_files", "warn"), ("not_found", "warn"), ("absolute_links", "warn")),
        *(("not_found", "warn"), ("anchors", "warn"), ("absolute_links", "warn"), ("unrecognized_links", "warn")),
    ]
