"""The course as it is committed: executed from top to bottom, its figures described, nothing of the machine in it.

That its cells run, and that what they assert holds, is for `make notebooks`, which executes them.
"""

from __future__ import annotations

import ast
import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs/notebooks"
NAMES = (
    "1_prox",
    "2_adam_and_its_norm",
    "3_by_hand",
    "4_l2_is_not_decay",
    "5_scale_free",
    "6_lr_and_lambda",
)
"""The site's menu names them."""
Notebook = dict[str, Any]


@pytest.fixture(params=NAMES)
def notebook(request: pytest.FixtureRequest) -> Notebook:
    return json.loads((FOLDER / f"{request.param}.ipynb").read_text(encoding="utf-8"))


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def cells(notebook: Notebook, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def outputs(notebook: Notebook) -> list[dict[str, Any]]:
    return [output for cell in cells(notebook, "code") for output in cell["outputs"]]


def test_the_folder_holds_these_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


def test_every_cell_was_executed_in_order_and_without_error(notebook: Notebook) -> None:
    code = cells(notebook, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = [output["output_type"] for output in outputs(notebook)]
    assert "error" not in kinds
    assert len(kinds) >= 5
    assert all(output["name"] == "stdout" for output in outputs(notebook) if output["output_type"] == "stream")


def test_it_says_what_one_will_know_what_to_try_and_where_to_go(notebook: Notebook) -> None:
    text = [source(cell) for cell in cells(notebook, "markdown")]
    opening, end = text[0], text[-1]
    assert re.match(r"# \S", opening)
    assert "After this page you know" in opening
    assert len(re.findall(r"^- ", opening, flags=re.MULTILINE)) == 3
    assert "\n## Try\n" in f"\n{end}"
    assert "\n## Where next\n" in end
    assert sum(block.startswith("# ") for block in text) == 1
    assert all(len(line) <= 130 for block in text for line in block.splitlines() if not line.startswith("|"))


def test_what_it_states_it_asserts(notebook: Notebook) -> None:
    code = [source(cell) for cell in cells(notebook, "code")]
    asserting = [cell for cell in code if any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(cell)))]
    assert len(asserting) >= 5


def test_figures_are_small_and_described(notebook: Notebook) -> None:
    figures = [output for output in outputs(notebook) if "image/png" in output.get("data", {})]
    assert len(figures) >= 2
    for figure in figures:
        assert len(base64.b64decode(figure["data"]["image/png"])) <= 60_000
        assert len(figure["metadata"]["image/png"]["alt"]) > 40


def test_a_figure_is_followed_by_words(notebook: Notebook) -> None:
    """A caption, or what is to be seen in it."""
    for cell, following in zip(notebook["cells"], [*notebook["cells"][1:], None], strict=True):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            assert following is not None
            assert following["cell_type"] == "markdown"


def test_nothing_of_the_machine_is_in_it(notebook: Notebook) -> None:
    text = json.dumps(notebook, ensure_ascii=False)
    assert not re.search(r"/(home|root|tmp|work|usr|Users)/|[A-Z]:\\\\|site-packages|\.venv", text)
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert all(not set(cell["metadata"]) - {"tags"} for cell in notebook["cells"])


def test_links_lead_to_files(notebook: Notebook) -> None:
    for cell in cells(notebook, "markdown"):
        for target in re.findall(r"\]\(([^)#]+)\)", source(cell)):
            assert (FOLDER / target).is_file(), target
