"""The search for the parameters that fit best, from one start or from several."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from ..arguments import EPS
from ..arrays import Real
from ..blas import one_thread
from ..callback import Callback, Stopped, tell
from ..user.field import is_compiled
from ..workers import by_map, in_processes, on_threads
from .collocate import start_values
from .data import Experiment
from .descent import Found, descend
from .model import Model, Solved
from .unknowns import Unknowns

__all__ = ["Run", "Search", "bias", "first_values"]

# Tolerances of the solutions each next time, and at last; how far their errors may move a parameter, in standard
# errors. Not tuned.
_TIGHTER, _TIGHTEST, _SHARE = 1e-2, 1e-12, 1e-3
# What is left of the variance where a start is taken for good, and where a result is not trusted. Not tuned.
_GOOD, _BAD = 0.3, 0.5
# What stands for an error that is not known. Not tuned.
_HUGE = 1e100
# Evaluations of a search at most. Not tuned.
_MOST = 200
# Of a search from a start that is not good, before all is tried at once. Not tuned.
_TRIED = 12
# An unknown that moves all data by no more than this part of their spread has no effect. Not tuned.
_NO_EFFECT = 1e-6
# Starts further away are within this factor. Not tuned.
_AWAY = 5.0


class Reached(NamedTuple):
    """Where one start led: the costs of all searches from there, and the best of them; what there is to say of `fun`.

    stopped : whether `callback` stopped it.
    """

    costs: list[float]
    best: Found | None
    stopped: bool = False
    noise: str | None = None
    failure: str | None = None
    nfev: int = 0
    nit: int = 0


class Run:
    """The way from one start: ``run(z)``, here or in another process.

    loss, f_scale : as of `scipy.optimize.least_squares`; method : as of `fit_ivp`.
    """

    def __init__(self, model: Model, loss: str, f_scale: float, method: str, callback: Callback | None) -> None:
        self.model, self.unknowns = model, model.unknowns
        self._loss, self._f_scale, self._method, self.callback = loss, f_scale, method, callback
        self.costs: list[float] = []
        self.best: Found | None = None
        self.nit = 0
        self._kept: dict[tuple[bytes, float], Solved | None] = {}
        self._least: Found | None = None
        data = np.concatenate([((each.y - _centre(each)) / each.sigma)[each.measured] for each in self.unknowns.sets])
        self._spread = float(data @ data) or 1.0

    def __call__(self, z: Real) -> Reached:
        """From z, by the way that `method` names."""
        self.costs, self.best, self._least, self.nit, stopped, before = [], None, None, 0, False, self.model.nfev
        self.model.start_again()
        try:
            self._from(np.clip(z, self.unknowns.lower, self.unknowns.upper))
        except Stopped:
            self.stop()
            stopped = True
        nfev = self.model.nfev - before
        return Reached(self.costs, self.best, stopped, self.model.noise, self.model.failure, nfev, self.nit)

    @property
    def linear(self) -> bool:
        """Whether the sum of squares itself is minimised."""
        return self._loss == "linear"

    def copy(self) -> Run:
        """For another thread."""
        own = copy.copy(self)
        own.model = copy.copy(self.model)
        own._kept = {}
        return own

    def stop(self) -> None:
        """Keep the best that was reached."""
        if self._least is not None and (self.best is None or self._least.cost < self.best.cost):
            self.best = self._least

    def _from(self, z: Real) -> None:
        solved = self.solved(z)
        left = np.inf if solved is None else float(solved.residual @ solved.residual) / self._spread
        if self._method == "shooting" or (self._method == "auto" and left < _GOOD):
            self.refine(z)
            return
        if self._method == "auto" and solved is not None:
            self.refine(z, _TRIED)
            if self.best is not None and 2.0 * self.best.cost < _GOOD * self._spread:
                self.refine(self.best.x)
                if self._determined(self.best):
                    return
        close = self._close(z)
        if close is not None:
            self.refine(close)
        if self._method == "auto" and (not self.costs or 2.0 * self.costs[-1] > _BAD * self._spread):
            self.refine(z if self.best is None else self.best.x)

    def _determined(self, found: Found) -> bool:
        """Whether the data determine all unknowns there: a minimum in which one has no effect may be a wrong one."""
        if found.jac is None or not found.success:
            return False
        by_part = found.jac * np.where(self.unknowns.log, 1.0, abs(found.x))
        sizes = np.linalg.norm(by_part, axis=0)
        return bool((sizes > _NO_EFFECT * np.sqrt(self._spread)).all() or not self.unknowns.size)

    def _close(self, z: Real) -> Real | None:
        """A start that is closer, all at once; None where f raises an exception, or nothing is found."""
        try:
            return start_values(self.model, self.unknowns, z, lambda: self._tell(z, np.nan, "collocation"))
        except (ArithmeticError, ValueError):
            return None

    def _tell(self, z: Real, cost: float, phase: str) -> None:
        self.nit += 1
        if self.callback is not None:
            tell(self.callback, x=self.unknowns.values(z), cost=cost, phase=phase)

    def solved(self, z: Real) -> Solved | None:
        """The model at z; the last ones are kept."""
        key = z.tobytes(), self.model.options["rtol"]
        if key not in self._kept:
            while len(self._kept) > 2:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self.model(self.unknowns.values(z))
        return self._kept[key]

    def _evaluated(self, z: Real) -> tuple[Real, Real] | None:
        """Residuals and derivatives by z, and the callback is told."""
        solved = self.solved(z)
        if solved is None:
            return None
        cost = 0.5 * float(solved.residual @ solved.residual)
        if self._least is None or cost < self._least.cost:
            self._least = Found(z.copy(), cost, False, np.zeros(z.size, dtype=int), None)
        self._tell(z, cost, "shooting")
        return solved.residual, solved.jacobian * self.unknowns.factors(z)

    def refine(self, z: Real, most: int = _MOST) -> None:
        """On exact solutions, so many of them at most."""
        solved = self.solved(z)
        if solved is None:
            return
        n = max(self.unknowns.y0(self.unknowns.values(z), i)[0].size for i in range(len(self.unknowns.sets)))
        with one_thread(max(solved.jacobian.size, n * n)):  # what f does with larger matrices keeps its threads
            self._refine(z, most)

    def _refine(self, z: Real, most: int) -> None:
        if self.linear:
            found = descend(self._evaluated, z, self.unknowns.lower, self.unknowns.upper, most)
        else:
            z = _inside(z, self.unknowns)
            if self.solved(z) is None:
                return
            found = self._robust(z, most)
        self.costs.append(found.cost)
        if self.best is None or found.cost < self.best.cost:
            self.best = found

    def _robust(self, z: Real, most: int) -> Found:
        """With a loss of `least_squares`."""

        def residual(z: Real) -> Real:
            found = self._evaluated(z)
            return np.full(count, np.inf) if found is None else found[0]

        def jacobian(z: Real) -> Real:
            solved = self.solved(z)
            assert solved is not None
            return np.asarray(solved.jacobian * self.unknowns.factors(z))

        count = sum(int(each.measured.sum()) for each in self.unknowns.sets)
        found = least_squares(
            residual, z, jacobian, bounds=(self.unknowns.lower, self.unknowns.upper), x_scale="jac", loss=self._loss,
            f_scale=self._f_scale, ftol=4 * EPS, xtol=1e-11, gtol=None, max_nfev=most,
        )  # fmt: skip
        return Found(found.x, float(found.cost), bool(found.success), found.active_mask, found.jac)


class Search:
    """The best of all starts.

    Attributes
    ----------
    best : Found or None; costs : where each start led, if anywhere; starts : how many there were
    stopped : whether `callback` did that; noise, failure : what there is to say of `fun`; nfev, nit
    """

    def __init__(self, run: Run) -> None:
        self.run, self.model, self.unknowns = run, run.model, run.unknowns
        self.best: Found | None = None
        self.costs: list[float] = []
        self.starts, self.stopped, self.nit, self.nfev = 1, False, 0, 0
        self.noise: str | None = None
        self.failure: str | None = None

    def __call__(self, starts: int, rng: np.random.Generator, workers: Any) -> None:
        """From the user's start and from others."""
        first = first_values(self.unknowns, self.model)
        self.starts = starts
        points = [first, *(self._away(first, rng) for _ in range(starts - 1))]
        for reached in self._all(points, workers):
            self._take(reached)
            if self.stopped:
                break

    def _all(self, points: list[Real], workers: Any) -> Iterable[Reached]:
        """Where they lead: one after the other, on threads where f is compiled, or where `workers` takes them."""
        if workers == 1 or len(points) == 1:
            return map(self.run, points)
        return self._elsewhere(points, workers)

    def _elsewhere(self, points: list[Real], workers: Any) -> Iterable[Reached]:
        callback, self.run.callback = self.run.callback, None
        load = lambda lo, hi: points[lo:hi]
        task = _Task(self.run)
        if callable(workers):
            shares: Any = by_map(workers, task, load, len(points))
        elif is_compiled(self.model.fun):
            with one_thread(0):
                shares = list(on_threads(lambda lo, hi: task(points[lo:hi]), len(points), workers))
        else:
            shares = in_processes(task, load, len(points), workers)
        for _, several in sorted(shares, key=lambda pair: pair[0]):
            for reached in several:
                try:
                    if reached.best is not None:
                        x = self.unknowns.values(reached.best.x)
                        tell(callback, x=x, cost=reached.best.cost, phase="start")
                except Stopped:
                    self.stopped = True
                yield reached
        self.run.callback = callback

    def _take(self, reached: Reached) -> None:
        self.costs += [min(reached.costs)] if reached.costs else []
        self.nfev, self.nit = self.nfev + reached.nfev, self.nit + reached.nit
        self.noise, self.failure = reached.noise or self.noise, reached.failure or self.failure
        self.stopped = self.stopped or reached.stopped
        if reached.best is not None and (self.best is None or reached.best.cost < self.best.cost):
            self.best = reached.best

    def _away(self, z: Real, rng: np.random.Generator) -> Real:
        """Another start, within a factor of the first one and within the bounds."""
        values = self.unknowns.values(z)
        moved = values * np.exp(rng.uniform(-1.0, 1.0, values.size) * np.log(_AWAY))
        return np.clip(self.unknowns.searched(moved), self.unknowns.lower, self.unknowns.upper)

    def sharpen(self, size: float) -> None:
        """Tighter solutions, until their errors move no parameter by more than a share of its standard error."""
        options = self.model.options
        while self.best is not None and options["rtol"] > _TIGHTEST and self.unknowns.size and not self.stopped:
            solved = self.run.solved(self.best.x)
            if solved is None:
                return
            with one_thread(solved.jacobian.size):
                moved = (bias(solved.jacobian, solved.error) > _SHARE * _deviations(solved)).any()
            if not moved:
                return
            options["rtol"] = max(options["rtol"] * _TIGHTER, _TIGHTEST)
            options["atol"] = options["rtol"] * 1e-2 * size
            start, self.best = self.best.x, None
            before, self.run.best, self.run.costs, self.run.nit = self.model.nfev, None, [], 0
            try:
                self.run.refine(start)
            except Stopped:
                self.run.stop()
                self.stopped = True
            self.nfev, self.nit = self.nfev + self.model.nfev - before, self.nit + self.run.nit
            self.best = self.run.best


class _Task:
    """Some starts, for a worker; each has its own copy of what changes."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __call__(self, points: list[Real]) -> list[Reached]:
        """Where they lead."""
        own = self._run.copy()
        return [own(z) for z in points]


def first_values(unknowns: Unknowns, model: Model) -> Real:
    """z at the start values; initial values that are not known: the first measurement, or the mean size of all."""
    values = list(unknowns.parameters.start[unknowns.parameters.free])
    for each in unknowns.sets:
        for component in each.free.tolist():
            rows = (
                [] if callable(model.observe) else
                [component] if model.observe is None else np.flatnonzero(model.observe == component).tolist()
            )  # fmt: skip
            seen = [
                (each.times[each.column[j]], each.y[r, j])
                for r in rows
                if r < len(each.y)
                for j in np.flatnonzero(each.measured[r])
            ]
            values.append(min(seen)[1] if seen else float(np.nanmean(abs(each.y))) if each.measured.any() else 1.0)
    return np.clip(unknowns.searched(np.array(values, dtype=float)), unknowns.lower, unknowns.upper)


def _centre(each: Experiment) -> Real:
    return np.array([[row[at].mean() if at.any() else 0.0] for row, at in zip(each.y, each.measured, strict=True)])


def _inside(z: Real, unknowns: Unknowns) -> Real:
    """`least_squares` wants its start strictly between the bounds."""
    lower, upper = unknowns.lower, unknowns.upper
    with np.errstate(invalid="ignore"):
        room = np.where(np.isfinite(upper - lower), 1e-10 * (upper - lower), 1e-10 * (1.0 + abs(z)))
    return np.minimum(
        np.maximum(z, lower + np.where(np.isfinite(lower), room, 0.0)), upper - np.where(np.isfinite(upper), room, 0.0)
    )


def bias(jacobian: Real, error: Real) -> Real:
    """How far errors of the solution may move the values; errors that are not known count as very large ones."""
    return np.asarray(abs(np.linalg.pinv(jacobian)) @ np.nan_to_num(error, nan=_HUGE, posinf=_HUGE))


def _deviations(solved: Solved) -> Real:
    """Standard errors of the values, as far as they are determined."""
    M, N = solved.jacobian.shape
    s2 = float(solved.residual @ solved.residual) / max(1, M - N)
    return np.asarray(np.sqrt(s2 * (np.linalg.pinv(solved.jacobian) ** 2).sum(axis=1)))
