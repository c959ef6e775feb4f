"""The pages as Markdown: what a parser makes of them is what the page says; and the same pages at three widths."""

import re
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console

from halflife import explain
from halflife.cli.braille import COLUMNS, ROWS, drawn, side_by_side
from halflife.cli.explain_paper import RichPaper
from halflife.cli.paper import TextPaper
from halflife.explain import DECAYS, OPTIMIZERS, REGULARIZERS, TOPICS
from halflife.explain.markdown_paper import MarkdownPaper
from halflife.explain.pages import show
from halflife.explain.paper import Plot, Step
from halflife.explain.svg import picture

EVERYTHING = [*OPTIMIZERS, *DECAYS, *REGULARIZERS]
PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")


class Recorder:
    """A paper that keeps what was written on it, to be written again on others."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def write(*arguments, **keywords):
            kept = [x if isinstance(x, str) else [tuple(r) if isinstance(r, list) else r for r in x] for x in arguments]
            self.calls.append((name, kept, keywords))

        return write

    def written_on(self, paper):
        for name, arguments, keywords in self.calls:
            getattr(paper, name)(*arguments, **keywords)
        return paper


@pytest.fixture(scope="module")
def written():
    """Every topic, computed once."""
    papers = {name: Recorder() for name in TOPICS}
    for name, paper in papers.items():
        show(paper, name)
    return papers


def holds(page):
    """One heading of the first level; every table's rows have its columns; no mark is left in what is shown."""
    tokens = PARSER.parse(page)
    assert [token.tag for token in tokens if token.type == "heading_open"].count("h1") == 1
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [token for token in tokens if token.type == "tr_open"]
    separators = [line for line in lines if set(line) <= set("| -:") and "---" in line]
    assert len(rows) == len(lines) - len(separators)
    counts, columns = [], 0
    for token in tokens:
        columns = 0 if token.type == "tr_open" else columns + (token.type in ("th_open", "td_open"))
        if token.type == "tr_close":
            counts.append(columns)
        if token.type == "table_close":
            assert len(set(counts)) == 1, counts
            counts = []
    for line in lines:
        assert line.endswith(" |")
    assert page.count("```") % 2 == 0
    shown = [child.content for t in tokens if t.type == "inline" for child in t.children if child.type == "text"]
    assert not [text for text in shown if "\\" in text or "&lt;" in text or "**" in text]
    emphasized = [child for t in tokens if t.type == "inline" for child in t.children if child.type == "em_open"]
    assert not emphasized


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_name_is_a_page(name):
    page = explain.markdown(name.lower())
    assert page.startswith(f"# {name}: ")
    holds(page)


def test_the_list_is_a_page_too():
    page = explain.markdown(None)
    holds(page)
    assert all(f"| {name} |" in page for name in (*EVERYTHING, *TOPICS))


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match=r"`halflife explain` lists all, .*prox, scale-free, "):
        explain.markdown("nothing")


@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_is_a_page(written, name):
    page = written[name].written_on(MarkdownPaper()).text()
    holds(page)
    for heading in (arguments[0] for call, arguments, _ in written[name].calls if call == "heading"):
        assert f"\n## {heading}\n" in page
    assert ("<svg" in page) == (name == "prox")
    assert re.search(r"<https://[^>]+>", page)


def test_a_topic_by_its_own_function():
    assert explain.topics.markdown("taylor") == explain.topics.markdown(TOPICS["taylor"]) == explain.markdown("Taylor")


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", TOPICS)
def test_every_topic_fits(written, name, width, capsys):
    console = Console(width=width, markup=False, highlight=False, emoji=False, color_system=None)
    for paper in (RichPaper(console), TextPaper(width)):
        written[name].written_on(paper)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) > 40
        for line in lines:
            assert cell_len(line.rstrip()) <= width or "http" in line, line
            assert "…" not in re.sub("[+−] …", "", line), "a cell was cut"


def test_marks_in_words_are_escaped():
    paper = MarkdownPaper()
    paper.prose("a*b, [c], <d>, w_b, x\\y, `l_1 * 2`, see https://a.b/c_d_e; and _so_")
    paper.table(("|x|", ""), [("1|2", "line\nline")])
    page = paper.text()
    (prose, *_), html = PARSER.parseInline(page.split("\n\n")[0]), PARSER.render(page)
    said = "".join(child.content for child in prose.children)
    assert said == "a*b, [c], <d>, w_b, x\\y, l_1 * 2, see https://a.b/c_d_e; and _so_"
    assert '<a href="https://a.b/c_d_e">' in html
    assert "<td>1|2</td>" in html
    assert "line<br>line" in html
    assert "<em>" not in html


def test_a_derivation_is_a_block():
    paper = MarkdownPaper()
    paper.derivation([Step("m̂", "= a", "= 1", "= 1", "because"), Step("w", "", "", "= 2", "")])
    assert paper.text() == "```text\nm̂  = a  = 1  = 1\n   because\nw  = 2\n```\n"


STEP = Plot("a < b", tuple((x / 10, 0.0 if x < 0 else 1.5) for x in range(-20, 21)), ((-2.0, -2.0), (2.0, 2.0)))


def test_a_picture_has_a_title_and_leaves_jumps_open():
    svg = ElementTree.fromstring(picture(STEP))
    space = "{http://www.w3.org/2000/svg}"
    assert svg.get("role") == "img"
    assert svg.find(f"{space}title").text.startswith("a < b: a curve from (-2, 0) to (2, 1.5)")
    curve = svg.findall(f"{space}path")[-1].get("d")
    assert curve == "M0.0 100.0L76.0 100.0M80.0 40.0L160.0 40.0"


def test_dots_stand_where_the_curve_is():
    name, *lines = drawn(STEP)
    assert name.strip() == "a < b"
    assert len(lines) == ROWS
    assert all(len(line) == COLUMNS for line in lines)
    dotted = [{i for i, letter in enumerate(line) if "\u2800" < letter <= "\u28ff"} for line in lines]
    assert dotted[ROWS // 2] >= set(range(COLUMNS // 2))
    assert dotted[1] >= set(range(COLUMNS // 2 + 1, COLUMNS))
    assert not dotted[3] - {COLUMNS // 2, COLUMNS // 2 + 1, COLUMNS // 2 + 2, COLUMNS // 2 + 3}


@pytest.mark.parametrize(("width", "across"), [(20, 1), (58, 2), (78, 3), (118, 4)])
def test_plots_stand_beside_each_other(width, across):
    lines = list(side_by_side([STEP] * 4, width))
    assert lines[0].count("a < b") == across
    assert max(map(len, lines)) <= max(width, COLUMNS)
