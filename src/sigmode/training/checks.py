"""The arguments of `Collocation`, as they are computed with, or an error that names what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..arrays import Real
from ..trial.form import FORMS, Form
from ..trial.points import POINTS

__all__ = ["form", "pair", "places", "points", "span", "y0"]


def span(given: Any) -> tuple[float, float]:
    """Two different finite numbers."""
    x0, x1 = arguments.span(given, "span", "(x0, x1)")
    if not np.isfinite(x1 - x0):
        raise ValueError(f"`span` must be finite, got {given!r}.")
    if abs(x1 - x0) < np.finfo(float).tiny:
        raise ValueError(f"`span` must have a length, got {given!r}.")
    return x0, x1


def form(order: Any, conditions: Any) -> Form:
    """The form of the trial solution."""
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or order not in (1, 2):
        raise ValueError(f"`order` must be 1, for y' = f(x, y), or 2, for y'' = f(x, y, y'), got {order!r}.")
    names = tuple(name for degree, name in FORMS if degree == 2)
    if not isinstance(conditions, str) or conditions not in names:
        raise ValueError(f"`conditions` must be one of {names}, got {conditions!r}.")
    if (order, conditions) not in FORMS:
        raise ValueError(
            f'`conditions` must be "initial" for order 1, got {conditions!r}: an equation y\' = f(x, y) has one '
            "condition. Is it y'' = f(x, y, y')? Then pass order=2."
        )
    return FORMS[int(order), conditions]


def y0(given: ArrayLike, shape: str = "(n,)") -> Real:
    """Finite real values."""
    array = arguments.numbers(given, "y0", shape, real=True, advice="split the problem into real and imaginary parts")
    if shape == "(n,)" and (array.ndim != 1 or array.size == 0):
        raise ValueError(f"`y0` must be 1-dimensional with at least one value, such as [1.0], got {given!r}.")
    arguments.finite(array, "`y0`")
    return array


def pair(given: ArrayLike) -> Real:
    """The two conditions of an equation of second order, (2, n)."""
    array = y0(given, "(2, n)")
    if array.ndim not in (1, 2) or len(array) != 2 or array.size == 0:
        raise ValueError(
            "`y0` must be two values for order 2, (y0, dy0) or (ya, yb): two arrays of shape (n,), or two numbers for "
            f"one equation, got {given!r}."
        )
    return array.reshape(2, -1)


def points(given: str | ArrayLike, n_points: int | None, default: int, ends: tuple[float, float]) -> Real:
    """The collocation points as xi in [0, 1]."""
    m = default if n_points is None else arguments.count(n_points, "n_points")
    if isinstance(given, str):
        if given not in POINTS:
            raise ValueError(f"`points` must be one of {tuple(POINTS)} or an array, got {given!r}.")
        return POINTS[given](m)
    x = arguments.numbers(given, "points", "(m,) or a name", real=True)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(
            f"`points` must be one of {tuple(POINTS)} or 1-dimensional with at least one value, got {given!r}. "
            "Their number is `n_points`."
        )
    if n_points is not None and m != x.size:
        raise ValueError(f"`n_points` is {m}, but `points` has {x.size} values; leave one of them out.")
    return (_inside(x, "points", ends) - ends[0]) / (ends[1] - ends[0])


def _inside(x: Real, name: str, ends: tuple[float, float]) -> Real:
    outside = ~((x >= min(ends)) & (x <= max(ends)))  # true for NaN, too
    if outside.any():
        raise ValueError(f"`{name}` must lie in the span {ends}, got {x[outside][0]}.")
    return x


def places(x: ArrayLike, ends: tuple[float, float]) -> Real:
    """Where values of the trial solution are asked for: a number or numbers of the span, as they came."""
    array = arguments.numbers(x, "x", "() or (m,)", real=True)
    if array.ndim > 1:
        raise ValueError(f"`x` must be a number or 1-dimensional, got shape {array.shape}.")
    _inside(np.atleast_1d(array), "x", ends)
    return array
