"""Results as one tree of plain values and named arrays, the contents of files (docs/files.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from scipy.optimize import OptimizeResult

from .files import arguments_of, arrays_of
from .solution import Solution

__all__ = ["RESULTS", "holds", "read", "stored", "written"]

T = TypeVar("T", bound=type)
_COMPOSITES: dict[str, tuple[type, tuple[str, ...]]] = {}
# Classes of results by the kind that files call them.
RESULTS: dict[str, type] = {}


def stored(*parts: str) -> Callable[[T], T]:
    """A class whose objects are made of these attributes, in this order, and are stored so."""

    def known(cls: T) -> T:
        _COMPOSITES[cls.__name__] = cls, parts
        return cls

    return known


def written(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """What JSON can hold of a value; its arrays go to `arrays`, called by its name or by that and more, after a dot."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        arrays[name] = np.asarray(value)
        kind = "records" if isinstance(value, np.recarray) else "array" if isinstance(value, np.ndarray) else "number"
        return {kind: name}
    if type(value) is list:
        return [written(each, f"{name}.{k}", arrays) for k, each in enumerate(value)]
    if type(value) is tuple:
        return {"tuple": written(list(value), name, arrays)}
    if isinstance(value, Mapping) and all(type(key) is str for key in value):
        fields = {key: written(each, f"{name}.{key}", arrays) for key, each in value.items()}
        if isinstance(value, OptimizeResult):
            return {"result": [next((kind for kind, cls in RESULTS.items() if cls is type(value)), ""), fields]}
        return {"dict": fields}
    if type(value) is Solution:
        arrays |= {f"{name}.{part}": array for part, array in arrays_of(value).items()}
        return {"solution": name}
    if _COMPOSITES.get(type(value).__name__, (None,))[0] is type(value):
        parts = _COMPOSITES[type(value).__name__][1]
        return {type(value).__name__: [written(getattr(value, part), f"{name}.{part}", arrays) for part in parts]}
    raise TypeError(f"`{name}` is a {type(value).__name__}, which a file cannot hold.")


def holds(value: Any) -> bool:
    """Whether a file can hold a value."""
    try:
        written(value, "value", {})
    except TypeError:
        return False
    return True


def read(tree: Any, arrays: Mapping[str, Any]) -> Any:
    """The value that was written."""
    if isinstance(tree, list):
        return [read(each, arrays) for each in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, what),) = tree.items()
    if kind == "array":
        return arrays[what]
    if kind == "number":
        return arrays[what][()]
    if kind == "records":
        return arrays[what].view(np.recarray)
    if kind == "tuple":
        return tuple(read(what, arrays))
    if kind == "dict":
        return {key: read(each, arrays) for key, each in what.items()}
    if kind == "result":
        return RESULTS.get(what[0], OptimizeResult)({key: read(each, arrays) for key, each in what[1].items()})
    if kind == "solution":
        own = {key[len(what) + 1 :]: array for key, array in arrays.items() if key.startswith(f"{what}.")}
        return Solution(*arguments_of(own))
    return _COMPOSITES[kind][0](*read(what, arrays))
