"""The names of optimizers: which there are, and which class a name means."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Literal, overload

import torch

from .. import optimizers, registry
from ..caller import level_of_caller
from ..catalogue import command_name
from ..optimizers import optimizer_of

Settings = dict[str, Any]

SAME: Mapping[str, tuple[str, Settings]] = {
    "momentum": ("sgd", {"momentum": 0.9}),
    "nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "nesterovw": ("sgd", {"momentum": 0.9, "nesterov": True, "decay": "decoupled"}),
    "sgdc": ("sgd", {"momentum": 0.9, "nesterov": True, "decay": "corrected"}),
    "adamwlegacy": ("adamw", {}),
    "adamc": ("adamw", {"decay": "corrected"}),
    "lionc": ("lion", {"decay": "corrected"}),
    "radamw": ("radam", {"decay": "decoupled"}),
}
"""timm's names of what is one of ours under these settings, to the same numbers."""

OTHER: Mapping[str, str] = {
    "adamp": "timm's and Clova's AdamP (Heo et al. 2021) projects the step, which is not in halflife. halflife's own "
    "AdamP, Adam with a Euclidean prox, is 'adam-p'.",
    "nadamw": "timm's NAdamW is not NAdam with decoupled decay: it looks ahead by another formula. Take 'nadam' with "
    "decay='decoupled' for torch's; timm's is halflife.conventions.find('timm-nadamw').optimizer(params, lr=…).",
    "nadamc": "timm's NAdamW looks ahead by another formula than NAdam. Take 'nadam' with decay='corrected'.",
    "rmsproptf": "timm's RMSpropTF begins its average at 1 and keeps lr within the momentum, which is not in "
    "halflife. The nearest is 'rmsprop' with eps_inside=True.",
}
"""timm's names of what is not one of ours, though it sounds so."""


@overload
def list_optimizers(
    filter: str | Sequence[str] = "",
    exclude_filters: str | Sequence[str] | None = "",
    with_description: Literal[False] = False,
) -> list[str]: ...


@overload
def list_optimizers(
    filter: str | Sequence[str] = "",
    exclude_filters: str | Sequence[str] | None = "",
    *,
    with_description: Literal[True],
) -> list[tuple[str, str]]: ...


@overload
def list_optimizers(
    filter: str | Sequence[str], exclude_filters: str | Sequence[str] | None, with_description: Literal[True]
) -> list[tuple[str, str]]: ...


def list_optimizers(
    filter: str | Sequence[str] = "",
    exclude_filters: str | Sequence[str] | None = "",
    with_description: bool = False,
) -> list[str] | list[tuple[str, str]]:
    """The names that ``create_optimizer`` takes, sorted: halflife's optimizers, and a name for each registered rule.

    Rules of other distributions are among them as soon as they are registered; those that an installed distribution
    names under the entry point ``halflife.rules`` are imported for it, at each call.

    Args:
        filter: a glob over names, or several: a name is listed if any of them matches it, in any case, with its hyphens
            or without. Empty means all.
        exclude_filters: globs in the same way, of names to leave out.
        with_description: whether each comes with the first line of its class's documentation.

    Returns:
        A list of names, or of pairs of name and description. It is empty where nothing matches.

    Raises:
        TypeError: for a pattern that is no string.

    Example:
        >>> import halflife
        >>> halflife.list_optimizers("adam*")
        ['adam', 'adam-l2', 'adam-p', 'adamax', 'adamw']
        >>> halflife.list_optimizers(["*sgd*", "lion"], exclude_filters="prox*")
        ['asgd', 'lion', 'sgd', 'sgdw']
    """
    _load_plugins()
    known = _by_name()
    wanted, unwanted = _patterns(filter, "filter") or ["*"], _patterns(exclude_filters, "exclude_filters")
    names = [name for name in sorted(known) if _matches(name, wanted) and not _matches(name, unwanted)]
    return [(name, _description(known[name])) for name in names] if with_description else names


def optimizer_named(name: str) -> tuple[type[torch.optim.Optimizer], Settings]:
    """The class of that name, and the settings under which it is what the name means: none for a name of ours.

    Args:
        name: as ``create_optimizer`` takes it.

    Returns:
        The class, and a dict of settings.

    Raises:
        TypeError: for a name that is no string.
        ValueError: for an unknown name, and for one of timm's that means another method.

    Example:
        >>> from halflife.by_name import optimizer_named
        >>> optimizer_named("Prox_Adam")
        (<class 'halflife.optimizers.adam.ProxAdam'>, {})
        >>> optimizer_named("radamw")
        (<class 'halflife.optimizers.adam.RAdam'>, {'decay': 'decoupled'})
    """
    if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"the optimizer's name comes first, create_optimizer('adamw', model); a {type(name).__name__} was given."
        )
    found = _found(name)
    if found is None:
        _load_plugins()
        found = _found(name)
    if found is None:
        raise ValueError(_unknown(name))
    return found


def _by_name() -> dict[str, type[torch.optim.Optimizer]]:
    """Every optimizer, those too that commands leave out, and the rules that are registered now; ours come first."""
    ours = {name: getattr(optimizers, name) for name in optimizers.__all__}
    found = {command_name(name): x for name, x in ours.items() if isinstance(x, type)}
    for entry in registry.entries():
        found.setdefault(command_name(entry.name), optimizer_of(entry))
    return found


def _load_plugins() -> None:
    try:
        registry.load_plugins()
    except Exception as error:
        warnings.warn(
            f"rules of another distribution (entry point halflife.rules) cannot be loaded ({type(error).__name__}: "
            f"{error}); they are left out.",
            stacklevel=level_of_caller(),
        )


def letters_of(name: str) -> str:
    """What is left of a name without case, hyphens and underscores."""
    return re.sub("[-_]", "", name).lower()


def _found(name: str) -> tuple[type[torch.optim.Optimizer], Settings] | None:
    """A spelling of ours comes before a name of timm's that has the same letters: "AdamP" and "adam-p", "adamp"."""
    known, letters = _by_name(), letters_of(name)
    spelled = known.get(name.lower().replace("_", "-"))
    spelled = spelled or next((x for x in known.values() if x.__name__ == name), None)
    if spelled is not None:
        return spelled, {}
    by_letters = {letters_of(own): x for own, x in known.items()}
    if letters in by_letters and letters not in OTHER:
        return by_letters[letters], {}
    own, settings = SAME.get(letters, ("", {}))
    return (known[own], dict(settings)) if own else None


def _unknown(name: str) -> str:
    """Why there is no optimizer of that name, and what there is."""
    letters, known = letters_of(name), _by_name()
    near_names = {letters_of(own): own for own in (*known, *SAME)}
    if letters in OTHER:
        return f"{name!r}: {OTHER[letters]}"
    wrapped = re.fullmatch("lookahead[-_]?(.*)", name.lower())
    if wrapped:
        inner = near_names.get(letters_of(wrapped[1]), "adamw")
        return (
            f"{name!r}: Lookahead is not in halflife. Create {inner!r}, and wrap it in a Lookahead of your own, or "
            "keep an average of the weights by ema_decay=0.999 and optimizer.averaged()."
        )
    if re.match("fused|bnb", letters) or letters.endswith("8bit"):
        return (
            f"{name!r} is a kernel of Apex or bitsandbytes, not another method. halflife's steps are fused where they "
            "can be, and state_dtype='8bit' keeps the states in 8 bits: name the method, 'adamw' for instance."
        )
    if letters[:1] == "c" and letters[1:] in {*near_names, *OTHER}:
        return (
            f"{name!r} masks the update where it opposes the gradient (Cautious Optimizers, 2024), which is not in "
            "halflife. decay='cautious' is another thing: it masks the weight decay."
        )
    near = [repr(near_names[x]) for x in get_close_matches(letters, near_names, 3)]
    advice = f"did you mean {' or '.join(near)}? " if near else ""
    return f"there is no optimizer called {name!r}; {advice}halflife.list_optimizers() lists all {len(known)}."


def _patterns(given: str | Sequence[str] | None, what: str) -> list[str]:
    patterns = [given] if isinstance(given, str) else [*(given or ())]
    for pattern in patterns:
        if not isinstance(pattern, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{what} must be a glob such as 'adam*' or a list of them, but {pattern!r} was given.")
    return [pattern.lower().replace("_", "-") for pattern in patterns if pattern]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(form, pattern) for form in (name, letters_of(name)) for pattern in patterns)


def _description(optimizer: type[torch.optim.Optimizer]) -> str:
    """The first line of the class's documentation, as plain text."""
    doc = inspect.getdoc(optimizer) or optimizer.__name__
    return doc.partition("\n")[0].replace("`", "").rstrip(".: ")
