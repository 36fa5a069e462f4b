"""Events of `solve_ivp`: zeros of functions g(t, y) along the trial solution of a window."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq

from ..arguments import EPS
from ..arrays import Number, Real
from ..trial.basis import Basis
from ..user.field import WithArgs
from .solved import SolvedWindow

__all__ = ["Event", "Events", "checked_events"]

# Points per window and function of its basis at which event functions are looked at: where the solution oscillates a
# window is about s/3 radians long, so that these are a dozen per radian. Not tuned.
_POINTS_PER_FUNCTION = 4
# Bounds on the place of a zero, relative and absolute: SciPy's.
_TO_ROUNDING = 4 * EPS
# What needs no further look.
_NUMBERS = frozenset({float, np.float64, int})


class Event:
    """An event function g(t, y) with what SciPy reads off it, and a check of what it returns.

    limit : after how many zeros the march ends, infinite if never
    terminal : the same as the user gave it, for SciPy
    direction : the sign of the change that counts, or 0
    """

    def __init__(self, function: Any, args: tuple[Any, ...] | None, name: str = "it") -> None:
        """name : of the function among `events`."""
        where = "" if name == "it" else f" ({name})"
        if not callable(function):
            raise TypeError(f"`events` must be callable as events(t, y), got {type(function).__name__}{where}.")
        self._name = name
        self._call = function if args is None else WithArgs(function, args)
        limit = getattr(function, "terminal", None)
        if limit is None or limit == 0:
            self.limit = math.inf
        elif (
            isinstance(limit, (bool, int, float, np.generic)) and 0.0 < float(limit) < math.inf and limit == int(limit)
        ):
            self.limit = float(limit)
        else:
            raise ValueError(
                f"The `terminal` attribute of `events` must be a boolean or a positive integer, got {limit!r}{where}."
            )
        self.terminal = limit
        self.direction = getattr(function, "direction", 0)
        if not isinstance(self.direction, (bool, int, float, np.generic)):
            raise ValueError(f"The `direction` attribute of `events` must be a number, got {self.direction!r}{where}.")

    def __call__(self, t: float, y: Number) -> float:
        """The value of the function; SciPy takes arrays of one number, too."""
        value = self._call(t, y)
        if type(value) in _NUMBERS:
            return float(value)
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            raise ValueError(f"`events` must return one real number, {self._name} returned {value!r}.")
        return float(array.reshape(()))


def checked_events(events: Any, args: tuple[Any, ...] | None) -> list[Event] | None:
    """One `Event` for each function, to be called with `args`."""
    if events is None:
        return None
    if callable(events):
        return [Event(events, args)]
    try:
        return [Event(function, args, f"events[{k}]") for k, function in enumerate(events)]
    except TypeError:
        if np.iterable(events):
            raise
        raise TypeError(f"`events` must be callable or a list of callables, got {type(events).__name__}.") from None


@functools.cache
def _points(basis: Basis) -> tuple[Real, Real]:
    """Where event functions are looked at, in units of the window, and from slopes at the nodes to values there."""
    xi = np.linspace(0.0, 1.0, _POINTS_PER_FUNCTION * basis.s + 1)
    return xi, basis.read(xi)[0]


class Events:
    """What event functions were last on a march, and their zeros.

    A zero is where a function is zero at, or changes its sign between, two of 4 s points of a window; a function that
    stays at zero counts once.

    Attributes
    ----------
    t, y : for each function the list of its zeros, and of the solution's values there
    y_end : the value at the zero that ended the march, if one did
    """

    y_end: Number

    def __init__(self, events: list[Event], t: float, y: Number) -> None:
        """t, y : where the march starts."""
        self._events = events
        self.t: list[list[float]] = [[] for _ in events]
        self.y: list[list[Number]] = [[] for _ in events]
        self._last = [event(t, y.copy()) for event in events]
        self._counted = [False] * len(events)  # whether the zero that a function is at has been found

    def look(self, window: SolvedWindow, end: float) -> float | None:
        """Find the zeros of a window that ends at `end`; where a terminal one ends the march, or None."""
        xi, reading = _points(window.basis)
        t = (window.start + window.h * xi).tolist()
        t[-1] = end
        y = window.y_start + window.h * (reading @ window.K)
        y[-1] = window.y_end
        found = []
        for k, event in enumerate(self._events):
            g = np.array([self._last[k], *(event(*point) for point in zip(t[1:], y[1:], strict=True))])
            found += [(at, k) for at in self._zeros(k, g, t, window)]
            self._last[k] = float(g[-1])
        for at, k in sorted(found, key=lambda each: abs(each[0] - window.start)):
            self.t[k].append(at)
            self.y[k].append(window.y_end.copy() if at == end else window.at(at))
            if len(self.t[k]) >= self._events[k].limit:
                self.y_end = self.y[k][-1]
                return at
        return None

    def _zeros(self, k: int, g: Real, t: list[float], window: SolvedWindow) -> list[float]:
        """The zeros of one function that is g at the points t."""
        sign = np.sign(g)
        wanted = np.sign(self._events[k].direction)
        zeros = []
        for i in np.flatnonzero(sign[:-1] * sign[1:] <= 0.0).tolist():
            before, after = sign[i], sign[i + 1]
            rising = after - before  # with the sign of the change, 0 where the function stays at zero
            if not (wanted == 0.0 or rising == 0.0 or np.sign(rising) == wanted):
                continue
            if before == 0.0:
                if not self._counted[k]:
                    zeros.append(t[i])
                self._counted[k] = after == 0.0
            elif after == 0.0:
                zeros.append(t[i + 1])
                self._counted[k] = True
            else:
                zeros.append(_located(self._events[k], window, t[i], t[i + 1]))
        return zeros

    def arrays(self) -> tuple[list[Real], list[Number]]:
        """The zeros and the values there, as in SciPy's result."""
        return [np.asarray(each) for each in self.t], [np.asarray(each) for each in self.y]


def _located(event: Callable[[float, Number], float], window: SolvedWindow, start: float, end: float) -> float:
    """The zero of a function between two times at which it has different signs."""

    def along(t: float) -> float:
        return event(t, window.at(t))

    values = along(start), along(end)
    if not values[0] * values[1] < 0.0:  # single points may differ from many at once in their last bits
        return start if abs(values[0]) < abs(values[1]) else end
    return float(brentq(along, start, end, xtol=_TO_ROUNDING, rtol=_TO_ROUNDING))
