"""One solution with its estimate, as `solve_ivp` asks for it again and again until the estimate is small enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..callback import Stopped
from ..trial.solution import Solution, with_error
from .bound import Bound, Worst
from .method import STOPPED
from .watch import Watch

__all__ = ["Attempt", "Attempts"]


class Attempt(NamedTuple):
    """A solution and what is known about its error.

    res : of SciPy's kind, with `sol`, `error`, and `gap` as of `GlobalError`; its counts are those of both solutions
    worst : its largest error, in units of the tolerance
    longest : how long windows may be so that they follow a growing error, else infinite
    missed : whether f does something between the nodes, and calls of f that this took; asked only where the rest is in
        order
    noise : a sentence about the noise of f, or None
    stopped : whether a callback ended it
    """

    res: Any
    worst: Worst
    longest: float
    missed: Callable[[], tuple[bool, int]]
    noise: str | None = None
    stopped: bool = False


class Attempts:
    """Solutions by `loop.solve`."""

    def __init__(self, run: Callable[..., Any], bound: Bound, watch: Watch | None) -> None:
        """run(longest, rtol=, atol=) : as `loop.solve`."""
        self._run, self._bound, self._watch = run, bound, watch

    def __call__(self, factor: float, longest: float, number: int, **tolerances: Any) -> Attempt:
        """Solve with these tolerances, factor times those asked for, by windows of no more than `longest`."""
        watch = self._watch
        if watch:
            watch.at(number, "solve")
        res, solution, field = self._run(longest, **tolerances)
        noise = res.pop("noise")
        if watch and res.message != STOPPED:
            watch.at(number, "estimate")
        with np.errstate(all="ignore"):  # what overflows is part of the answer
            try:
                estimate, worst = self._bound(solution, field, factor, watch if res.message != STOPPED else None)
            except Stopped:
                return _without_estimate(res, solution)
        for name, count in ("nfev", estimate.nfev), ("njev", estimate.njev), ("nlu", estimate.nlu):
            res[name] = int(res[name] + count)
        res.sol = with_error(solution, estimate.x, estimate.error)
        res.error, res.gap = res.sol.error(res.t), estimate.gap
        return Attempt(
            res, worst, estimate.longest, lambda: self._bound.misses_something(solution), noise, res.message == STOPPED
        )


def _without_estimate(res: Any, solution: Solution) -> Attempt:
    """The result of a run whose callback stopped the estimate."""
    res.status, res.success, res.message = -1, False, STOPPED
    res.sol, res.error = solution, np.full(res.y.shape, np.nan)
    res.gap = np.full(len(res.y), np.nan)
    return Attempt(res, Worst(np.inf, float(solution.x[0]), 0), np.inf, lambda: (False, 0), stopped=True)
