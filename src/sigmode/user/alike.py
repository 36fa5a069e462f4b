"""The same function for arrays: one whose functions of Python's `math` are NumPy's."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import CellType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np

__all__ = ["OF_MATH", "alike"]


def _log(x: Any, *base: Any) -> Any:
    return np.log(x) / np.log(base[0]) if base else np.log(x)


_SAME_NAME = (
    "cos", "cosh", "degrees", "exp", "expm1", "fabs", "hypot", "log10", "log1p", "log2", "radians", "sin", "sinh",
    "sqrt", "tan", "tanh",
)  # fmt: skip
_OTHER_NAME = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atan2": "arctan2",
    "atanh": "arctanh", "pow": "power",
}  # fmt: skip
# What `math` has for numbers, by name, with what NumPy has for arrays.
OF_MATH: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in _SAME_NAME},
    **{name: getattr(np, other) for name, other in _OTHER_NAME.items()},
    "log": _log,
}
_OF_FUNCTIONS = {getattr(math, name): function for name, function in OF_MATH.items()}
_OF_MODULE = SimpleNamespace(e=math.e, inf=math.inf, nan=math.nan, pi=math.pi, tau=math.tau, **OF_MATH)


def alike(fun: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
    """A function made of arithmetic alone, and its `args`, with NumPy's functions in place of those of `math`.

    None where it has none of them. Its values are the same to rounding; where `math` raises an exception they are not
    finite. fun : one that `pure.is_pure` knows.
    """
    found, own = _replaced(fun), _replaced(args)
    return None if found is fun and own is args else (found, own)


def _replaced(value: Any) -> Any:
    """The value, or what takes its place."""
    if value is math:
        return _OF_MODULE
    if isinstance(value, tuple):
        parts = tuple(_replaced(part) for part in value)
        return value if all(one is other for one, other in zip(parts, value, strict=True)) else parts
    if not isinstance(value, FunctionType):
        return _OF_FUNCTIONS.get(value, value) if callable(value) and value.__hash__ else value
    return _copied(value)


def _copied(fun: FunctionType) -> FunctionType:
    """A copy of a function, if anything that it refers to is to be replaced."""
    names = {name: fun.__globals__[name] for name in fun.__code__.co_names if name in fun.__globals__}
    cells = [cell.cell_contents for cell in fun.__closure__ or ()]
    given = [names, dict(fun.__kwdefaults__ or {})]
    own = [{name: _replaced(value) for name, value in each.items()} for each in given]
    own_cells, defaults = [_replaced(value) for value in cells], _replaced(fun.__defaults__ or ())
    same = all(new[name] is old[name] for new, old in zip(own, given, strict=True) for name in old)
    if same and all(map(lambda new, old: new is old, own_cells, cells)) and defaults is (fun.__defaults__ or ()):
        return fun
    closure = tuple(CellType(value) for value in own_cells) if fun.__closure__ else None
    copy = FunctionType(fun.__code__, own[0], fun.__name__, defaults or None, closure)
    copy.__kwdefaults__ = own[1] or None
    return copy
