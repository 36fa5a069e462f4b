"""Newton's iteration for a chain of windows: damped far from the solution, with kept factors near it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .chain import Chain, Derivatives, Equations, Evaluation, Trial

Array = NDArray[np.float64]

__all__ = ["CONVERGED", "NOT_FINITE", "SINGULAR", "STALLED", "Outcome", "iterate"]

CONVERGED, STALLED, SINGULAR, NOT_FINITE = range(4)

_FACTORISATIONS = 12
_SHORTER = 0.25
_SHORTEST = 0.1  # part of a Newton step below which it need not pass the test, so many times
_PATIENCE = 5
# Differences know derivatives to 1e-8: with a larger condition the failure is more likely that of a singular problem.
_DOUBTFUL = 1e8
# Kept factors are used as long as each step is this much shorter than the one before.
_CONTRACTION = 0.1
# Steps of this part of the tolerance end the iteration.
_PART = 0.01
# Where rounding does not let them become so small, this much will do: the estimate of the error sees the rest.
_TOLERABLE = 0.3


class Outcome(NamedTuple):
    """Where the iteration ended.

    state : one of the constants; trial; derivatives : the last ones, None if there are none; at : the last evaluation;
    rate : how much shorter than the last step the next simplified one was.
    """

    state: int
    trial: Trial
    derivatives: Derivatives | None
    at: Evaluation
    rate: float


def iterate(equations: Equations, start: Trial, tol: float, rate: float = np.inf) -> Outcome:
    """Newton's iteration until its steps are small parts of tol, with the natural monotonicity test.

    Source: Deuflhard, Newton Methods for Nonlinear Problems (2004), sec. 3.3: a step must make the next simplified
    step, taken with the same factors, shorter. That step is the first of those with kept factors. It is left out where
    the rate seen on an earlier mesh says that it would be short enough: linear problems need one step.
    """
    run = _Iteration(equations, start, tol, rate)
    state = NOT_FINITE if not run.at.residual.finite else None
    left = _FACTORISATIONS
    while state is None and left:
        state = run.advance()
        left -= 1
    if state in (None, STALLED):
        state = CONVERGED if run.size < _TOLERABLE * tol else SINGULAR if run.doubtful else STALLED
    return Outcome(state, run.trial, run.derivatives, run.at, run.rate)


class _Iteration:
    _chain: Chain  # of the last linear equations

    def __init__(self, equations: Equations, start: Trial, tol: float, rate: float) -> None:
        self.equations, self.trial, self.enough, self.rate = equations, start, _PART * tol, rate
        self.at = equations.evaluate(start)
        self.derivatives: Derivatives | None = None
        self.size = np.inf  # of the last step
        self._direct = True
        self._patience = _PATIENCE

    @property
    def doubtful(self) -> bool:
        """Whether the last equations were singular, as far as derivatives by differences can tell."""
        return self._chain.condition > _DOUBTFUL

    def advance(self) -> int | None:
        """One factorisation and the steps with it; a constant when the iteration is over."""
        self.at, self.derivatives = self.equations.linearise(self.at, self._direct)
        if not self.at.residual.finite or not np.isfinite(self.derivatives.jac).all():
            return NOT_FINITE
        self._chain = Chain(self.equations.mesh, self.equations.rows, self.derivatives)
        if self._chain.singular:
            return SINGULAR
        self._weights = 1.0 / np.maximum(self.trial.sizes(self.equations.mesh), 1.0)
        step = self._chain.solve(self.at.residual)
        self.size = size = self._size(step)
        if not np.isfinite(size):
            return SINGULAR
        if size * self.rate < self.enough:
            self.trial = self.trial.moved(step)
            return CONVERGED
        return self._damped(step, size)

    def _damped(self, step: Trial, size: float) -> int | None:
        """The longest part of a step that passes the test; now and then a short one that does not."""
        part = 1.0
        while True:
            trial = self.at.trial.moved(step, part)
            at = self.equations.evaluate(trial)
            if at.residual.finite:
                following = self._chain.solve(at.residual)
                now = self._size(following)
                short = part < _SHORTEST
                if now <= (1.0 - 0.25 * part) * size or now < 0.1 * self.enough or (short and self._patience):
                    self._patience -= short
                    self.at, self.trial = at, trial
                    self._direct = part < 1.0
                    return self._simplified(following, size, now) if part == 1.0 else None
            if part < _SHORTEST * _SHORTER**3:
                return STALLED
            part *= _SHORTER

    def _simplified(self, step: Trial, before: float, now: float) -> int | None:
        """Steps with the same factors as long as they shrink fast."""
        while True:
            self.rate = rate = now / before if before > 0.0 else 0.0
            if now * min(rate, 0.5) < self.enough:
                self.trial = self.trial.moved(step)
                return CONVERGED
            if rate > _CONTRACTION:
                return None
            trial = self.trial.moved(step)
            at = self.equations.evaluate(trial)
            if not at.residual.finite:
                return None
            step = self._chain.solve(at.residual)
            before, now = now, self._size(step)
            if not now < 0.5 * before:
                return None
            self.at, self.trial = at, trial

    def _size(self, step: Trial) -> float:
        """The largest change of a value at a node or an end, or of a parameter, relative to its size."""
        size = float((step.sizes(self.equations.mesh) * self._weights).max())
        if step.p.size:
            size = max(size, float((abs(step.p) / np.maximum(abs(self.trial.p), 1.0)).max()))
        return size
