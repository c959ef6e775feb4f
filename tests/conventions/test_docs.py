"""docs/conventions.md: its Python runs, its table is the registry's."""

from __future__ import annotations

import re
from pathlib import Path

from halflife.conventions.table import markdown

PAGE = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text(encoding="utf-8")


def test_code_blocks_run_in_order_and_print_what_they_say(capsys) -> None:
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(compile(block, "docs/conventions.md", "exec"), scope)
        printed = capsys.readouterr().out
        for told in re.findall(r"print\(.*\)  # ([^…\n]+)", block):
            assert told in printed


def test_the_table_is_the_registrys() -> None:
    told = "python -m halflife.conventions.table writes it anew"
    assert PAGE.split("-->\n\n", 1)[1] == markdown(), told
