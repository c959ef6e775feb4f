"""From a study's folder to its results, by reading the ledger alone: also while the study runs, or after it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .analysis import Findings, findings
from .config.grids import GridSpec, grids_of
from .config.settings import Settings
from .config.user_code import Config, OwnTraining
from .errors import StudyError
from .reproductions import PRESETS, Conclusion, Preset, scale_named
from .result import Result
from .store.ledger import RunRecord, key_of
from .store.reader import Row, Tables, read_tables
from .store.study_record import Record, read_record


class Loaded(NamedTuple):
    """The studies of a folder, what is known of each, and of which reproduction they are the conditions, if of one.

    ``pending`` names the studies of which there is nothing to show yet.
    """

    results: list[Result]
    records: list[Record]
    pending: list[str]
    preset: Preset | None = None
    conclusion: Conclusion | None = None


def load_study(folder: Path) -> Loaded:
    """Raises ``StudyError`` if there is no ledger, it cannot be read, or no network of an optimizer is finished."""
    path = folder if folder.suffix == ".db" else folder / "study.db"
    tables = read_tables(path)
    runs = {str(row["key"]): _run(row) for row in tables.runs}
    loaded = Loaded([], [], [])
    for rows in _newest(tables, path):
        for row in rows:
            settings, record = _described(row, path)
            result = _result(settings, record, runs, path, tables.notes)
            if result.findings:
                loaded.results.append(result)
                loaded.records.append(record)
                break
        else:
            loaded.pending.append(str(rows[0]["stored"].get("title")))
    if not loaded.results:
        raise StudyError(f"{path} has no finished network of an optimizer yet: come back when some are done.")
    return _concluded(loaded)


def _newest(tables: Tables, path: Path) -> list[list[Row]]:
    """Of each study its rows, the newest first: a command that went on with it, a later version of halflife, or one
    whose code was edited since, wrote another.
    """
    studies: dict[str, list[Row]] = {}
    for row in tables.studies:
        try:
            stored = json.loads(str(row["settings"]))
            same = json.dumps([stored.get("title"), stored.get("settings")], sort_keys=True)
            studies.setdefault(same, []).insert(0, {**row, "stored": stored})
        except (ValueError, AttributeError) as error:
            raise StudyError(f"the ledger {path} has a study that cannot be read ({error}).") from None
    return list(studies.values())


def _described(row: Row, path: Path) -> tuple[Settings, Record]:
    try:
        return read_record(row["stored"], str(row["version"]))
    except (TypeError, KeyError) as error:
        raise StudyError(
            f"the ledger {path} says too little of its study for a report ({error}): it is of another version of "
            "halflife. RunRecord the study again into a new folder."
        ) from None


def _result(
    settings: Settings, record: Record, runs: Mapping[str, RunRecord], path: Path, notes: Mapping[str, str]
) -> Result:
    blocks = list(grids_of(settings))
    rows = {block.spec.name: [runs.get(key) for key in _keys(block, record)] for block in blocks}
    baseline, *found = [_found(block, rows[block.spec.name], record) for block in blocks]
    begun = [one for one in found if any(run is not None for run in rows[one.spec.name])]
    way, _, why = notes.get(f"way of {(record.name, settings.model or 'own')}", "").partition("|")
    words = f"{way}: {why}" if way else ""
    return Result(
        record.title, settings, _problem(settings, record), begun, baseline, rows, path, words, point=record.point
    )


def _keys(block: GridSpec, record: Record) -> list[str]:
    """As ``plan.Keys`` makes them, from what the ledger knows of the problem."""
    spec = block.spec
    optimizer = spec.key
    return [key_of({**record.job, "optimizer": optimizer, **cell._asdict()}) for cell in block.cells()]


def _found(block: GridSpec, runs: Sequence[RunRecord | None], record: Record) -> Findings:
    return findings(block.spec, block.lrs, block.lams, runs, record.chance, record.unit)


def _problem(settings: Settings, record: Record) -> OwnTraining:
    """The problem by its words alone: its data are not read."""
    words = record.name, record.description, "", record.chance, record.unit
    return OwnTraining(_not_here, *words, epochs=settings.epochs, batch_size=settings.batch_size)


def _not_here(config: Config) -> Mapping[str, float]:
    raise StudyError("a study that was read from its ledger cannot train.")


def _run(row: Row) -> RunRecord:
    """A number that was not finite is stored as nothing."""
    values: dict[str, Any] = {k: float("nan") if x is None and k != "curves" else x for k, x in row.items()}
    values["diverged"] = bool(values["diverged"])
    return RunRecord(**values)


def _concluded(loaded: Loaded) -> Loaded:
    """With the reproduction's conclusion, if these are all its conditions and all are finished."""
    origins = {(record.preset, record.scale) for record in loaded.records}
    preset, scale = origins.pop()
    if origins or preset not in PRESETS:
        return loaded
    found = PRESETS[preset]
    by_title = {result.title: result for result in loaded.results if not missing(result)}
    conditions = [by_title.get(condition.title) for condition in found.conditions(scale_named(scale))]
    whole = [condition for condition in conditions if condition is not None]
    if len(whole) < len(conditions):
        words = "Not all of its networks are trained yet, so nothing is concluded."
        return loaded._replace(preset=found, conclusion=Conclusion(None, words, ()))
    return loaded._replace(preset=found, conclusion=_conclusion(found, whole, scale))


def _conclusion(preset: Preset, results: list[Result], scale: str) -> Conclusion:
    """A smoke run shows that everything runs, and nothing of the claim."""
    try:
        conclusion = preset.conclude(results)
    except StopIteration:
        return Conclusion(None, "Not all of its optimizers were tried, so nothing is concluded.", ())
    return conclusion._replace(holds=None) if scale == "smoke" else conclusion


def missing(result: Result) -> dict[str, int]:
    """How many networks of each optimizer, by label, are not finished; those of whom none is missing are left out."""
    labels = {c.name: c.label for c in (*result.settings.optimizer_specs(), result.baseline.spec)}
    counts = {labels[name]: sum(run is None for run in runs) for name, runs in result.runs.items()}
    return {label: count for label, count in counts.items() if count}
