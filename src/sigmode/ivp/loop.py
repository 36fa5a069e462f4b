"""The loop over windows: the result of `scipy.integrate.solve_ivp`, with events found on the solution itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ..arrays import Index, Number, Real
from ..compiled.report import MOST_POINTS_PER_FUNCTION, SHORT_WINDOW, STRAIGHT
from ..trial.solution import Solution, constant
from ..trial.windows import values_and_slopes
from ..user.field import VectorField
from .events import Event, Events
from .method import NeuralCollocation
from .solved import SolvedWindow

__all__ = ["ENDED_BY_EVENT", "FINISHED", "solve"]

# SciPy's words.
FINISHED = "The solver successfully reached the end of the integration interval."
ENDED_BY_EVENT = "A termination event occurred."
# Windows that are marched on by at a time, without events and, for a compiled f, with events: these may end it before.
# Not tuned.
_MANY, _FEW = 64, 4
_TINY = float(np.finfo(float).tiny)


def solve(
    method: type[NeuralCollocation],
    fun: Callable[..., Any],
    t_span: tuple[float, float],
    y0: Number,
    t_eval: Number | None,
    events: list[Event] | None,
    options: dict[str, Any],
) -> tuple[OptimizeResult, Solution, VectorField]:
    """The result, without `sol` but with a sentence about the noise of `fun`, if it has any, the solution, and its f.

    A march that `callback` stopped ends with the window that it saw last.
    """
    substeps = options.pop("substeps", None)
    steps = 1 if substeps is None else substeps  # checked there
    solver = method(fun, t_span[0], y0, t_span[1], substeps=steps, **options)
    solver.warns = False
    watched = Events(events, solver.t, solver.y) if events is not None else None
    windows: list[SolvedWindow] = []
    message: str | None = None
    at = None
    many = _MANY if events is None else _FEW if solver.field.compiled else 1
    while message is None and at is None and solver.n and solver.t != solver.t_bound:
        new, message = solver.go_on(many)
        for window in new:
            windows.append(window)
            at = watched.look(window, window.end) if watched else None
            if at is not None:
                break
    finished = message is None or at is not None
    end = at if at is not None else windows[-1].end if windows else solver.t if message else t_span[1]
    res = OptimizeResult(nfev=solver.nfev, njev=solver.njev, nlu=solver.nlu, success=finished, status=-1)
    res.message = message
    res.noise = solver.noise_message
    if finished:
        res.status, res.message = (1, ENDED_BY_EVENT) if at is not None else (0, FINISHED)
    res.t_events, res.y_events = watched.arrays() if watched else (None, None)
    if not windows:
        sol = constant(t_span[0], end, solver.y)
        res.t = np.array([t_span[0], end] if finished else [end])
    else:
        stacked = _Stacked(windows)
        sol = stacked.joined(end)
        parts = stacked.parts(solver.atol, solver.rtol) if substeps is None else np.full(len(windows), substeps)
        res.t = _times(sol.x, parts)
    if t_eval is not None:
        inside = (t_eval - end) * solver.direction <= 0.0
        res.t = t_eval[inside] if windows or finished else np.empty(0)
    res.y = np.ascontiguousarray(values_and_slopes(sol, res.t)[0].T) if windows else sol(res.t)
    if t_eval is None and windows and at is None:
        res.y[:, -1] = windows[-1].y_end
    return res, sol, solver.field


class _Stacked:
    """All windows of a march, whose networks share their hidden layer, as arrays."""

    def __init__(self, windows: list[SolvedWindow]) -> None:
        self._windows = windows
        self._basis = windows[0].basis
        self._h = np.array([window.h for window in windows])
        self._starts = np.array([window.y_start for window in windows])
        self._slopes = np.array([window.K for window in windows])

    def joined(self, end: float) -> Solution:
        """One solution."""
        windows = self._windows
        if self._starts.dtype.kind == "c":
            theta = np.array([window.theta for window in windows])
        else:
            rises = np.array([window.y for window in windows]) - self._starts
            theta = self._basis.thetas(self._slopes.transpose(2, 0, 1), self._h, rises.T)
        x = np.array([window.start for window in windows] + [end])
        return Solution(x, self._starts, theta, windows[0].network, h=self._h)

    def parts(self, atol: Real, rtol: Real) -> Index:
        """Into how many parts each window is to be cut so that straight lines follow the solution, (K,).

        A line over the part 1/c of a window is off by at most y''/(8 c**2), y'' by xi.
        """
        basis, slopes, h = self._basis, self._slopes, self._h[:, None, None]
        values = h * (basis.A @ slopes)
        values += self._starts[:, None]
        values = np.concatenate([self._starts[:1], values.reshape(-1, values.shape[2])])
        extent = np.ptp(values.real, axis=0)
        if values.dtype.kind == "c":
            extent = np.maximum(extent, np.ptp(values.imag, axis=0))
        allowed = STRAIGHT * np.maximum(extent, atol + rtol * abs(values).max(axis=0)) + _TINY
        bends = slopes[:, 1:] - slopes[:, :-1]
        bends /= basis.gaps[:, None]
        bend = abs(h * bends).max(axis=1)
        parts = np.ceil(np.sqrt((bend / (8.0 * allowed)).max(axis=1)))
        return np.asarray(np.minimum(np.maximum(parts, 1), MOST_POINTS_PER_FUNCTION * basis.s), dtype=np.int64)


def _times(x: Real, parts: Index) -> Real:
    """The ends x (K + 1,) of windows, and the points that cut each into as many parts, where these are distinct."""
    lengths = np.diff(x)
    parts = np.where(abs(lengths) < SHORT_WINDOW * np.spacing(abs(x[1:])), 1, parts)
    ends = np.cumsum(parts)
    which = np.arange(ends[-1]) - np.repeat(ends - parts, parts)
    times = np.repeat(x[:-1], parts) + np.repeat(lengths, parts) * which / np.repeat(parts, parts)
    return np.append(times, x[-1])
