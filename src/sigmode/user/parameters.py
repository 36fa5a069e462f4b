"""The numbers in `args`: which there are, and `args` with one of them changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import arguments
from ..arrays import Real

__all__ = ["moved", "parameters_of"]


def parameters_of(args: Any) -> tuple[tuple[Any, ...], list[tuple[int, Any]]]:
    """`args` with integers as floating-point numbers, and where each number in them is: entry, index or None."""
    try:
        given = tuple(args)
    except TypeError:
        raise arguments.no_tuple(args) from None
    own: list[Any] = []
    numbers: list[tuple[int, Any]] = []
    for i, value in enumerate(given):
        array = None if isinstance(value, (bool, str)) else _as_floats(value)
        if array is None:
            own.append(value)
        elif array.ndim == 0:
            own.append(float(array))
            numbers.append((i, None))
        else:
            own.append(array)
            numbers += [(i, index) for index in np.ndindex(array.shape)]
    return tuple(own), numbers


def _as_floats(value: Any) -> Real | None:
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    if array.dtype.kind == "c":
        raise ValueError("`args` hold complex numbers, but must be real.")
    return np.array(array, dtype=float) if array.dtype.kind in "fiu" else None


def moved(args: tuple[Any, ...], where: tuple[int, Any], step: float) -> tuple[Any, ...]:
    """`args` of `parameters_of` with one of its numbers changed by a step."""
    i, index = where
    if index is None:
        value = args[i] + step
    else:
        value = args[i].copy()
        value[index] += step
    return (*args[:i], value, *args[i + 1 :])
