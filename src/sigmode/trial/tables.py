"""Solutions with their errors at given points, as tables of pandas and datasets of xarray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import frames
from ..arguments import numbers, one_dimensional
from ..arrays import Real
from .piecewise import Piecewise

__all__ = ["dataframe", "dataset"]


def dataframe(sol: Piecewise, t: ArrayLike, names: Sequence[str] | None) -> Any:
    """See `Solution.to_dataframe`."""
    pandas = frames.pandas("to_dataframe")
    at = _times(t)
    if names is None:
        columns = [f"{what}{k}" for what in ("y", "error") for k in range(sol.n)]
    else:
        known = _names(names, sol.n)
        columns = known + [f"error_{name}" for name in known]
        if len(set(columns)) < len(columns):
            raise ValueError(f"`names` must differ from each other and from the errors' names, got {known}.")
    y, error = sol(at), sol.error(at)
    return pandas.DataFrame(dict(zip(columns, [*y, *error], strict=True)), index=pandas.Index(at, name="t"))


def dataset(sol: Piecewise, t: ArrayLike, names: Sequence[str] | None) -> Any:
    """See `Solution.to_xarray`."""
    xarray = frames.xarray("to_xarray")
    at = _times(t)
    axes = ("component", "t")
    component = np.arange(sol.n) if names is None else _names(names, sol.n)
    return xarray.Dataset(
        {"y": (axes, sol(at)), "error": (axes, sol.error(at))}, coords={"component": component, "t": at}
    )


def _times(t: ArrayLike) -> Real:
    found: Real = np.atleast_1d(numbers(t, "t", "(m,)", real=True))
    one_dimensional(found, "t")
    return found


def _names(names: Any, n: int) -> list[str]:
    if isinstance(names, str) or not np.iterable(names) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"`names` must be a list of {n} names, got {names!r}.")
    found = list(names)
    if len(found) != n or len(set(found)) != n:
        raise ValueError(f"`names` must be {n} different names, got {found}.")
    return found
