"""The loop over windows of a march without events: the result of `scipy.integrate.solve_ivp` without its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ..arrays import Number
from ..trial.solution import Solution
from .method import STOPPED, NeuralCollocation

__all__ = ["solve"]

_FINISHED = "The solver successfully reached the end of the integration interval."  # SciPy's words


def solve(
    method: type[NeuralCollocation],
    fun: Callable[..., Any],
    t_span: tuple[float, float],
    y0: Number,
    t_eval: Number | None,
    vectorized: bool,
    options: dict[str, Any],
) -> tuple[OptimizeResult, Solution]:
    """The result, without `sol`, and the solution.

    A march that `callback` stopped ends with the window that it saw last.
    """
    solver = method(fun, t_span[0], y0, t_span[1], vectorized=vectorized, **options)
    t, y = [solver.t], [solver.y]
    windows: list[Any] = []
    message: str | None = None
    while solver.status == "running":
        message = solver.step()
        if solver.status == "failed" and message != STOPPED:
            break
        if solver.window is not None and (not windows or solver.window is not windows[-1]):
            windows.append(solver.window)
        t.append(solver.t)
        y.append(solver.y)
    finished = solver.status == "finished"
    sol = _joined(windows, t[-1]) if windows else Solution.constant(t[0], t[-1], solver.y)
    res = OptimizeResult(
        t=np.array(t), y=np.array(y).T.reshape(solver.n, len(t)), t_events=None, y_events=None,
        nfev=solver.nfev, njev=solver.njev, nlu=solver.nlu,
        status=0 if finished else -1, message=_FINISHED if finished else message, success=finished,
    )  # fmt: skip
    if t_eval is not None:
        some = bool(windows) or finished
        res.t = t_eval[(t_eval - t[-1]) * solver.direction <= 0.0] if some else np.empty(0)
        res.y = sol(res.t)
    return res, sol


def _joined(windows: list[Any], end: float) -> Solution:
    """One solution of the windows, whose networks share their hidden layer."""
    first = windows[0]
    h = np.array([window.h for window in windows])
    starts = np.array([window.y_start for window in windows])
    if starts.dtype.kind == "c":
        theta = np.array([window.theta for window in windows])
    else:
        slopes = np.array([window.K for window in windows]).transpose(2, 0, 1)
        rises = np.array([window.y for window in windows]) - starts
        theta = first.basis.thetas(slopes, h, rises.T)
    x = np.array([window.start for window in windows] + [end])
    return Solution(x, starts, theta, first.network, h=h)
