"""From a guess to a trial solution that is good enough: Newton, refinement, and continuation where Newton fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import newton
from .boundary import BoundaryProblem, Limited
from .chain import Equations, Evaluation, Mesh, Trial
from .refinement import Judgement, Resolution, judge, refined, resolution, transferred, unseen

Array = NDArray[np.float64]

__all__ = ["CONDITIONS", "CROWDED", "OK", "UNSOLVED", "Limits", "Round", "Search"]

OK, CROWDED, UNSOLVED, CONDITIONS = range(4)

# Parts of tol: what the estimated error may be, and the neglected coefficient before it is worth estimating.
_ERROR, _NEGLECTED = 0.5, 0.3
# A window is split for the error where its neglected coefficient is at least this part of the largest.
_GUILTY = 0.03
# Coefficients that do not fall like this are rounding, or what one basis has beyond another.
_FALLING = 0.5
# What the user's mesh sees and the windows do not may add up to this part of the tolerance over the span.
_SEEN = 1e-2
_ROUNDS = 60
_STALLS = 2  # meshes on which Newton's iteration may fail before something else is tried
_POLISHED = 5  # meshes for the residual alone, the error being small enough
_IDLE = 5  # judgements in a row that may fail to become better
_SHARPER = 10  # attempts to meet the boundary conditions more closely
# Continuation from bounded slopes: the first bound in units of size/(b - a), its growth and the least one; it ends when
# f is this part of the bound. Solutions on the way need this accuracy.
_ROUGH_ROUNDS, _ROUGH_POINTS = 15, 4000
_FIRST_BOUND, _GROWTH, _LEAST_GROWTH, _UNBOUNDED, _STAGES, _ON_THE_WAY = 10.0, 4.0, 1.1, 0.03, 40, 1e-2

_UNSOLVABLE = "The collocation system could not be solved"
_REASONS = {
    newton.STALLED: (f"{_UNSOLVABLE}: Newton's iteration does not converge. Does a solution exist? Try another guess."),
    newton.SINGULAR: (
        "A singular Jacobian encountered when solving the collocation system. Do the boundary conditions determine the "
        "solution?"
    ),
}


class Limits(NamedTuple):
    """tol : of the error and the residual; conditions : of the boundary conditions; points : collocation points."""

    tol: float
    conditions: float
    points: int


class Round(NamedTuple):
    """What is known after one mesh, for who wants to watch; conditions : their largest residual."""

    number: int
    windows: int
    added: int
    conditions: float
    judgement: Judgement | None


class Search:
    """A trial solution on its way.

    After `run`: mesh, trial, judgement (None if it never came to one), rounds, conditions: their largest
    residual, and reason: what went wrong.
    """

    def __init__(
        self,
        problem: BoundaryProblem,
        mesh: Mesh,
        trial: Trial,
        limits: Limits,
        watch: Callable[[Round], None],
        probes: Array,
    ) -> None:
        self.problem, self.mesh, self.trial = problem, mesh, trial
        self.limits, self._watch, self._probes = limits, watch, probes
        self.judgement: Judgement | None = None
        self.rounds, self.conditions = 0, np.nan
        self.reason = ""
        self._rate = np.inf

    def run(self) -> int:
        """Solve; where Newton's iteration fails, start again from solutions with bounded slopes."""
        guess = self.mesh, self.trial
        status = self._precise()
        if not np.isfinite(guess[1].y).all():
            x = guess[0].x[~np.isfinite(guess[1].y).all(axis=0)][0]
            self.reason = f"{_UNSOLVABLE}: non-finite residual at x = {x:.6g}. The guess `y` is not finite there."
        if status != UNSOLVED or not np.isfinite(guess[1].y).all():
            return status
        failed = self.mesh, self.trial, self.reason
        self.mesh, self.trial = guess
        if self._continued():
            status = self._precise()
        if status == UNSOLVED:
            self.mesh, self.trial, self.reason = failed
        return status

    def _precise(self) -> int:
        """Newton on one mesh after the other until the solution is good enough."""
        tol, sharper = self.limits.tol, 1.0
        attempt, stalls, idle, polished, best = 0, 0, 0, 0, np.inf
        while True:
            attempt += 1
            equations, outcome = self._newton(self.problem, tol * sharper)
            if outcome.derivatives is None or outcome.state in (newton.SINGULAR, newton.NOT_FINITE):
                return UNSOLVED
            res = resolution(self.mesh, self.trial)
            excess = _excess(res, tol)
            self.judgement = None
            if outcome.state == newton.STALLED:
                stalls += 1
                if stalls > _STALLS or not (excess > 1.0).any():
                    return UNSOLVED
            elif not (excess > 1.0).any():
                self.judgement = judge(equations, self.trial, outcome.derivatives)
                if math.isinf(self.judgement.worst):
                    self.reason = _REASONS[newton.SINGULAR]
                    return UNSOLVED
                excess = self._insufficient(self.judgement, res)
                polished += self.judgement.worst <= _ERROR * tol and bool((self.judgement.peak > tol).any())
                left = excess.max() * self.mesh.h[excess > 1.0].sum()  # a jump of f is driven into a corner
                idle, best = (0, left) if left < 0.5 * best else (idle + 1, best)
            x = refined(self.mesh, self.trial, outcome.derivatives.jac, excess, res.decay, _NEGLECTED * tol)
            added = x.size - self.mesh.x.size
            self._watch(Round(self.rounds, self.mesh.windows, added, self.conditions, self.judgement))
            enough = self.judgement is not None and (excess <= 1.0).all()
            stuck = not enough and (not added or idle > _IDLE or polished > _POLISHED)
            useless = stuck or attempt == _ROUNDS
            if useless or (x.size - 1) * self.mesh.basis.s > self.limits.points:
                return self._at_the_limit(equations, outcome, useless)
            if enough:
                if self._conditions_met(outcome):
                    return OK
                sharper *= 0.1
                if sharper < 0.5 * 0.1**_SHARPER:
                    return CONDITIONS
            self._move(x)

    def _insufficient(self, judgement: Judgement, res: Resolution) -> Array:
        """How far the windows are from what is asked for, in residual and error, (K,)."""
        tol = self.limits.tol
        excess = judgement.peak / (tol + judgement.rounding)
        too_much = judgement.worst / (_ERROR * tol)
        if not too_much <= 1.0:
            guilty = res.values >= _GUILTY * res.values.max()
            excess = np.maximum(excess, np.where(guilty, too_much, 0.0))
        elif (excess <= 1.0).all():
            excess = self._hidden(judgement)
        return np.asarray(excess)

    def _hidden(self, judgement: Judgement) -> Array:
        """The residual where only the user's mesh would look, in units of what is allowed, (K,)."""
        return unseen(self.problem, self.mesh, self.trial, self._probes) / (self.limits.tol + judgement.rounding)

    def _at_the_limit(self, equations: Equations, outcome: newton.Outcome, useless: bool) -> int:
        """No more windows: the error alone decides, the residual need not have become as small as it should."""
        if self.judgement is None and outcome.state == newton.CONVERGED and outcome.derivatives is not None:
            self.judgement = judge(equations, self.trial, outcome.derivatives)
        if self.judgement is not None and self.judgement.worst <= self.limits.tol:
            fits = self.mesh.windows * self.mesh.basis.s <= self.limits.points
            seen = (self._hidden(self.judgement) * self.mesh.h < _SEEN * self.mesh.h.sum()).all()
            if fits and seen and self._conditions_met(outcome):
                return OK
        if outcome.state == newton.STALLED:
            return UNSOLVED
        if useless:
            self.reason = "More nodes do not help: rounding, or `fun` is not smooth."
        return CROWDED

    def _conditions_met(self, outcome: newton.Outcome) -> bool:
        """Whether the boundary conditions hold to the tolerance, or to the rounding of what they are made of."""
        if self.conditions <= self.limits.conditions or outcome.derivatives is None:
            return self.conditions <= self.limits.conditions
        values = np.concatenate([self.trial.y[:, 0], self.trial.y[:, -1], self.trial.p])
        rounding = 4.0 * np.finfo(float).eps * (abs(outcome.derivatives.conditions) @ abs(values)).max()
        return bool(self.conditions <= rounding)

    def _continued(self) -> bool:
        """A solution whose slopes are hardly bounded any more, from the guess by way of smaller bounds."""
        span = self.mesh.x[-1] - self.mesh.x[0]
        bound = _FIRST_BOUND * np.maximum(abs(self.trial.y).max(axis=1, keepdims=True), 1.0) / span
        growth, good = _GROWTH, (self.mesh, self.trial)
        for _ in range(_STAGES):
            if self._rough(Limited(self.problem, bound)):
                good = self.mesh, self.trial
                f = Equations(self.problem, self.mesh).evaluate(self.trial).right.f
                if (abs(f) < _UNBOUNDED * bound).all():
                    return True
            else:
                self.mesh, self.trial = good
                bound, growth = bound / growth, growth**0.5
                if growth < _LEAST_GROWTH:
                    return False
            bound = bound * growth
        return False

    def _rough(self, problem: Limited) -> bool:
        """Whether the solution of a problem on the way could be found."""
        for _ in range(_ROUGH_ROUNDS):
            _, outcome = self._newton(problem, _ON_THE_WAY)
            if outcome.derivatives is None or outcome.state in (newton.SINGULAR, newton.NOT_FINITE):
                return False
            res = resolution(self.mesh, self.trial)
            target = _NEGLECTED * _ON_THE_WAY
            if (res.values <= target).all():
                return outcome.state == newton.CONVERGED
            x = refined(self.mesh, self.trial, outcome.derivatives.jac, res.values / target, res.decay, target)
            if (x.size - 1) * self.mesh.basis.s > min(self.limits.points, _ROUGH_POINTS):
                return False
            self._move(x)
        return False

    def _newton(self, problem: BoundaryProblem | Limited, tol: float) -> tuple[Equations, newton.Outcome]:
        self.rounds += 1
        equations = Equations(problem, self.mesh)
        outcome = newton.iterate(equations, self.trial, tol, self._rate)
        self._rate = outcome.rate if outcome.state == newton.CONVERGED else np.inf
        self.trial, y = outcome.trial, outcome.trial.y
        self.conditions = float(abs(self.problem.conditions(y[:, 0], y[:, -1], self.trial.p)).max())
        self.reason = _REASONS.get(outcome.state, "")
        if outcome.state == newton.NOT_FINITE:
            self.reason = f"{_UNSOLVABLE}: non-finite residual{_where(outcome.at)}."
        return equations, outcome

    def _move(self, x: Array) -> None:
        if x.size > self.mesh.x.size:
            mesh = Mesh(x, self.mesh.basis)
            self.mesh, self.trial = mesh, transferred(self.mesh, self.trial, mesh)


def _excess(res: Resolution, tol: float) -> Array:
    """What is neglected in units of what is allowed, (K,); that of the slopes only where it is more than rounding."""
    slopes = np.where(res.decay < _FALLING, res.slopes, 0.0)
    return np.asarray(np.maximum(res.values / _NEGLECTED, slopes) / tol)


def _where(at: Evaluation) -> str:
    """Where the right-hand side is not finite."""
    for points in (at.right, at.left):
        bad = ~np.isfinite(points.f).all(axis=0)
        if bad.any():
            return f" at x = {points.x[bad][0]:.6g}"
    return "" if np.isfinite(at.residual.conditions).all() else " of the boundary conditions"
