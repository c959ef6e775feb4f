"""How deep each parameter of a model lies, counted in blocks, along its stages and towers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .kinds import matches
from .named_parameters import Location, NamedParameter, words

Path = tuple[str, ...]

_NUMBERED = re.compile(r"\d+|\w*?(block|layer|stage|level|group|unit)s?_?\d+|[bs]\d+", re.IGNORECASE)
_RANKS = {"stage": 0, "level": 0, "layer": 1, "block": 2, "unit": 2}
_EXPERTS = frozenset({"expert", "experts"})
_HEADS = frozenset({"head", "heads", "classifier", "classifiers"})
_OUTPUTS = _HEADS | frozenset(
    {"score", "scores", "logit", "logits", "predict", "prediction", "predictions", "predictor"}
)
_OUTPUT_NAMES = frozenset({"fc", "out", "output", "final", "final_layer", "readout"})
"""Of a part of the model itself; further in they may be anything's."""
_INPUTS = frozenset({"stem", "emb", "embd", "embed", "embeds", "embedding", "embeddings", "wte", "wpe", "patchify"})
_INPUT_KINDS = ("embedding", "position", "token")
_TOWERS = frozenset({"towers", "encoders", "branches", "streams", "backbones", "modalities"})
_SIDES = frozenset(
    {"visual", "vision", "image", "img", "audio", "speech", "video", "text", "rgb", "left", "right", "query", "doc"}
    | {"question", "document", "passage", "context", "user", "item", "student", "teacher", "online", "target"}
    | {"tower", "branch", "q", "k"}
)
_SERIAL = frozenset(
    {"decoder", "language", "lm", "llm", "neck", "projector", "connector", "predictor", "multimodal", "fusion", "cross"}
    | {"joint", "bottom", "top", "lower", "upper", "early", "late", "first", "second", "down", "up", "coarse", "fine"}
    | {"local", "global", "backbone", "body", "trunk"}
)
_LATE = frozenset({"decoder", "language", "lm", "llm", "multimodal", "fusion"})
_CONNECTORS = frozenset({"projector", "connector", "resampler", "qformer", "aligner", "merger"})
_PREVIOUS = 99999
"""The last of timm's ordinals for what belongs to the group before it."""


@dataclass(frozen=True)
class LayerDepths:
    """Of each parameter its depth.

    Attributes:
        depths: 0 for what lies before the first block, then 1, 2, …
        found: in words what that was found by and what lies deepest.

    Example:
        >>> from halflife.parameters import layer_depths, named_parameters
        >>> row = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> layer_depths(named_parameters(row)).found
        'layer_decay over 2 numbered layers'
    """

    depths: list[int]
    found: str


@dataclass
class Tower:
    """Blocks that follow upon one another, in one module; ``after`` counts the blocks of others that follow."""

    path: Path
    matcher: str | None = None
    blocks: dict[Any, None] = field(default_factory=dict[Any, None])
    after: int = 0

    def __str__(self) -> str:
        n, blocks = len(self.blocks), [*self.blocks]
        return (
            f"{self.matcher} ({n} groups)" if self.matcher else f"{'.'.join(blocks[0])} … {'.'.join(blocks[-1])} ({n})"
        )

    @property
    def bottom(self) -> int:
        """How far what stands before the first block is from the deepest."""
        return self.after + len(self.blocks) + 1

    def distance(self, block: Any) -> int:
        return self.bottom - 1 - [*self.blocks].index(block)


def layer_depths(parameters: Sequence[NamedParameter]) -> LayerDepths:
    """Of each parameter: 0 what stands before the first block, 1, 2, … the blocks, one more what stands after the last.

    A block is a numbered module that has modules inside: ``blocks.3``, ``encoder.layer.11``, ``layer2.0``; so is each
    of a ``ModuleDict`` of blocks, in its order. Of numbers in a row all count where they are alike, ``stages.1.2``, and
    the blocks of a stage, ``stages.1.blocks.2``; what else a stage has belongs to the block that follows, or to its
    last. Experts are part of their block. Several **towers** (an image's and a text's) stand side by side, and end at
    the same depth; an encoder and its decoder follow upon one another, as do a backbone and what is put on it.

    What is in no block belongs, within its tower, to the block before it; embeddings, positions and tokens to the
    beginning, heads to the end, wherever they are declared. A parameter under several names has the least of their
    depths. A model that has timm's ``group_matcher()``, or a part of one, is grouped by that, as by timm's own
    ``param_groups_layer_decay``. Where fewer than two blocks are found, as in an MLP that is one ``nn.Sequential``,
    each numbered layer with a matrix is a block, with the biases and norms up to the next.

    Raises:
        ValueError: where fewer than two blocks are found that way too.

    Args:
        parameters: those of a model, as ``named_parameters`` gives them.

    Returns:
        The depths in the same order, and how they were found.

    Example:
        >>> from halflife.parameters import layer_depths, named_parameters
        >>> row = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> layer_depths(named_parameters(row)).depths
        [1, 1, 2, 2]
    """
    blocks = _Blocks(parameters)
    if blocks.count > 1:
        distances = [
            max(map(blocks.distance, named.locations, [k] * len(named.locations))) for k, named in enumerate(parameters)
        ]
        deepest = max(distances)
        return LayerDepths([deepest - x for x in distances], blocks.described(parameters, distances))
    layers = [_layer_of(named) for named in parameters]
    order = {layer: k for k, layer in enumerate(dict.fromkeys(x for x in layers if x), start=1)}
    if len(order) < 2:
        raise ValueError(
            "layer_decay finds how deep a parameter lies by the numbers in the modules' names (blocks.0, layer.3), and "
            "this model has fewer than two numbered blocks; give each part its lr by "
            "overrides={'encoder.*': {'lr': …}}."
        )
    depth, depths = 0, list[int]()
    for layer in layers:
        depth = order[layer] if layer else depth
        depths.append(depth)
    return LayerDepths(depths, f"layer_decay over {len(order)} numbered layers")


class _Blocks:
    """Which block of which tower each parameter stands in, if any, and how far each is from the deepest."""

    def __init__(self, parameters: Sequence[NamedParameter]) -> None:
        self._parameters, first = parameters, [named.locations[0] for named in parameters]
        self._modules = {
            x.path[:k]: x.modules[k] for n in parameters for x in n.locations for k in range(len(x.modules))
        }
        self._base = _common([x.path for x in first]) if len(first) > 1 else ()
        self._towers: dict[Path, Tower] = {}
        self._found = self._matched(first)
        apart = [x for named in parameters for x in named.locations if not self._is_matched(x)]
        for apart_by in ((_HEADS, _INPUTS), (frozenset[str](), frozenset[str]())):
            own = {x.name: place for x in apart if (place := _block_of(x, len(self._base), *apart_by))}
            if self._found or len({block for _, block in own.values()}) > 1:
                break
        self._add(_in_stages(own))
        self._order = [self._found.get(x.name) for x in first]
        self._towers = {path: self._towers[path] for path in sorted(self._towers, key=self._place)}
        towers = [*self._towers.values()]
        for k, tower in reversed([*enumerate(towers)]):
            later = [t.bottom - 1 for t in towers[k + 1 :] if not self._side_by_side(tower, t)]
            tower.after = max(later, default=0)

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return sum(len(tower.blocks) for tower in self._towers.values())

    def _matched(self, first: Sequence[Location]) -> dict[str, tuple[Tower, Any]]:
        """Where modules have a ``group_matcher()``: the outermost, each a tower."""
        found: dict[str, tuple[Tower, Any]] = {}
        for path, module in self._modules.items():
            matcher = _matcher_of(module)
            if matcher is None or any(path[: len(t)] == t for t in self._towers):
                continue
            inside = {".".join(x.name.split(".")[len(path) :]): x for x in first if x.path[: len(path)] == path}
            groups = _groups(matcher, inside)
            if len({*groups.values()}) > 1:
                tower = Tower(path, f"{type(module).__name__}.group_matcher()")
                tower.blocks = dict.fromkeys(sorted(groups.values()))
                self._towers[path] = tower
                found |= {inside[name].name: (tower, group) for name, group in groups.items()}
        return found

    def _is_matched(self, location: Location) -> bool:
        """Whether it stands in a module whose ``group_matcher()`` was asked, which matches it or puts it last."""
        return any(location.path[: len(path)] == path for path, tower in self._towers.items() if tower.matcher)

    def _add(self, own: Mapping[str, tuple[Path, Path]]) -> None:
        for name, (path, block) in own.items():
            tower = self._towers.setdefault(path, Tower(path))
            tower.blocks.setdefault(block)
            self._found[name] = tower, block

    def _place(self, path: Path) -> list[tuple[bool, int]]:
        """Where the tower comes: as declared, but what decodes or takes in other modalities comes after these."""
        first = {tower[:k]: n for n, tower in reversed([*enumerate(self._towers)]) for k in range(len(tower) + 1)}
        return [(not _LATE.isdisjoint(words(part)), first[path[: k + 1]]) for k, part in enumerate(path)]

    def distance(self, location: Location, k: int) -> int:
        """Of the k-th parameter at one of its locations, from the deepest, in blocks."""
        if location.name in self._found:
            tower, block = self._found[location.name]
            return tower.distance(block)
        towers, names = self._nearest(location), list(map(words, location.path[len(self._base) :]))
        if towers[0].matcher and towers[0].path == location.path[: len(towers[0].path)]:
            return self._end(towers[0])
        called_output = [*location.path, ""][len(self._base)] in _OUTPUT_NAMES
        if called_output or any(not _OUTPUTS.isdisjoint(name) for name in names):
            return 0
        if any(name[-1:] and name[-1] in _INPUTS for name in names) or self._is_input(self._parameters[k]):
            return max(tower.bottom for tower in towers)
        return self._in_order(location, k, towers)

    def _is_input(self, named: NamedParameter) -> bool:
        return any(matches(kind, named) for kind in _INPUT_KINDS)

    def _in_order(self, location: Location, k: int, towers: Sequence[Tower]) -> int:
        """With the block before it; but a whole tower's own parameters are declared before all that is inside."""
        if any(location.path == tower.path[: len(location.path)] for tower in towers):
            return min(map(self._end, towers))
        before = [place for place in self._order[:k] if place and place[0] in towers]
        if not before:
            return max(tower.bottom for tower in towers)
        tower = before[-1][0]
        least = min(tower.distance(block) for there, block in before if there is tower)
        return self._end(tower) if least == tower.after + 1 else least

    def _end(self, tower: Tower) -> int:
        """Of what follows upon the last block: the deepest of all, or with that block where others follow."""
        return tower.after + 1 if tower.after else 0

    def _nearest(self, location: Location) -> list[Tower]:
        """The towers that share most of its path, then words; of these the shortest: of a text beside ``visual.…``."""
        keys = dict[Path, tuple[int, int, int]]()
        for path in self._towers:
            common = len(_common([location.path, path]))
            own = words("_".join([*location.path[common:], location.leaf]))
            keys[path] = -common, -len({*own} & {*words("_".join(path[common:]))}), len(path)
        return [tower for path, tower in self._towers.items() if keys[path] == min(keys.values())]

    def _side_by_side(self, a: Tower, b: Tower) -> bool:
        """Whether neither takes what the other gives, as far as their names and what stands beside them tell."""
        common = _common([a.path, b.path])
        holder, (one, two) = self._modules[common], ("".join(t.path[len(common) : len(common) + 1]) for t in (a, b))
        if common and not _TOWERS.isdisjoint(words(common[-1])):
            return True
        there = {w for name, _ in holder.named_children() for w in words(name)}
        if not _SERIAL.isdisjoint([*words(one), *words(two)]) or not _CONNECTORS.isdisjoint(there):
            return False
        sides = [not _SIDES.isdisjoint(words(name)) for name in (one, two)]
        contrastive = {w for name, _ in holder.named_parameters(recurse=False) for w in words(name)}
        if all(sides) or (any(sides) and ("transformer" in (one, two) or contrastive & {"logit", "temperature"})):
            return True
        modules = [self._modules[(*common, name)] for name in (one, two) if name]
        alike = len(modules) == 2 and type(modules[0]) is type(modules[1]) and not isinstance(modules[0], _CONTAINERS)
        pairs = [*zip(words(one), words(two), strict=False)]
        return alike and len(words(one)) == len(words(two)) and sum(a != b for a, b in pairs) <= 1

    def described(self, parameters: Sequence[NamedParameter], distances: Sequence[int]) -> str:
        """The towers, and what lies deeper than their blocks."""
        towers, text = [*self._towers.values()], ""
        for k, tower in enumerate(towers):
            if k:
                text += " beside " if self._side_by_side(towers[k - 1], tower) else ", then "
            text += str(tower)
        top = [n.name for n, x in zip(parameters, distances, strict=True) if x == min(distances)]
        return f"layer_decay over {text}; at the whole lr {', '.join(top[:3])}{', …' if len(top) > 3 else ''}"


_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def _common(paths: Sequence[Path]) -> Path:
    """The parts that all of these begin with."""
    same = [len({*parts}) == 1 for parts in zip(*paths, strict=False)]
    return paths[0][: same.index(False) if False in same else len(same)]


def _block_of(location: Location, start: int, ends: frozenset[str], inputs: frozenset[str]) -> tuple[Path, Path] | None:
    """The path of the tower that it stands in and that of its block, if it is in one."""
    path, modules = location.path, location.modules
    for k in range(start, len(path)):
        holder = set(words(path[k - 1])) if k else set[str]()
        if not _EXPERTS.isdisjoint(holder):
            return path[:k], path[:k]
        if not ends.isdisjoint(words(path[k])) or not inputs.isdisjoint(words(path[k])[-1:]):
            return None
        if _is_numbered(location, k) and not (_is_listed(modules[k]) and holder & _TOWERS):
            return path[:k], path[: _last_number(location, k) + 1]
    return None


def _is_listed(holder: nn.Module) -> bool:
    return isinstance(holder, _CONTAINERS)


def _is_numbered(location: Location, k: int) -> bool:
    """Whether the k-th part is one of several alike that follow upon one another, and has modules inside."""
    holder, name = location.modules[k], location.path[k - 1] if k else ""
    in_dict = isinstance(holder, nn.ModuleDict) and (
        _rank(name) is not None or all(re.search(r"\d", key) for key in holder)
    )
    return (in_dict or bool(_NUMBERED.fullmatch(location.path[k]))) and _has_modules(location.modules[k + 1])


def _has_modules(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


def _last_number(location: Location, k: int) -> int:
    """The part that says which block it is: of a row of numbers the last, in a stage that of its own blocks."""
    path, modules = location.path, location.modules
    container = path[k - 1] if k and path[k].isdigit() else path[k]
    while k + 1 < len(path):
        alike = len({type(child) for child in modules[k + 1].children()}) == 1 or _rank(container) == 0
        inner = _rank(path[k + 1])
        if alike and _is_numbered(location, k + 1):
            k += 1
        elif (
            k + 2 < len(path)
            and inner is not None
            and inner > (_rank(container) or 0)
            and _is_numbered(location, k + 2)
        ):
            container, k = path[k + 1], k + 2
        else:
            break
    return k


def _rank(name: str) -> int | None:
    """How fine the parts are that a module so called holds: stages, layers, blocks."""
    ranks = [rank for w in words(name) for part, rank in _RANKS.items() if w.removesuffix("s").endswith(part)]
    return ranks[0] if ranks else None


def _in_stages(own: Mapping[str, tuple[Path, Path]]) -> dict[str, tuple[Path, Path]]:
    """What stands in a stage but in none of its blocks goes to the block before it there, or to the first."""
    places, result = [*own.values()], dict[str, tuple[Path, Path]]()
    finer = {block[:k] for _, block in places for k in range(len(block))}
    for k, (name, (tower, block)) in enumerate(own.items()):
        around = [b for _, b in [*reversed(places[:k]), *places[k:]]] if block in finer else [block]
        result[name] = tower, next(b for b in around if b not in finer and b[: len(block)] == block)
    return result


def _matcher_of(module: nn.Module) -> Mapping[Any, Any] | Callable[[str], Any] | None:
    """timm's: regular expressions by name, or a function of a name; None where there is none."""
    if "group_matcher" not in module.__dict__ and not hasattr(type(module), "group_matcher"):
        return None
    make: Any = module.group_matcher
    try:
        matcher = make(coarse=False)
    except (TypeError, NotImplementedError):
        return None
    return matcher if isinstance(matcher, Mapping) or callable(matcher) else None  # pyright: ignore[reportUnknownVariableType]


def _groups(matcher: Mapping[Any, Any] | Callable[[str], Any], names: Iterable[str]) -> dict[str, int]:
    """Of each name that it matches the number of its group, as ``timm.models.group_parameters`` counts them."""
    of = matcher if callable(matcher) else _by_patterns(matcher)
    keys: dict[str, Any] = {}
    for name in names:
        key = of(name)
        if key is not None:
            keys[name] = (*key,) if isinstance(key, Iterable) else (key,)
    number, groups = -1, dict[Any, int]()
    for key in sorted({*keys.values()}):
        number += number < 0 or key[-1] != _PREVIOUS
        groups[key] = number
    return {name: groups[key] for name, key in keys.items()}


def _by_patterns(matcher: Mapping[Any, Any]) -> Callable[[str], tuple[float, ...] | None]:
    """The ordinal of a name: which entry matches it, the numbers within the name, and the entry's own suffix."""
    rules = list[tuple[re.Pattern[str], int, tuple[int, ...]]]()
    for k, given in enumerate(matcher.values()):
        entries: Any = [(given, None)] if isinstance(given, str | re.Pattern) else given or ()
        rules += [(re.compile(pattern), k, tuple(suffix or ())) for pattern, suffix in entries]

    def ordinal(name: str) -> tuple[float, ...] | None:
        for pattern, k, suffix in rules:
            found = pattern.match(name)
            if found:
                return (*map(float, (k, *(x for x in found.groups() if x is not None), *suffix)),)
        return None

    return ordinal


def _layer_of(named: NamedParameter) -> Path | None:
    """The outermost numbered modules down to the layer itself, if the parameter is a matrix."""
    location, block = named.locations[0], None
    for k, part in enumerate(location.path if named.dimensions not in (0, 1) else ()):
        if part.isdigit():
            block = location.path[: k + 1]
        elif block:
            break
    return block
