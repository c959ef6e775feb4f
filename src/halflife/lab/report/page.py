"""One HTML page that needs nothing beside itself: what a study says, then what it rests on."""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..analysis.scaling import scaling_words, scalings
from ..figures.plotly import (
    TEMPLATE,
    Plot,
    as_json,
    curves_plots,
    difference_plot,
    heatmap_plot,
    magnitudes_plots,
    paired_plots,
    scale_free_plot,
    scaling_plot,
)
from ..figures.plotly.plot import STEPS
from ..figures.spec import (
    ColourScale,
    CurvesSpec,
    DifferenceSpec,
    HeatmapSpec,
    MagnitudesSpec,
    ScaleFreeSpec,
    colour_scale,
    curves_spec,
    difference_spec,
    headline,
    heatmap_spec,
    number_text,
    scale_free_spec,
)
from ..figures.spec.difference import reading, sign_words
from ..figures.spec.heatmap import good_words
from ..figures.spec.magnitudes import octave_words
from ..figures.spec.paired import PairedSpec, paired_spec
from ..figures.spec.scale_free import common_limits, moved_words
from ..figures.spec.scaling import scaling_spec
from ..figures.study import recipe_words
from ..load import Loaded
from ..result import Result
from ..store.study_record import Record
from ..units import error_text
from .cells import cell_rows, columns
from .facts import commands, effort, machine_rows, new_facts, next_command, settings_facts
from .verdict import points, verdict_of


class Panel(NamedTuple):
    """A plot and the words above it, ``accent`` in colour where it is ``strong``; ``name`` is the optimizer's."""

    plot: Plot
    note: str = ""
    accent: str = ""
    strong: bool = True
    name: str = ""


def page(loaded: Loaded, magnitudes: MagnitudesSpec | None = None) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("halflife.lab.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _json
    return environment.get_template("page.html.jinja").render(context(loaded, magnitudes))


def context(loaded: Loaded, magnitudes: MagnitudesSpec | None) -> dict[str, Any]:
    """All that the template names."""
    results, records = loaded.results, loaded.records
    return {
        "title": loaded.preset.title if loaded.preset else results[0].title,
        "preset": loaded.preset,
        "conclusion": loaded.conclusion,
        "pending": loaded.pending,
        "deviations": deviations(loaded),
        "studies": [_study(result, record, results[0]) for result, record in zip(results, records, strict=True)],
        "points": points(results),
        "axis": _axis(results),
        "scale_free": _scale_free(results),
        "magnitudes": _magnitudes(magnitudes),
        "columns": columns(results),
        "rows": cell_rows(results),
        "commands": commands(results, records),
        "effort": effort(results),
        "ledger": results[0].ledger,
        "written": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "style": Markup(_resource("style.css")),
        "script": Markup(_resource("report.js")),
        "plotly": Markup(_plotly()),
        "template": TEMPLATE,
    }


def _study(result: Result, record: Record, first: Result) -> dict[str, Any]:
    scale = colour_scale(result.findings, result.baseline)
    panels = [heatmap_spec(found) for found in result.findings]
    apart = difference_spec(result)
    curves = [curves_spec(result, found) for found in result.findings]
    return {
        "title": result.title,
        "recipe": recipe_words(result),
        "finding": headline(result.findings),
        "verdict": verdict_of(result),
        "next": next_command(result, record),
        "heatmaps": [
            _heatmap(panel, scale, found.spec.name) for panel, found in zip(panels, result.findings, strict=True)
        ],
        "marks": _marks(panels),
        "scale": _scale_words(scale, result.findings[0].unit),
        "difference": _difference(apart) if apart else None,
        "paired": _paired(paired_spec(result)),
        "curves": [
            _curves(one, found is result.leader, found.spec.name)
            for one, found in zip(curves, result.findings, strict=True)
            if one
        ],
        "settings": settings_facts(result) if result is first else new_facts(result, first),
        "machine": machine_rows(record),
        "way": result.way,
    }


def deviations(loaded: Loaded) -> str:
    """How what was run differs from the publication."""
    if loaded.preset is None or loaded.records[0].scale == "paper":
        return ""
    if loaded.records[0].scale == "smoke":
        return "A smoke run: it shows that everything runs, and says nothing of the claim."
    return f"Differs from the publication: {loaded.preset.differs(loaded.records[0].scale)}."


def _heatmap(info: HeatmapSpec, scale: ColourScale, name: str) -> Panel:
    return Panel(heatmap_plot(info, scale), info.equation, info.coupling, info.identified, name)


def _difference(info: DifferenceSpec) -> Panel:
    fewer, more = sign_words(info)
    return Panel(difference_plot(info), reading(info), f"Violet, below 0: {fewer}; orange, above 0: {more}.")


def _marks(panels: Sequence[HeatmapSpec]) -> dict[str, Any]:
    """What the legend explains: what there is."""
    return {
        "good": good_words(panels),
        "ridge": any(panel.ridge for panel in panels),
        "valley": any(panel.valley for panel in panels),
        "diverged": any(panel.diverged.any() for panel in panels),
    }


def _scale_words(scale: ColourScale, unit: str) -> dict[str, str]:
    """The ends of the colours, and where between them what Adam reaches without decay lies."""
    words = {"low": error_text(scale.low, unit), "high": error_text(scale.high, unit)}
    shown = scale.low < scale.baseline < scale.high
    return {**words, "baseline": error_text(scale.baseline, unit) if shown else ""}


def _curves(info: CurvesSpec, opened: bool, name: str) -> dict[str, Any]:
    """``key`` names the colour of each λ."""
    count = max(len(info.lams) - 1, 1)
    key = [(number_text(lam), f"seq-{round(STEPS * j / count)}") for j, lam in enumerate(info.lams)]
    return {"title": info.title, "plots": curves_plots(info), "key": key, "open": opened, "name": name}


def _axis(results: Sequence[Result]) -> dict[str, Any] | None:
    """The best λ and lr along a third axis, if these studies lie on one."""
    found = scalings(results)
    if not found:
        return None
    specs = [scaling_spec(one) for one in found]
    panels = [Panel(scaling_plot(spec), spec.finding, spec.law_words) for spec in specs]
    return {"panels": panels, "words": [line for one in found for line in scaling_words(one)]}


def _paired(info: PairedSpec | None) -> dict[str, Any] | None:
    if info is None:
        return None
    key = [(title, f"cat-{k}") for k, title in enumerate(info.titles)]
    return {"plots": paired_plots(info), "key": key, "finding": info.finding}


def _scale_free(results: Sequence[Result]) -> dict[str, Any] | None:
    panels: list[ScaleFreeSpec] = scale_free_spec(results)
    if not panels:
        return None
    ends = common_limits(panels)
    key = [(f"loss × {factor:g}", f"cat-{k % 4}") for k, factor in enumerate(panels[0].factors)]
    return {"panels": [Panel(scale_free_plot(one, ends), moved_words(one)) for one in panels], "key": key}


def _magnitudes(info: MagnitudesSpec | None) -> dict[str, Any] | None:
    if info is None:
        return None
    key = [(title, f"cat-{k % 4}") for k, title in enumerate(info.titles)]
    notes = map(octave_words, info.panels)
    panels = [Panel(plot, note) for plot, note in zip(magnitudes_plots(info), notes, strict=True)]
    return {"panels": panels, "key": key, "columns": len(info.epochs)}


def _json(figure: Mapping[str, Any]) -> Markup:
    return Markup(as_json(figure))


def _resource(name: str) -> str:
    return (files("halflife.lab.report") / "page" / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """plotly.js's cartesian bundle, its licence's words at its head."""
    packed = files("halflife.lab.report") / "page" / "plotly-cartesian.min.js.gz"
    return gzip.decompress(packed.read_bytes()).decode("utf-8")
