"""Newton's iteration for a chain of windows: damped far from the solution, with kept factors near it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .chain import Chain
from .equations import Derivatives, Equations, Evaluation
from .mesh import State
from .status import Newton

__all__ = ["Outcome", "iterate"]

# Factorisations per mesh. Not tuned.
_FACTORISATIONS = 12
# A step that fails the monotonicity test is tried again as this part of it. Not tuned.
_SHORTER = 0.25
# It passes if the next simplified step is shorter by this part of the part taken. Source: Deuflhard, sec. 3.3.
_SUFFICIENT = 0.25
# Steps below 0.1 of Newton's are accepted even if the test fails, at most five times per mesh, but never those below
# the last part. Not tuned.
_SHORT_STEP, _PATIENCE = 0.1, 5
_SHORTEST_STEP = _SHORT_STEP * _SHORTER**3
# Difference Jacobians carry 8 digits: a stalled iteration is called singular if the condition exceeds this.
# Not tuned.
_DOUBTFUL_CONDITION = 1e8
# Kept factors are used as long as each step is this much shorter than the one before. Not tuned.
_CONTRACTION = 0.1
# What remains after a step is not taken to be less than this part of it, however fast the last ones shrank, and kept
# factors are given up where a step is not shorter than that. Not tuned.
_SLOWEST = 0.5
# Steps below this part of the tolerance end the iteration. Not tuned.
_ENOUGH = 0.01
# A step below this part of what is enough passes the test: it is rounding. Not tuned.
_NEGLIGIBLE = 0.1
# Where rounding does not let steps become so small, this part of the tolerance will do: the error estimate sees the
# rest. Not tuned.
_TOLERABLE = 0.3


class Outcome(NamedTuple):
    """Where the iteration ended.

    state : the last trial solution; derivatives : the last ones, None if there are none; at : the last evaluation;
    rate : how much shorter than the last step the next simplified one was; moved : how far the trial solution went
    since the last derivatives, relative to its size.
    """

    verdict: Newton
    state: State
    derivatives: Derivatives | None
    at: Evaluation
    rate: float
    moved: float


def iterate(equations: Equations, start: State | Evaluation, tol: float, rate: float = np.inf) -> Outcome:
    """Newton's iteration until its steps are small parts of tol, with the natural monotonicity test.

    Source: Deuflhard, Newton Methods for Nonlinear Problems (2004), sec. 3.3: a step must make the next simplified
    step, taken with the same factors, shorter. That step is the first of those with kept factors. It is left out where
    the rate seen on an earlier mesh says that it would be short enough: linear problems need one step.
    """
    run = _Iteration(equations, start, tol, rate)
    verdict = None if run.at.residual.finite else Newton.NOT_FINITE
    left = _FACTORISATIONS
    while verdict is None and left:
        verdict = run.advance()
        left -= 1
    if verdict in (None, Newton.STALLED):
        failed = Newton.SINGULAR if run.doubtful else Newton.STALLED
        verdict = Newton.CONVERGED if run.size < _TOLERABLE * tol else failed
    assert verdict is not None
    return Outcome(verdict, run.state, run.derivatives, run.at, run.rate, run.moved)


class _Iteration:
    _chain: Chain  # of the last linear equations

    def __init__(self, equations: Equations, start: State | Evaluation, tol: float, rate: float) -> None:
        self.equations, self.enough, self.rate = equations, _ENOUGH * tol, rate
        self.at = equations.evaluate(start) if isinstance(start, State) else start
        self.state = self.at.state
        self.derivatives: Derivatives | None = None
        self.size = np.inf  # of the last step
        self.moved = np.inf
        self._choose_directions = True
        self._patience = _PATIENCE

    @property
    def doubtful(self) -> bool:
        """Whether the last equations were singular, as far as derivatives by differences can tell."""
        return self._chain.condition > _DOUBTFUL_CONDITION

    def advance(self) -> Newton | None:
        """One factorisation and the steps with it; a verdict when the iteration is over."""
        self.at, self.derivatives = self.equations.linearise(self.at, self._choose_directions)
        if not self.at.residual.finite or not np.isfinite(self.derivatives.jac).all():
            return Newton.NOT_FINITE
        self._chain = Chain(self.equations.mesh, self.equations.directions, self.derivatives)
        if self._chain.singular:
            return Newton.SINGULAR
        self._weights = 1.0 / np.maximum(self.state.sizes(self.equations.mesh), 1.0)
        step = self._chain.solve(self.at.residual)
        self.size = self.moved = size = self._size(step)
        if not np.isfinite(size):
            return Newton.SINGULAR
        if size * self.rate < self.enough:
            self.state = self.state.moved(step)
            return Newton.CONVERGED
        return self._damped(step, size)

    def _damped(self, step: State, size: float) -> Newton | None:
        """The longest part of a step that passes the test; now and then a short one that does not."""
        part = 1.0
        while True:
            state = self.at.state.moved(step, part)
            at = self.equations.evaluate(state)
            if at.residual.finite:
                following = self._chain.solve(at.residual)
                now = self._size(following)
                short = part < _SHORT_STEP
                if self._passes(now, size, part) or (short and self._patience):
                    self._patience -= short
                    self.at, self.state = at, state
                    self._choose_directions = part < 1.0
                    return self._simplified(following, size, now) if part == 1.0 else None
            if part < _SHORTEST_STEP:
                return Newton.STALLED
            part *= _SHORTER

    def _passes(self, now: float, size: float, part: float) -> bool:
        """The natural monotonicity test."""
        return now <= (1.0 - _SUFFICIENT * part) * size or now < _NEGLIGIBLE * self.enough

    def _simplified(self, step: State, before: float, now: float) -> Newton | None:
        """Steps with the same factors as long as they shrink fast."""
        while True:
            self.rate = rate = now / before if before > 0.0 else 0.0
            if now * min(rate, _SLOWEST) < self.enough:
                self.state = self.state.moved(step)
                return Newton.CONVERGED
            if rate > _CONTRACTION:
                return None
            state = self.state.moved(step)
            at = self.equations.evaluate(state)
            if not at.residual.finite:
                return None
            step = self._chain.solve(at.residual)
            before, now = now, self._size(step)
            if not now < _SLOWEST * before:
                return None
            self.at, self.state = at, state

    def _size(self, step: State) -> float:
        """The largest change of a value at a node or an end, or of a parameter, relative to its size."""
        size = float((step.sizes(self.equations.mesh) * self._weights).max())
        if step.p.size:
            size = max(size, float((abs(step.p) / np.maximum(abs(self.state.p), 1.0)).max()))
        return size
