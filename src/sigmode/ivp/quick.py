"""A solution with its estimate where nobody looks on: the march, and one compiled call for all that is made of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arguments import SMALLEST_RTOL
from ..arrays import Index, Real
from ..compiled.whole import ASK_PYTHON, FINISH_PARTS, Setting, finish
from ..user.field import VectorField
from . import error
from .attempt import Attempt
from .bound import Worst
from .events import Event, Events
from .loop import ENDED_BY_EVENT, FINISHED
from .march import March
from .setting import MAX_WINDOWS, checked_first_step, width
from .tables import addresses_of, bases_of, of_networks, setting_of, tables_of

__all__ = ["Problem", "Quick", "Second", "Windows", "all_windows"]

# Windows that there is room for at first where the march may stop to ask Python, four times as many the next time. Not
# tuned.
_ROOM, _MORE_ROOM = 64, 4
_NOTHING = np.empty(0)


class Problem(NamedTuple):
    """What is to be solved; tolerances : rtol and atol, (n,); controlled : whether the estimate has to meet them."""

    fun: Callable[..., Any]
    t_span: tuple[float, float]
    y0: Real
    t_eval: Real | None
    tolerances: tuple[Real, Real]
    controlled: bool
    max_step: float
    options: dict[str, Any]
    events: list[Event] | None = None


class Windows(NamedTuple):
    """The windows of a march, see `compiled.march.advance`; why it ended early, or None; calls of f, and matrices.

    noise : a sentence about that of f, or None; events : what was found of them; at : where a terminal one ended the
    march, in its last window, or None
    """

    places: Real
    values: Real
    slopes: Real
    why: str | None
    nfev: int
    njev: int
    nlu: int
    noise: str | None = None
    events: Events | None = None
    at: float | None = None


class Second(NamedTuple):
    """What `finish` is to know of the second march; calls of f, of df/dy, and matrices that it does not count."""

    known: tuple[Real, Real, Real, Real, int]
    nfev: int
    njev: int
    nlu: int


class Quick:
    """Attempts at a real problem that nobody looks on at."""

    def __init__(self, otherwise: Callable[..., Attempt], problem: Problem) -> None:
        """otherwise : the attempts that all is left to where this cannot go on."""
        self._otherwise, self._problem = otherwise, problem
        self._longest = arguments.positive(problem.max_step, "max_step", infinite=True)
        first_step = problem.options.get("first_step")
        self._first = 0.0 if first_step is None else checked_first_step(first_step, *problem.t_span)
        self._most = arguments.count(problem.options.get("max_windows", MAX_WINDOWS), "max_windows")

    # What `finish` calls.
    _parts: tuple[Any, ...] = FINISH_PARTS

    def _code(self) -> tuple[int, Index] | None:
        """The address of f, and what it is given, as `functions.Called` has them; None where it cannot be called."""
        raise NotImplementedError

    def _windows(self, code: tuple[int, Index], s: int, setting: Setting, rtol: Real, atol: Real) -> Windows | None:
        """The march; None where this is not enough."""
        raise NotImplementedError

    def _second_march(self, windows: Windows, s: int, setting: Setting) -> Second:
        """Beside the first, if `finish` is not to make it."""
        raise NotImplementedError

    def _field_of(self, y: Real) -> VectorField:
        """f, at points like y (., n)."""
        return VectorField(self._problem.fun, y.shape[1], y.dtype, False, said=True)

    def _is_refuted(self) -> bool:
        """Whether f turned out to have been called in a wrong way."""
        return False

    def _raise_what_f_raised(self) -> None:
        """Raise an exception of f that compiled code was not let through."""

    def __call__(self, factor: float, longest: float, number: int, rtol: Real, atol: Real) -> Attempt:
        """See `Attempts`."""
        found = self._attempt(factor, longest, rtol, atol)
        return self._otherwise(factor, longest, number, rtol=rtol, atol=atol) if found is None else found

    def _attempt(self, factor: float, longest: float, rtol: Real, atol: Real) -> Attempt | None:
        code, problem = self._code(), self._problem
        if code is None:
            return None
        s, n = width(rtol), problem.y0.size
        limits = {"max_step": min(self._longest, longest), "max_windows": self._most}
        setting = setting_of(*problem.tolerances, n, problem.controlled, self._first, limits, factor)
        windows = self._windows(code, s, setting, rtol, atol)
        if windows is None or not len(windows.places):
            return None
        second = self._second_march(windows, s, setting)
        everywhere, probe = problem.t_eval is None, windows.why is None and math.isinf(longest)
        status, of_second, worst, df_dy, seen, networks, errors, gap = finish(
            addresses_of(self._parts), *code, *windows[:3], setting, tables_of(s), probe,
            _NOTHING if everywhere else problem.t_eval, everywhere, second.known,
        )  # fmt: skip
        calls, done, missed, looked = of_second
        self._raise_what_f_raised()
        if self._is_refuted():
            return self._attempt(factor, longest, rtol, atol)
        if status == ASK_PYTHON:
            return None
        x, h, y, V, bias = networks
        growing = self._growing(setting, x, y, h, df_dy[:looked], s) if looked else 0.0
        if looked and not growing and probe:  # noise of df/dy: then f was not looked at between the nodes
            return None
        why = windows.why
        res = OptimizeResult(nfev=windows.nfev + second.nfev + calls)
        res.njev, res.nlu = windows.njev + (second.njev or min(done + 1, len(h))), windows.nlu + second.nlu
        res.success, res.status, res.message = not why, -1 if why else 0, why or FINISHED
        res.t_events, res.y_events = windows.events.arrays() if windows.events else (None, None)
        res.t, res.y = seen[0], seen[1]
        res.sol = of_networks(x, y, V, bias, bases_of(s), h, *errors)
        res.error, res.gap = seen[2], gap
        if windows.at is not None:
            if not worst[0] <= 1.0:  # perhaps behind the event
                return None
            _end_at(res, windows.at, everywhere)
        return Attempt(
            res, Worst(*worst), error.FOLLOWED * s / growing if growing else math.inf, lambda: (missed, 0),
            windows.noise,
        )  # fmt: skip

    def _growing(self, setting: Setting, x: Real, y: Real, h: Real, df_dy: Real, s: int) -> float:
        """The fastest growth of errors that is too fast to be followed, or zero."""
        field = self._field_of(y)
        least = error.followed(h, s)
        small = np.where(setting.atol > 0.0, setting.atol / np.maximum(setting.rtol, SMALLEST_RTOL), 0.0)
        return error.fastest_growth(field, small, (x[:-1], y, h), df_dy, least)


def _end_at(res: OptimizeResult, at: float, everywhere: bool) -> None:
    """Cut a result off at a terminal event, which becomes its last time if these are its own."""
    res.status, res.message = 1, ENDED_BY_EVENT
    res.sol.x[-1] = at
    before = (res.t - at) * (1.0 if res.sol.h[0] > 0.0 else -1.0)
    inside = before < 0.0 if everywhere else before <= 0.0
    res.t, res.y, res.error = res.t[inside], res.y[:, inside], res.error[:, inside]
    if everywhere:
        res.t = np.append(res.t, at)
        res.y = np.column_stack([res.y, res.sol(at)])
        res.error = np.column_stack([res.error, res.sol.error(at)])


def all_windows(march: March, field: VectorField) -> Windows:
    """Those up to the end of a march in compiled code that asks Python for kinks."""
    parts: list[tuple[Real, Real, Real]] = []
    why, room = None, _ROOM
    while why is None and march.t != march.bound:
        part, stopped = march.stacked(room if march.noise is None else 1)
        if isinstance(stopped, Exception):
            raise stopped
        parts.append(part)
        why = stopped
        if len(part[0]) == room:  # and not a kink, at which Python has a look
            room *= _MORE_ROOM
    places, values, slopes = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    return Windows(places, values, slopes, why, field.nfev, field.njev, march.nlu, march.noise_message)
