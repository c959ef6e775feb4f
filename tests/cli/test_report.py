import re

import pytest
from typer.testing import CliRunner

from halflife.cli.app import app

from ..lab.report.fabricated import fabricated, write_ledger


@pytest.fixture
def study(tmp_path):
    return write_ledger(tmp_path, [fabricated()])


def test_the_report_lands_in_the_folder_and_its_size_is_said(study):
    told = CliRunner().invoke(app, ["report", str(study)])
    assert told.exit_code == 0, told.output
    assert (study / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert re.search(r"report\.html \(\d\.\d MB", told.output)


def test_a_file_may_be_named_and_shown(study, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    told = CliRunner().invoke(app, ["report", str(study), "--out", str(tmp_path / "mine.html"), "--open"])
    assert told.exit_code == 0, told.output
    assert opened == [(tmp_path / "mine.html").as_uri()]


def test_what_is_no_study_is_one_sentence(tmp_path):
    told = CliRunner().invoke(app, ["report", str(tmp_path / "nowhere")])
    assert told.exit_code == 2
    assert told.output.startswith("Error: there is no ledger")
    assert len(told.output.splitlines()) == 1
