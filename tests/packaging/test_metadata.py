"""What pyproject.toml, the workflows and the pages around them say of Python, torch and each other agrees."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import halflife

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))
SUPPORT = (ROOT / "docs" / "support.md").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
ADDRESS = "https://github.com/halflife-optim/halflife"


def table(name: str) -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    return tomllib.loads(PROJECT)[name]


def loaded(path: Path) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def test_the_addresses() -> None:
    urls = table("project")["urls"]
    assert set(urls) == {"Homepage", "Documentation", "Repository", "Issues", "Changelog"}
    assert urls.pop("Documentation") == "https://halflife-optim.github.io/halflife/"
    assert all(url.startswith(ADDRESS) for url in urls.values())


def test_each_python_is_a_classifier_and_a_row_of_the_matrix() -> None:
    project = table("project")
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    lowest = project["requires-python"].removeprefix(">=")
    assert named == sorted(named, key=numbers)
    assert named[0] == lowest
    assert f"| Python | {lowest} – {named[-1]} |" in SUPPORT
    rows = loaded(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["matrix"]["strategy"]["matrix"]["include"]
    assert [row["python"] for row in rows] == named


def test_the_oldest_torch_is_the_same_everywhere() -> None:
    (oldest,) = (line.removeprefix("torch>=") for line in table("project")["dependencies"] if line.startswith("torch"))
    rows = loaded(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["matrix"]["strategy"]["matrix"]["include"]
    tried = [numbers(row["torch"]) for row in rows]
    assert tried == sorted(tried)
    assert tried[0][:2] == numbers(oldest)
    assert f"| torch | {oldest} – {'.'.join(map(str, tried[-1][:2]))} |" in SUPPORT
    (pinned,) = re.findall(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned in SUPPORT


def test_the_citation_is_of_this_version() -> None:
    citation = loaded(ROOT / "CITATION.cff")
    assert citation["version"] == halflife.__version__
    assert citation["license"] == table("project")["license"]
    assert [reference["url"] for reference in citation["references"]] == ["https://arxiv.org/abs/2202.00089"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_file_for_github_is_yaml(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert isinstance(loaded(path), dict)
    assert "\t" not in text
    assert max(map(len, text.splitlines())) <= 140
    for used in re.findall(r"uses: (\S+)", text):
        assert used.startswith("./") or re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+\.\d+\.\d+", used), used
        assert not used.startswith("./") or (ROOT / used).is_file(), used


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [(p.name, n, job) for p in WORKFLOWS if p.parent.name == "workflows" for n, job in loaded(p)["jobs"].items()]


def test_jobs_need_jobs_that_there_are_and_have_least_rights() -> None:
    found = jobs()
    assert len(found) >= 10
    for file, name, job in found:
        others = {other for where, other, _ in found if where == file}
        needs = job.get("needs", [])
        assert {needs} <= others if isinstance(needs, str) else set(needs) <= others, name
        assert ("uses" in job) != ("steps" in job)
        assert all(("uses" in step) != ("run" in step) for step in job.get("steps", []))
    for path in WORKFLOWS:
        if path.parent.name == "workflows":
            assert loaded(path)["permissions"] == {"contents": "read"}


def test_a_release_waits_for_tests_and_wheels() -> None:
    release = {name: job for file, name, job in jobs() if file == "release.yml"}
    assert set(release["publish"]["needs"]) == {"tests", "wheels"}
    assert release["publish"]["permissions"] == {"id-token": "write"}
    assert {release[name]["uses"].rpartition("/")[2] for name in ("tests", "wheels")} == {"tests.yml", "wheels.yml"}


def test_the_targets_that_workflows_make_are_there() -> None:
    made = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = loaded(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["targets"]["strategy"]["matrix"]["target"]
    assert len(targets) >= 8
    assert not [target for target in targets if not re.search(rf"^{target}:", made, re.MULTILINE)]


@pytest.mark.parametrize("name", ["bug", "feature", "wrong-number"])
def test_an_issue_form_has_what_github_asks_for(name: str) -> None:
    form = loaded(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids)) >= 2
    assert all(field["type"] in ("textarea", "input") and field["attributes"]["label"] for field in form["body"])


def test_wheels_are_for_every_python_and_leave_torchs_libgomp_to_torch() -> None:
    tool = table("tool")
    assert tool["scikit-build"]["wheel"]["py-api"] == "py3"
    linux = tool["cibuildwheel"]["linux"]
    assert "--exclude libgomp.so.1" in linux["repair-wheel-command"]
    assert {linux[f"manylinux-{machine}-image"] for machine in ("x86_64", "aarch64")} == {"manylinux_2_28"}
    script = tool["cibuildwheel"]["test-command"].rpartition("{project}/")[2]
    assert (ROOT / script).is_file()
