"""A branch of solutions of a boundary value problem in one parameter: the result of `continue_bvp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..arrays import Real
from ..pictures import new_axes
from ..trial.result import Result

__all__ = ["DONE", "LONG", "STOPPED", "STUCK", "Branch", "Fold"]

# `branch.status`.
DONE, LONG, STUCK, STOPPED = 0, 1, 2, 4


class Fold(Result, kind="continue_bvp: a fold"):
    """Where a branch turns, as in ``branch.folds``."""

    def __repr__(self) -> str:
        return f"<Fold at {self.value:.10g}, error {self.value_error:.1e}, before point {self.index}>"


class Branch(Result, kind="continue_bvp"):
    """What `continue_bvp` returns: points along a branch of solutions.

    Attributes
    ----------
    param : str or int
        The parameter.
    value : ndarray, shape (N,)
        Its value at each point.
    value_error : ndarray, shape (N,)
        The estimated error of that value: 0 where it was asked for, that of an unknown where it was solved for.
    results : list of N OptimizeResult
        The results of `solve_bvp`, each with its ``error``.
    sol : list of N Solution
    error : ndarray, shape (N, n)
        The largest estimated error of each component.
    slope : ndarray, shape (N,)
        dvalue/ds with s the length of arc, from -1 to 1: the branch cannot be followed by its parameter where it is 0.
        NaN without ``arclength=True``.
    sheet : ndarray of int, shape (N,)
        How many folds lie before a point.
    folds : list of Fold
        Each with ``value``, ``value_error``, ``index`` (the points ``index - 1`` and ``index`` are on its two sides),
        ``sol`` and ``result``.
    success : bool
        Whether the branch was followed to its end.
    status : int
        0 done, 1 the most points were reached, 2 a step failed however short it was, 4 `callback` stopped it.
    message : str
    nsolve : int
        Boundary value problems that were solved or tried.
    """

    _instead: ClassVar = {"extend": "call `continue_bvp` with results[-1] as `guess` and further `values`"}

    def __repr__(self) -> str:
        folds = ", ".join(f"{fold.value:.10g}" for fold in self.folds) or "none"
        ends = f", {self.value[0]:g} to {self.value[-1]:g}" if len(self.value) else ""
        return f"<Branch in {self.param!r}: {len(self.value)} points{ends}; folds: {folds}; {self.message}>"

    def plot(self, observe: Callable[[Any], float] | int = 0, axes: Any = None) -> Any:
        """Draw the branch: something of each solution over the parameter, folds as rings.

        Parameters
        ----------
        observe : callable or int
            ``observe(sol)`` -> a number; an int: the value of that component that is largest in size.
        axes : matplotlib axes, optional
            Where to draw, by default in a new figure.

        Returns
        -------
        axes : matplotlib axes
        """
        if not callable(observe):
            n = self.sol[0].n if self.sol else 1
            if not isinstance(observe, (int, np.integer)) or not 0 <= observe < n:
                raise ValueError(f"`observe` must be a function or a component from 0 to {n - 1}, got {observe!r}.")
        seen = observe if callable(observe) else _largest(observe)
        label = "" if callable(observe) else f"largest |y{observe}|"
        axes = new_axes() if axes is None else axes
        at = [fold.index for fold in self.folds]
        turns, heights = [fold.value for fold in self.folds], [seen(fold.sol) for fold in self.folds]
        value, height = np.asarray(self.value), [seen(sol) for sol in self.sol]
        (line,) = axes.plot(np.insert(value, at, turns), np.insert(height, at, heights), "-")
        axes.plot(value, height, ".", color=line.get_color())
        if self.folds:
            axes.plot(turns, heights, "o", fillstyle="none", ms=10)
        axes.set_xlabel(self.param if isinstance(self.param, str) else f"args[{self.param}]")
        axes.set_ylabel(label)
        return axes


def _largest(component: int) -> Callable[[Any], float]:
    def seen(sol: Any) -> float:
        values: Real = sol(np.linspace(sol.t_min, sol.t_max, 201))[component]
        return float(values[abs(values).argmax()].real)

    return seen
