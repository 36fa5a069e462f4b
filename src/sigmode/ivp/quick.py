"""A solution with its estimate where f is compiled and nobody looks on: two calls of compiled code."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arguments import SMALLEST_RTOL
from ..arrays import Index, Number, Real
from ..compiled import control as c
from ..compiled.begin import begin
from ..compiled.functions import Called
from ..compiled.whole import ASK_PYTHON, FINISH_PARTS, MARCH_PARTS, Setting, finish, march_through
from ..user.field import VectorField, compiled_on_nodes, is_compiled
from ..user.growth import fastest
from . import error
from .attempt import Attempt
from .bound import Worst
from .loop import FINISHED
from .march import MOST_COMPILED, March, why_it_ended
from .setting import ABSOLUTE_FLOOR, MAX_WINDOWS, checked_first_step, march_weights, width
from .tables import addresses_of, bases_of, of_networks, setting_of, tables_of

__all__ = ["quick"]

# Windows that there is room for at first where Python looks at kinks, four times as many the next time. Not tuned.
_ROOM = 64
_MORE_ROOM = 4
_NOTHING = np.empty(0)
_NO_LOOKS = frozenset({"vectorized", "callback", "first_step", "max_windows"})


class _Windows(NamedTuple):
    """The windows of a march, see `compiled.march.advance`; why it ended early, or None; calls of f, and matrices."""

    places: Real
    values: Real
    slopes: Real
    why: str | None
    nfev: int
    njev: int
    nlu: int


def quick(
    otherwise: Callable[..., Attempt],
    fun: Callable[..., Any],
    t_span: tuple[float, float],
    y0: Number,
    t_eval: Number | None,
    tolerances: tuple[Number, Number],
    controlled: bool,
    max_step: float,
    options: dict[str, Any],
) -> Callable[..., Attempt]:
    """`otherwise`, or for a real compiled f what does the same faster; where it cannot go on it leaves all to that."""
    plain = _NO_LOOKS.issuperset(options) and not options["vectorized"] and is_compiled(fun)
    if not plain or not 0 < y0.size <= MOST_COMPILED or y0.dtype.kind == "c" or t_span[0] == t_span[1]:
        return otherwise
    code = compiled_on_nodes(fun, y0.size) if math.isfinite(t_span[1]) else None
    if not isinstance(code, Called):
        return otherwise
    return _Quick(otherwise, fun, code, t_span, y0, t_eval, tolerances, controlled, max_step, options)


class _Quick:
    """Attempts in compiled code."""

    def __init__(
        self,
        otherwise: Callable[..., Attempt],
        fun: Callable[..., Any],
        code: Called,
        t_span: tuple[float, float],
        y0: Number,
        t_eval: Number | None,
        tolerances: tuple[Number, Number],
        controlled: bool,
        max_step: float,
        options: dict[str, Any],
    ) -> None:
        self._otherwise, self._fun, self._code, self._span, self._y0 = otherwise, fun, code, t_span, y0
        self._t_eval, self._tolerances, self._controlled = t_eval, tolerances, controlled
        self._max_step = arguments.positive(max_step, "max_step", infinite=True)
        first_step = options.get("first_step")
        self._first = 0.0 if first_step is None else checked_first_step(first_step, *t_span)
        self._most = arguments.count(options.get("max_windows", MAX_WINDOWS), "max_windows")

    def __call__(self, factor: float, longest: float, number: int, rtol: Real, atol: Real) -> Attempt:
        """See `Attempts`."""
        found = self._attempt(factor, longest, rtol, atol)
        return self._otherwise(factor, longest, number, rtol=rtol, atol=atol) if found is None else found

    def _attempt(self, factor: float, longest: float, rtol: Real, atol: Real) -> Attempt | None:
        words = self._code.words()
        if words is None:
            return None
        s, n = width(rtol), self._y0.size
        limits = {"max_step": min(self._max_step, longest), "max_windows": self._most}
        setting = setting_of(*self._tolerances, n, self._controlled, self._first, limits, factor)
        windows = self._windows(words, s, setting, rtol, atol)
        if windows is None or not len(windows.places):
            return None
        everywhere, probe = self._t_eval is None, windows.why is None and math.isinf(longest)
        status, of_second, worst, df_dy, seen, networks, errors, gap = finish(
            addresses_of(FINISH_PARTS), self._code.address, words, windows.places, windows.values, windows.slopes,
            setting, tables_of(s), probe, _NOTHING if everywhere else self._t_eval, everywhere,
        )  # fmt: skip
        calls, done, missed, looked = of_second
        if status == ASK_PYTHON:
            return None
        x, h, y, V, bias = networks
        growing = self._growing(setting, x, y, h, df_dy[:looked], s) if looked else 0.0
        if looked and not growing and probe:  # noise of df/dy: then f was not looked at between the nodes
            return None
        why = windows.why
        res = OptimizeResult(t=seen[0], y=seen[1], status=-1 if why else 0, success=not why, message=why or FINISHED)
        res.nfev, res.nlu, res.njev = windows.nfev + calls, windows.nlu, windows.njev + min(done + 1, len(h))
        res.t_events = res.y_events = None
        res.sol = of_networks(x, y, V, bias, bases_of(s), h, *errors)
        res.error, res.gap = seen[2], gap
        return Attempt(
            res, Worst(*worst), error.FOLLOWED * s / growing if growing else math.inf, lambda: (missed, 0)
        )  # fmt: skip

    def _windows(self, words: Index, s: int, setting: Setting, rtol: Real, atol: Real) -> _Windows | None:
        """The march; None where compiled code is not enough."""
        asked, numbers, counts, places, values, slopes = march_through(
            addresses_of(MARCH_PARTS), self._code.address, words, *self._span, self._y0, setting, tables_of(s)
        )
        if asked == c.ACCEPTED:
            why = None
        elif asked in (c.TOO_SMALL, c.LIMIT, c.STUCK, c.NOT_FINITE):
            t, bad_t = numbers[[c.T, c.BAD_T]].tolist()
            why = why_it_ended(asked, t, bad_t, int(counts[c.BAD]), self._most)
        else:
            return self._with_looks(words, s, setting.max_step, rtol, atol)
        nfev, njev, nlu = counts[[c.NFEV, c.NJEV, c.NLU]].tolist()
        return _Windows(places, values, slopes, why, nfev, njev, nlu)

    def _with_looks(self, words: Index, s: int, longest: float, rtol: Real, atol: Real) -> _Windows | None:
        """The march once more, with Python looking at kinks; None where f is noisy, or cannot be called."""
        field = VectorField(self._fun, self._y0.size, self._y0.dtype, False, said=True)
        weights = march_weights(rtol, atol, field.n)
        f = np.empty(field.n)
        code, (t0, bound) = (self._code.address, words), self._span
        h_abs, field.nfev = begin(*code, t0, bound, longest, ABSOLUTE_FLOOR, self._y0, f, weights[2], s)
        if h_abs < 0.0:
            return None
        h_abs = self._first or h_abs
        march = March(
            bases_of(s).own, field, weights, self._span, self._y0, f, longest, self._most, h_abs, _NOTHING
        )  # fmt: skip
        parts: list[tuple[Real, Real, Real]] = []
        why, room = None, _ROOM
        while why is None and march.t != bound and march.noise is None:
            part, stopped = march.stacked(room)
            if isinstance(stopped, Exception):
                raise stopped
            parts.append(part)
            why = stopped
            if len(part[0]) == room:  # and not a kink, at which Python has a look
                room *= _MORE_ROOM
        if march.noise is not None:
            return None
        places, values, slopes = (np.concatenate(each) for each in zip(*parts, strict=True))
        return _Windows(places, values, slopes, why, field.nfev, field.njev, march.nlu)

    def _growing(self, setting: Setting, x: Real, y: Real, h: Real, df_dy: Real, s: int) -> float:
        """The fastest growth of errors that is too fast to be followed, or zero."""
        field = VectorField(self._fun, self._y0.size, self._y0.dtype, False, said=True)
        least = error.followed(h, s)
        small = np.where(setting.atol > 0.0, setting.atol / np.maximum(setting.rtol, SMALLEST_RTOL), 0.0)
        return error.fastest_growth(field, small, (x[:-1], y, h), _that_may_grow(df_dy, least, h), least)


def _that_may_grow(df_dy: Real, least: Real, h: Real) -> list[Any]:
    """df/dy of the windows in which an eigenvalue allows too much growth, of the others None."""
    found: list[Any] = [None] * len(df_dy)
    at = np.flatnonzero(abs(df_dy).sum(axis=2).max(axis=1) > least[: len(df_dy)])
    growth = fastest(df_dy[at] * np.sign(h[at, None, None]))
    for k in at[growth > least[at]].tolist():
        found[k] = df_dy[k]
    return found
