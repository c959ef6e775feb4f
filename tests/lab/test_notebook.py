"""In a Jupyter kernel a study shows one bar; elsewhere it is silent."""

import sys
from types import SimpleNamespace

import pytest

from halflife.lab import ExecutionConfig, Progress, Settings, run_study
from halflife.lab.notebook import bar_words, usual_listener

CELL = """
from halflife.lab import ExecutionConfig, Settings, run_study
settings = Settings(seeds=1, epochs=1, batch_size=100, lrs=(1e-2, 1e-3), lams=(0.1, 1.0), optimizers=("adam-p",))
outcome = run_study(settings, {folder!r}, how=ExecutionConfig(workers=1))
"""


def test_a_notebook_shows_one_bar(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    cell = nbformat.v4.new_code_cell(CELL.format(folder=str(tmp_path / "study")))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    (bar,) = [output for output in cell.outputs if output.output_type == "display_data"]
    assert bar.data["text/html"].startswith("<progress max='6' value='6.00'>")
    assert bar.data["text/plain"].startswith("6/6 runs · digits · least error")
    assert not [output for output in cell.outputs if output.get("name") == "stdout"]


def test_a_script_hears_nothing(tmp_path, capfd):
    settings = Settings(seeds=1, epochs=1, batch_size=100, lrs=(1e-2,), lams=(0.1,), optimizers=("adam-p",))
    run_study(settings, tmp_path / "study", how=ExecutionConfig(workers=1))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("derives", "shows"), [("ZMQInteractiveShell", True), ("TerminalInteractiveShell", False)])
def test_a_shell_that_derives_from_a_kernels_is_one(monkeypatch, derives, shows):
    """As that of Google Colab, whose class is Shell, and Spyder's."""
    shell = type("Shell", (type(derives, (), {}),), {})()
    outputs = []
    for name, module in {
        "IPython": SimpleNamespace(get_ipython=lambda: shell),
        "IPython.display": SimpleNamespace(display=lambda data, **_: outputs.append(data["text/plain"])),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)
    usual_listener()(Progress(2.4, 10, 2.4, "digits: AdamP", None))
    assert outputs == (["2/10 runs · digits: AdamP"] if shows else [])


def test_words_beside_the_bar():
    assert bar_words(Progress(2.4, 10, 2.4, "digits: AdamP", None)) == "2/10 runs · digits: AdamP"
