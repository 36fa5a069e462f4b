"""What is fitted to what: data, parameters, initial values, as users give them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import arguments
from ..arrays import Flags, Index, Real

__all__ = ["Experiment", "Parameters", "experiments", "parameters"]


class Experiment(NamedTuple):
    """One set of data.

    times (q,), increasing, no two of them the same; column (m,) : which of them each measurement has; y, sigma (k, m);
    measured (k, m); t0 : where the initial values hold; y0 (n,), NaN where they are to be found, or a function of the
    parameters.
    """

    times: Real
    column: Index
    y: Real
    sigma: Real
    measured: Flags
    t0: float
    y0: Any

    @property
    def free(self) -> Index:
        """Which initial values are to be found."""
        return np.empty(0, dtype=int) if callable(self.y0) else np.flatnonzero(np.isnan(self.y0))


class Parameters(NamedTuple):
    """names, start, lower and upper bounds (k,), and which are searched by their logarithm."""

    names: list[str]
    start: Real
    lower: Real
    upper: Real
    log: Flags

    @property
    def free(self) -> Index:
        """Which are not fixed by their bounds."""
        return np.flatnonzero(self.lower < self.upper)


def experiments(t: Any, y: Any, y0: Any, sigma: Any, t0: Any) -> tuple[list[Experiment], bool]:
    """The sets of data, and whether there are several, given as lists of arrays."""
    several = isinstance(t, (list, tuple)) and len(t) > 0 and np.ndim(t[0]) == 1
    if not several:
        return [_experiment(t, y, y0, sigma, t0, "")], False
    count = len(t)
    if not isinstance(y, (list, tuple)) or len(y) != count:
        raise ValueError(f"`y` must be a list of {count} arrays, as `t` is.")
    own_sigma = isinstance(sigma, (list, tuple)) and len(sigma) == count
    each = [_per_experiment(y0, count), list(sigma) if own_sigma else [sigma] * count, _per_experiment(t0, count)]
    sets = [
        _experiment(times, values, each[0][i], each[1][i], each[2][i], f"[{i}]")
        for i, (times, values) in enumerate(zip(t, y, strict=True))
    ]
    return sets, True


def _per_experiment(value: Any, count: int) -> list[Any]:
    """A list with one entry for each, or the same for all; numbers in a list are one array."""
    own = isinstance(value, (list, tuple)) and len(value) == count and (np.ndim(value[0]) > 0 or callable(value[0]))
    return list(value) if own else [value] * count


def _experiment(t: Any, y: Any, y0: Any, sigma: Any, t0: Any, which: str) -> Experiment:
    times: Real = arguments.numbers(t, f"t{which}", "(m,)", real=True)
    arguments.one_dimensional(times, f"t{which}")
    arguments.finite(times, f"`t{which}`")
    values: Real = np.atleast_2d(arguments.numbers(y, f"y{which}", "(k, m)", real=True))
    if values.ndim != 2 or values.shape[1] != times.size or not times.size:
        raise ValueError(f"`y{which}` must have the shape (k, {times.size}), as `t` has it, got {np.shape(y)}.")
    if np.isinf(values).any():
        raise ValueError(f"`y{which}` must be finite, or NaN where nothing was measured.")
    measured = ~np.isnan(values)
    deviation = _deviation(sigma, values, measured, which)
    if not measured.any():
        raise ValueError(f"`y{which}` holds no measurement.")
    start = float(times.min()) if t0 is None else arguments.number(t0, "t0")
    unique, column = np.unique(times, return_inverse=True)
    if unique[0] < start:
        raise ValueError(f"`t0` is {start}, but the data begin at {unique[0]}: they must not lie before it.")
    if callable(y0):
        return Experiment(unique, column, values, deviation, measured, start, y0)
    initial: Real = arguments.numbers(y0, f"y0{which}", "(n,)", real=True)
    arguments.one_dimensional(initial, f"y0{which}")
    if np.isinf(initial).any():
        raise ValueError(f"`y0{which}` must be finite, or NaN where it is to be found.")
    return Experiment(unique, column, values, deviation, measured, start, initial)


def _deviation(sigma: Any, y: Real, measured: Flags, which: str) -> Real:
    if sigma is None:
        return np.ones(y.shape)
    given: Real = arguments.numbers(sigma, f"sigma{which}", "() to (k, m)", real=True)
    if given.shape == (len(y),) and len(y) != y.shape[1]:
        given = given[:, None]
    try:
        deviation = np.array(np.broadcast_to(given, y.shape))
    except ValueError:
        raise ValueError(f"`sigma{which}` must broadcast to {y.shape}, got shape {given.shape}.") from None
    if not (deviation[measured] > 0.0).all():
        raise ValueError(f"`sigma{which}` must be positive.")
    return np.where(measured, deviation, 1.0)


def parameters(fun: Callable[..., Any], p0: Any, bounds: Any, scale: Any) -> Parameters:
    """Parameters by name: from the signature of `fun`, or p0, p1, ...."""
    named = _names(fun)
    if isinstance(p0, dict):
        if named is not None and set(p0) != set(named):
            raise ValueError(f"`p0` must name the parameters of `fun`, {named}, got {list(p0)}.")
        names = named or list(p0)
        start = np.array([arguments.number(p0[name], f"p0[{name!r}]") for name in names])
    else:
        start = np.atleast_1d(arguments.numbers(p0, "p0", "(k,)", real=True))
        arguments.one_dimensional(start, "p0")
        names = named if named is not None else [f"p{j}" for j in range(start.size)]
        if len(names) != start.size:
            raise ValueError(f"`p0` must hold {len(names)} numbers, for {names}, got {start.size}.")
    arguments.finite(start, "`p0`")
    lower, upper = _bounds(bounds, names)
    log = _log(scale, names)
    if not ((start >= lower) & (start <= upper)).all():
        raise ValueError(f"`p0` must lie within `bounds`, got {start}.")
    lower = np.where(log, np.maximum(lower, 0.0), lower)
    if not (start[log] > 0.0).all():
        raise ValueError("`p0` must be positive where `scale` is 'log'.")
    return Parameters(names, start, lower, upper, log)


def _names(fun: Any) -> list[str] | None:
    try:
        given = list(inspect.signature(getattr(fun, "py_func", fun)).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(parameter.kind == parameter.VAR_POSITIONAL for parameter in given):
        return None
    return [parameter.name for parameter in given[2:]]


def _bounds(bounds: Any, names: list[str]) -> tuple[Real, Real]:
    k = len(names)
    if isinstance(bounds, dict):
        unknown = set(bounds) - set(names)
        if unknown:
            raise ValueError(f"`bounds` name {sorted(unknown)}, which are no parameters: {names}.")
        bounds = tuple(zip(*(bounds.get(name, (-np.inf, np.inf)) for name in names), strict=True))
    lb, ub = getattr(bounds, "lb", None), getattr(bounds, "ub", None)
    try:
        low, high = (lb, ub) if lb is not None else bounds
        lower, upper = (np.array(np.broadcast_to(np.asarray(value, dtype=float), (k,))) for value in (low, high))
    except (TypeError, ValueError):
        raise ValueError(
            f"`bounds` must be (lower, upper), numbers or arrays of shape ({k},), got {bounds!r}."
        ) from None
    if not (lower <= upper).all():
        raise ValueError(f"`bounds` must have lower <= upper, got {bounds!r}.")
    return lower, upper


def _log(scale: Any, names: list[str]) -> Flags:
    if scale is None:
        return np.zeros(len(names), dtype=bool)
    if isinstance(scale, str):
        arguments.choice(scale, "scale", ("log", "linear"))
        return np.full(len(names), scale == "log")
    each = [scale.get(name) for name in names] if isinstance(scale, dict) else list(scale)
    if len(each) != len(names) or any(value not in (None, "log", "linear") for value in each):
        raise ValueError(f"`scale` must be 'log', or 'log' or None for each of {names}, got {scale!r}.")
    return np.array([value == "log" for value in each])
