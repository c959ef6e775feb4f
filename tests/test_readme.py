"""The README's Python runs, its promises of names hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import halflife
from halflife.decays import NAMED
from halflife.engines.cuda import host
from halflife.regularizers import KNOWN

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_on_kernels_runs() -> None:
    text = (ROOT / "docs/kernels.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    scope: dict[str, Any] = {"__name__": "kernels"}
    exec(compile(block, "docs/kernels.md", "exec", dont_inherit=True), scope)
    chosen = scope["opt"].engines()[0]
    assert chosen.name == ("eager" if host.obstacle() else "compiled"), chosen.reason


def test_code_blocks_run_in_order() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) >= 3
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)


def test_every_decay_regularizer_and_optimizer_is_named() -> None:
    for name in [*NAMED, *KNOWN]:
        assert name in README, name
    optimizers = [n for n in halflife.__all__ if isinstance(getattr(halflife, n), type)]
    assert [n for n in optimizers if n not in README] == []


def test_pictures_exist() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
