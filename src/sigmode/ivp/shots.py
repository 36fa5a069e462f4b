"""One problem with a compiled f solved again and again, with its derivatives: the trial points of a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Index, Real
from ..compiled.functions import Called
from ..compiled.shot import SHOT_PARTS, shoot
from ..compiled.whole import ASK_PYTHON
from ..user.field import WithArgs, compiled_on_nodes
from .march import MOST_COMPILED
from .partials import FLOOR, STEP
from .sensitivity import SensitivitySolution
from .setting import width
from .tables import addresses_of, bases_of, of_networks, setting_of, tables_of

__all__ = ["Shot", "Shots"]


class Shot(NamedTuple):
    """y, error (n, m), dy_dy0 (n, n, m), dy_dp (n, k, m) at the times, or at none; calls of f; windows."""

    y: Real
    error: Real
    dy_dy0: Real
    dy_dp: Real
    nfev: int
    windows: int
    solution: Callable[[], SensitivitySolution]


class Shots:
    """dy/dt = f(t, y, *p, *constants) with a compiled f, without control of the global error."""

    def __init__(self, code: Called, rtol: float, atol: float, n: int, k: int) -> None:
        """k : how many of the arguments are parameters, floating-point numbers."""
        self._code, self._n, self._k = code, n, k
        functions = width(np.array([rtol]))
        self._setting = setting_of(np.array([rtol]), np.array([atol]), n, False, 0.0, {})
        self._bases, self._tables = bases_of(functions), tables_of(functions)
        self._rest = code.words()

    @staticmethod
    def of(fun: Callable[..., Any], args: tuple[Any, ...], k: int, n: int, rtol: float, atol: float) -> Shots | None:
        """None where that is nothing for compiled code."""
        if not 0 < n <= MOST_COMPILED or not all(type(value) is float for value in args):
            return None
        code = compiled_on_nodes(WithArgs(fun, args) if args else fun, n)
        return Shots(code, rtol, atol, n, k) if isinstance(code, Called) else None

    def __call__(
        self, span: tuple[float, float], y0: Real, p: Real, free: Index, times: Real, most: int
    ) -> Shot | None:
        """At the times, with derivatives by y0 and by the parameters `free`; None where only `sensitivity` can say.

        At no times where the solution ends before the last of them, or takes more than so many windows.
        """
        assert self._rest is not None
        words = self._rest.copy()
        words[: self._k] = p.view(np.int64)
        step = STEP * np.where(p[free] != 0.0, abs(p[free]), 1.0)
        moved = np.repeat(words[None], 2 * free.size, axis=0)
        rows = 2 * np.arange(free.size)
        moved[rows, free] = (p[free] + step).view(np.int64)
        moved[rows + 1, free] = (p[free] - step).view(np.int64)
        status, nfev, at_times, shared, own, by = shoot(
            addresses_of(SHOT_PARTS), self._code.address, words, moved, (p[free] + step) - (p[free] - step), *span, y0,
            times, self._setting._replace(most=most), self._tables, STEP, FLOOR,
        )  # fmt: skip
        if status == ASK_PYTHON:
            return None
        y, error, derivatives = at_times
        parts = derivatives.reshape(self._n, self._n + free.size, y.shape[1])
        solution = lambda: self._solution(shared, own, by)
        return Shot(y, error, parts[:, : self._n], parts[:, self._n :], nfev, shared[1].size, solution)

    def _solution(self, shared: Any, own: Any, by: Any) -> SensitivitySolution:
        x, h, error_x, bound = shared
        (y, V, bias), (by_y, by_V, by_bias) = own, by
        solution = of_networks(x, y, V, bias, self._bases, h, error_x, bound)
        return SensitivitySolution(solution, of_networks(x, by_y, by_V, by_bias, self._bases, h))
