"""What stands in the page, without a browser: text, tables, plots as plotly understands them."""

import json
import re
import shlex
from dataclasses import replace
from html import unescape
from importlib.resources import files
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest

from halflife.lab import StudyError
from halflife.lab.figures import colour_scale, heatmap_spec, magnitudes_spec
from halflife.lab.figures.plotly import as_json, heatmap_plot
from halflife.lab.report import report_study, write_report
from halflife.lab.report.facts import duration, python_command
from halflife.lab.reproductions import PRESETS, Conclusion

from ..test_magnitudes import LAM, LR, OPTIMIZER_SPECS, record_magnitudes, training
from .fabricated import SETTINGS, conditions, fabricated, write_ledger

STYLE = Path(__file__).parents[3] / "src/halflife/lab/report/page/style.css"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_ledger(folder, [fabricated()], command="halflife study --out 'a folder' --seeds 4")
    return report_study(folder, folder / "report.html").read_text(encoding="utf-8")


def text_of(page):
    """What is read without JavaScript."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", bare)))


def figures(page):
    return [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)]


def test_the_verdict_comes_first_then_heatmaps_then_curves_cells_and_how_it_was_made(page):
    text = text_of(page)
    marks = (
        "has the least validation error",
        "Validation error over lr and λ",
        "Error and norm",
        "All cells",
        "How it was",
    )
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "Decoupled: the best λ stays when lr changes" in text
    assert "Self-test passed" in text
    assert "halflife.ProxAdam(model.parameters(), lr=" in text or "halflife.AdamW(model.parameters(), lr=" in text
    assert "Test error" in text


def test_the_headline_says_the_test_error_where_it_says_test(page):
    """Validation errors and test errors differ in the made-up study, and each stands under its own name."""
    leader = fabricated().leader
    test, val = leader.test_error.mean, leader.val_error.mean
    assert abs(test - val) > 1e-3
    headline = re.search(r'<p class="lead">(.*?)</p>', page)[1]
    assert f"its test error there is {100 * test:.1f}" in headline
    assert f"{100 * val:.1f} " not in headline.split("test error")[1]


def test_the_page_asks_for_nothing_beside_itself(page):
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"(src|href)=|@import|url\(|https?://", own)
    assert "default-src 'none'" in own


def test_words_of_the_user_are_no_markup(page):
    assert "Digits that are &lt;made up&gt;" in page
    assert "<made up>" not in page


def test_all_cells_are_in_the_table_with_mean_spread_and_what_diverged(tmp_path):
    result = fabricated(replace(SETTINGS, optimizers=("adam-l2",)))
    page = write_report([result], tmp_path / "page.html").read_text(encoding="utf-8")
    body = page.split('<table id="all-cells">')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<td.*?>(.*?)</td>", row) for row in body.split("</tr>")[:-1]]
    assert len(rows) == 5 * 7 + 5
    val = result.findings[0].val
    mean, spread = 100 * val[:, 0, 0].mean(), 100 * val[:, 0, 0].std(ddof=1)
    assert rows[0][:5] == ["AdamL2", "0.001", "1e-4", f"{mean:.1f} %", f"{spread:.1f} %"]
    assert rows[6][8] == "1 of 4"
    assert rows[-1][:3] == ["Adam, no decay", "0.02", "0"]


def test_command_versions_machine_time_and_ledger_are_said(page):
    text = text_of(page)
    for words in ("halflife study --out 'a folder' --seeds 4", "torch 2.x", "Z80, 1 core", "study.db", "3 min 40 s"):
        assert words in text


def test_a_study_that_python_ran_is_repeated_by_a_shell_command_that_python_understands(tmp_path):
    result = fabricated(title="it's mine", ledger=tmp_path / "my study" / "study.db")
    name, flag, code = shlex.split(python_command(result.settings, result))
    assert (name, flag) == ("python", "-c")
    asked = []

    class Study:
        def __init__(self, *settings, **more):
            asked.append((settings, more))

        def run(self):
            asked.append("run")

    exec(code.replace(", Study;", ";"), {"Study": Study})
    assert asked == [((result.settings, tmp_path / "my study"), {"title": "it's mine"}), "run"]


def test_plotly_understands_every_plot(tmp_path):
    recorded = [
        record_magnitudes(training(), OPTIMIZER_SPECS[name], LR, LAM, epochs=(1, 3)) for name in ("adam-l2", "adam-p")
    ]
    curved = [replace(result, title=f"{result.title} ") for result in [fabricated()]]
    path = write_report([*conditions(), *curved], tmp_path / "all.html", magnitudes=magnitudes_spec(recorded))
    plots = figures(path.read_text(encoding="utf-8"))
    assert len(plots) == 4 * 3 + 4 + 3 * 5 + 3 + 3 * 2
    for plot in plots:
        coloured = json.loads(re.sub(r'"@[\w-]+"', '"#123456"', json.dumps(plot)))
        go.Figure(coloured)


def test_every_colour_of_a_plot_is_in_the_style_sheet_for_light_and_for_dark(page):
    light, dark = STYLE.read_text(encoding="utf-8").split("@media (prefers-color-scheme: dark)")
    names = set(
        re.findall(r'"@([\w-]+)"', "".join(re.findall(r'<script type="application/json".*?</script>', page, re.S)))
    )
    assert {"ink", "grid", "seq-0", "seq-20", "more", "less"} <= names
    for name in names:
        assert f"--{name}:" in light, name
        assert f"--{name}:" in dark, name


def test_hovering_says_lr_lambda_error_and_what_diverged():
    result = fabricated(replace(SETTINGS, optimizers=("adam-l2",)), missing=lambda run: (run.seed, run.lr) == (3, 1e-3))
    (found,) = result.findings
    plot = heatmap_plot(heatmap_spec(found), colour_scale(result.findings, result.baseline))
    words = plot.figure["data"][0]["text"]
    i, j = found.best
    assert words[i][j].startswith(f"lr {found.lrs[i]:g}, λ {found.lams[j]:g}<br><b>")
    assert words[i][j].endswith(" %</b><br>the best")
    assert "1 of 4 diverged" in words[i][-1]
    assert "3 of 4 seeds done" in words[0][0]
    assert "κ = −0.18" in plot.label


def test_a_conclusion_stands_before_its_arms(tmp_path):
    claim = Conclusion(False, "It moved.", (("AdamL2", "by 3 points"),))
    path = write_report(conditions(), tmp_path / "conditions.html", preset=PRESETS["scale-free"], conclusion=claim)
    text = text_of(path.read_text(encoding="utf-8"))
    marks = ["Scale-freeness", "do not see the scale", "Does not hold", "by 3 points", "loss × 1 ", "Does it see the"]
    assert [text.index(mark) for mark in marks] == sorted(text.index(mark) for mark in marks)
    assert "As the first one but for" in text


def test_what_is_missing_is_said(tmp_path):
    write_ledger(tmp_path, [fabricated(missing=lambda run: run.seed > 1 and run.optimizer == "prox-adam")])
    text = text_of(report_study(tmp_path, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Not finished: 70 of 440 networks are missing (70 of ProxAdam)" in text


def test_one_optimizer_one_seed_one_cell_makes_a_page(tmp_path):
    tiny = replace(SETTINGS, optimizers=("adamw-paper",), lrs=(1e-2,), lams=(1e-2,), seeds=1, epochs=1)
    text = text_of(write_report([fabricated(tiny)], tmp_path / "tiny.html").read_text(encoding="utf-8"))
    assert "AdamW (paper) does best at lr 0.01, λ 0.01" in text


def test_a_page_that_cannot_be_written_is_explained(tmp_path):
    with pytest.raises(StudyError, match="cannot be written"):
        write_report([fabricated()], tmp_path / "nowhere" / "report.html")


def test_json_ends_no_script_and_knows_no_nan():
    assert as_json({"a": "</script>", "b": np.array([1.0, np.nan]), "c": (np.int64(3), np.inf)}) == (
        '{"a":"<\\/script>","b":[1.0,null],"c":[3,null]}'
    )


@pytest.mark.parametrize(("seconds", "words"), [(3.21, "3.2 s"), (62, "1 min 2 s"), (7384, "2 h 3 min")])
def test_a_duration_has_two_units(seconds, words):
    assert duration(seconds) == words


def test_a_page_is_small_and_keeps_the_licence(page):
    assert len(page.encode()) < 2_000_000
    assert "Licensed under the MIT license" in page
    licence = files("halflife.lab.report") / "page" / "plotly-LICENSE.txt"
    assert "MIT License" in licence.read_text(encoding="utf-8")


def test_controls_and_figures_are_named(page):
    assert page.count('role="img"') == page.count('role="img" aria-label="')
    for name in ("Page before", "Page after", "What to use"):
        assert f'aria-label="{name}"' in page
    assert "What κ says" in page
