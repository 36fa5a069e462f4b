"""The loop over windows: the result of `scipy.integrate.solve_ivp`, with events found on the solution itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ..arrays import Index, Number, Real
from ..trial.solution import Solution, constant
from ..trial.windows import values_and_slopes
from ..user.field import VectorField
from .events import Event, Events
from .method import NeuralCollocation
from .solved import SolvedWindow
from .times import cut, parts_of

__all__ = ["ENDED_BY_EVENT", "FINISHED", "solve"]

# SciPy's words.
FINISHED = "The solver successfully reached the end of the integration interval."
ENDED_BY_EVENT = "A termination event occurred."
# Windows that are marched on by at a time, without events and, for a compiled f, with events: these may end it before.
# Not tuned.
_MANY, _FEW = 64, 4


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
        y_end = windows[-1].y_end if watched is None or at is None else watched.y_end
        tolerance = solver.atol, solver.rtol
        parts = stacked.parts(sol.x, y_end, tolerance) if substeps is None else np.full(len(windows), substeps)
        res.t = cut(sol.x, parts)
    if t_eval is not None:
        inside = (t_eval - end) * solver.direction <= 0.0
        res.t = t_eval[inside] if windows or finished else np.empty(0)
    res.y = np.ascontiguousarray(values_and_slopes(sol, res.t)[0].T) if windows else sol(res.t)
    if t_eval is None and windows:
        res.y[:, -1] = y_end
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

    def parts(self, x: Real, y_end: Number, tolerance: tuple[Real, Real]) -> Index:
        """Into how many parts each window is to be cut so that straight lines follow the solution, (K,)."""
        return parts_of(x, self._h, self._starts, self._slopes, y_end, self._basis, tolerance)
