"""What is fitted to what: data, parameters, initial values, as users give them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import arguments
from ..arrays import Flags, Index, Real
from ..trial.archive import stored

__all__ = ["Experiment", "Parameters", "bounds_of_y0", "experiments", "names_of_y0", "parameters"]

_ENDLESS = -np.inf, np.inf


@stored("times", "column", "y", "sigma", "measured", "t0", "y0", "constants")
class Experiment(NamedTuple):
    """One set of data.

    times (q,), increasing, no two of them the same; column (m,) : which of them each measurement has; y, sigma (k, m);
    measured (k, m); t0 : where the initial values hold; y0 (n,), NaN where they are to be found, or a function of the
    parameters; constants : what `fun` gets behind the parameters.
    """

    times: Real
    column: Index
    y: Real
    sigma: Real
    measured: Flags
    t0: float
    y0: Any
    constants: tuple[Any, ...] = ()

    @property
    def free(self) -> Index:
        """Which initial values are to be found."""
        return np.empty(0, dtype=int) if callable(self.y0) else np.flatnonzero(np.isnan(self.y0))


@stored("names", "start", "lower", "upper", "log", "own", "place")
class Parameters(NamedTuple):
    """All numbers that are parameters: those that experiments do not share one for each, as ``k[0]``, ``k[1]``.

    names, start, lower and upper bounds (N,), and which are searched by their logarithm; own : the names as `fun` has
    them; place (experiments, k) : which of the N numbers each parameter of `fun` is.
    """

    names: list[str]
    start: Real
    lower: Real
    upper: Real
    log: Flags
    own: list[str]
    place: Index

    @property
    def free(self) -> Index:
        """Which are not fixed by their bounds."""
        return np.flatnonzero(self.lower < self.upper)

    def by_name(self, values: Real) -> dict[str, Any]:
        """The parameters as `fun` names them: numbers, arrays of them where experiments do not share one."""
        given = ((name, values[self.place[:, j]]) for j, name in enumerate(self.own))
        local = (self.place != self.place[:1]).any(axis=0).tolist()
        return {name: own if many else float(own[0]) for (name, own), many in zip(given, local, strict=True)}


def experiments(t: Any, y: Any, y0: Any, sigma: Any, t0: Any, args: Any) -> tuple[list[Experiment], bool]:
    """The sets of data, and whether there are several, given as lists of arrays."""
    several = isinstance(t, (list, tuple)) and len(t) > 0 and np.ndim(t[0]) == 1
    if not several:
        return [_experiment(t, y, y0, sigma, t0, "")._replace(constants=_constants(args))], False
    count = len(t)
    if not isinstance(y, (list, tuple)) or len(y) != count:
        raise ValueError(f"`y` must be a list of {count} arrays, as `t` is.")
    own_args = isinstance(args, list)
    if own_args and len(args) != count:
        raise ValueError(f"`args` must be a tuple, or a list of {count} tuples, got {len(args)} of them.")
    constants = [_constants(each) for each in (args if own_args else [args] * count)]
    if len({len(each) for each in constants}) > 1:
        raise ValueError("`args` must have the same length for all experiments.")
    own_sigma = isinstance(sigma, (list, tuple)) and len(sigma) == count
    each = [_per_experiment(y0, count), list(sigma) if own_sigma else [sigma] * count, _per_experiment(t0, count)]
    sets = [
        _experiment(times, values, each[0][i], each[1][i], each[2][i], f"[{i}]")._replace(constants=constants[i])
        for i, (times, values) in enumerate(zip(t, y, strict=True))
    ]
    return sets, True


def _constants(args: Any) -> tuple[Any, ...]:
    """What `fun` gets behind the parameters, integers as floating-point numbers."""
    if not isinstance(args, tuple):
        raise arguments.no_tuple(args)
    return tuple(float(value) if type(value) is int else value for value in args)


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


def parameters(
    fun: Callable[..., Any], p0: Any, bounds: Any, scale: Any, local: Any, sets: list[Experiment]
) -> Parameters:
    """Parameters by name: from the signature of `fun`, or p0, p1, ...."""
    own, given = _given(fun, p0, len(sets[0].constants))
    local = (local,) if isinstance(local, str) else tuple(local)
    if not set(local) <= set(own):
        raise ValueError(f"`local` must name parameters, some of {own}, got {local}.")
    places, starts, whose = [], [], []
    names: list[str] = []
    for j, name in enumerate(own):
        count = len(sets) if name in local else 1
        value: Real = arguments.numbers(given[j], f"p0[{name!r}]", "()" if count == 1 else f"({count},)", real=True)
        if value.shape not in ((), (count,)) or (value.ndim and name not in local):
            raise ValueError(
                f"`p0[{name!r}]` must be a number{f' or {count} of them' * (count > 1)}, got {given[j]!r}."
            )
        places.append(len(names) + np.arange(count))
        names += [f"{name}[{i}]" for i in range(count)] if name in local else [name]
        starts += np.broadcast_to(value, (count,)).tolist()
        whose += [j] * count
    start = np.array(starts, dtype=float)
    arguments.finite(start, "`p0`")
    lower, upper = _bounds(bounds, own, names, whose, sets)
    log = _log(scale, own)[whose]
    if not ((start >= lower) & (start <= upper)).all():
        raise ValueError(f"`p0` must lie within `bounds`, got {start}.")
    lower = np.where(log, np.maximum(lower, 0.0), lower)
    if not (start[log] > 0.0).all():
        raise ValueError("`p0` must be positive where `scale` is 'log'.")
    place = np.array([np.broadcast_to(each, (len(sets),)) for each in places], dtype=int).reshape(-1, len(sets)).T
    return Parameters(names, start, lower, upper, log, own, place)


def _given(fun: Callable[..., Any], p0: Any, constants: int) -> tuple[list[str], list[Any]]:
    """Names of parameters, and a start for each."""
    named = _names(fun)
    named = named if named is None or not constants else named[:-constants]
    if isinstance(p0, dict):
        if named is not None and set(p0) != set(named):
            raise ValueError(f"`p0` must name the parameters of `fun`, {named}, got {list(p0)}.")
        names = named or list(p0)
        return names, [p0[name] for name in names]
    start = list(p0) if isinstance(p0, (list, tuple)) else np.atleast_1d(arguments.numbers(p0, "p0", "(k,)", real=True))
    if isinstance(start, np.ndarray):
        arguments.one_dimensional(start, "p0")
    names = named if named is not None else [f"p{j}" for j in range(len(start))]
    if len(names) != len(start):
        raise ValueError(f"`p0` must hold {len(names)} numbers, for {names}, got {len(start)}.")
    return names, list(start)


def _names(fun: Any) -> list[str] | None:
    try:
        given = list(inspect.signature(getattr(fun, "py_func", fun)).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(parameter.kind == parameter.VAR_POSITIONAL for parameter in given):
        return None
    return [parameter.name for parameter in given[2:]]


def names_of_y0(sets: list[Experiment]) -> list[str]:
    """Of the initial values that are to be found."""
    many = len(sets) > 1
    return [f"y0{f'[{i}]' if many else ''}[{k}]" for i, each in enumerate(sets) for k in each.free]


def _bounds(
    bounds: Any, own: list[str], names: list[str], whose: list[int], sets: list[Experiment]
) -> tuple[Real, Real]:
    """Lower and upper bounds of all numbers that are parameters."""
    k = len(own)
    if isinstance(bounds, dict):
        unknown = set(bounds) - {*own, *names, *names_of_y0(sets)}
        if unknown:
            raise ValueError(
                f"`bounds` name {sorted(unknown)}, which are no parameters: {[*names, *names_of_y0(sets)]}."
            )
        pairs = [bounds.get(name, bounds.get(own[j], _ENDLESS)) for name, j in zip(names, whose, strict=True)]
        return _pairs(pairs, bounds)
    lb, ub = getattr(bounds, "lb", None), getattr(bounds, "ub", None)
    try:
        low, high = (lb, ub) if lb is not None else bounds
        lower, upper = (np.array(np.broadcast_to(np.asarray(value, dtype=float), (k,))) for value in (low, high))
    except (TypeError, ValueError):
        raise ValueError(
            f"`bounds` must be (lower, upper), numbers or arrays of shape ({k},), got {bounds!r}."
        ) from None
    return _pairs(list(zip(lower[whose], upper[whose], strict=True)), bounds)


def bounds_of_y0(bounds: Any, sets: list[Experiment]) -> tuple[Real, Real]:
    """Lower and upper bounds of the initial values that are to be found, by name in a dict."""
    given = bounds if isinstance(bounds, dict) else {}
    return _pairs([given.get(name, _ENDLESS) for name in names_of_y0(sets)], bounds)


def _pairs(pairs: list[Any], bounds: Any) -> tuple[Real, Real]:
    try:
        both = np.array(pairs, dtype=float).reshape(len(pairs), 2)
    except (TypeError, ValueError):
        raise ValueError(f"`bounds` must be pairs of numbers, got {bounds!r}.") from None
    if not (both[:, 0] <= both[:, 1]).all():
        raise ValueError(f"`bounds` must have lower <= upper, got {bounds!r}.")
    return both[:, 0].copy(), both[:, 1].copy()


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
