"""From a guess to a trial solution that is good enough: Newton, refinement, and continuation where Newton fails."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..arguments import EPS
from ..arrays import Flags, Real
from ..user.boundary import BoundaryProblem
from .continuation import ways
from .equations import Equations, Evaluation, Problem
from .error import UNSURE, Judgement, Resolution, judge, resolution, unseen
from .mesh import Mesh, State, refined, transferred
from .newton import Outcome, iterate
from .status import CONDITIONS, CROWDED, OK, UNSOLVED, Newton, not_finite, useless

__all__ = ["Limits", "Progress", "Search"]

# What the estimated error may be, in parts of tol, and the neglected coefficient before the error is worth estimating.
# Not tuned.
_ERROR, _NEGLECTED = 0.5, 0.3
# A window is split for the error where its neglected coefficient is at least this part of the largest. Not tuned.
_SPLIT_SHARE_OF_LARGEST = 0.03
# Ignore the slopes' neglected coefficient unless coefficients shrink by this factor per pair: it is rounding, or what
# polynomials of this degree cannot show of a sigmoid. Not tuned.
_FALLING = 0.5
# When `max_nodes` is exhausted, tolerate a residual seen only at the user's own nodes if residual times window length
# stays below this part of tol times span. Not tuned.
_TOLERATED_AT_USERS_NODES = 1e-2
# Rounding of the boundary conditions, in units of their terms. Not tuned.
_ROUNDING = 4.0 * EPS
# The condition of N equations for both ends and p may be this times N**2. Of 120 random problems and those of the tests
# none with one solution has more than 2e3 but SciPy's of sixty equations (1e6 N**2); problems with infinitely many have
# 1e8 N**2. Not tuned.
_NEARLY_SINGULAR = 1e7
# Where the boundary conditions are not met, Newton's iteration goes on to a tenth of its tolerance, up to ten times.
# Not tuned.
_SHARPER, _MOST_SHARPENINGS = 0.1, 10
# Ways that lead to a start from which Newton's iteration fails nevertheless, before no more are tried. Not tuned.
_FALSE_STARTS = 2
# A failed iterate whose values are this much larger than those of the guess tells nothing. Not tuned.
_SENSIBLE = 1e3


class Limits(NamedTuple):
    """tol : of the error and the residual; conditions : of the boundary conditions; points : collocation points."""

    tol: float
    conditions: float
    points: int


class Progress(NamedTuple):
    """Progress after one mesh, as handed to `callback` and printed by ``verbose=2``.

    number : of the mesh; added : nodes of the next one; conditions : their largest residual; way : the kind of problem
    on the way to the one asked for, "" for that itself.
    """

    number: int
    windows: int
    added: int
    conditions: float
    judgement: Judgement | None
    way: str = ""


class _Patience:
    """What has been tried in vain, and whether that is enough."""

    # Not tuned, all of them.
    meshes = 60  # in all
    stalls = 2  # on which Newton's iteration may fail before something else is tried
    polished = 5  # for the residual alone, the error being small enough
    idle = 5  # judgements in a row that may fail to become better ...
    better = 0.5  # ... by this factor

    def __init__(self) -> None:
        self._meshes = self._stalls = self._polished = self._idle = 0
        self._best = math.inf

    def one_more_mesh(self) -> None:
        """Count a mesh."""
        self._meshes += 1

    def stalled(self) -> bool:
        """Count a mesh on which Newton's iteration failed; whether there were too many."""
        self._stalls += 1
        return self._stalls > self.stalls

    def judged(self, left: float, only_residual: bool) -> None:
        """Count a judgement; left : excess times length of the windows: a jump of f is driven into a corner."""
        self._polished += only_residual
        if left < self.better * self._best:
            self._idle, self._best = 0, left
        else:
            self._idle += 1

    def lost(self) -> bool:
        """Whether judgements do not become better."""
        return self._idle > self.idle or self._polished > self.polished

    def spent(self) -> bool:
        """Whether there were too many meshes."""
        return self._meshes == self.meshes


class Search:
    """A trial solution on its way.

    May be set before `run`: near, that the guess is one step from a solution, so that no other ways are tried where
    Newton's iteration fails: the step is too long; whole, from which a start with all nodes of the guess is got.

    After `run`: mesh, state, judgement (None if it never came to one), rounds, conditions: their largest
    residual, and reason: what went wrong.
    """

    def __init__(
        self,
        problem: BoundaryProblem,
        mesh: Mesh,
        state: State,
        at: Evaluation | None,
        limits: Limits,
        watch: Callable[[Progress], None],
        probes: Real,
    ) -> None:
        """at : the state in the equations, if known."""
        self.problem, self.mesh, self.state, self._at = problem, mesh, state, at
        self.limits, self._watch, self._probes = limits, watch, probes
        self.near = False
        self.whole: Callable[[], tuple[Mesh, State, Evaluation | None]] | None = None
        self.finest = mesh, state
        self.judgement: Judgement | None = None
        self.rounds, self.conditions = 0, np.nan
        self.reason = ""
        self._rate = np.inf

    def run(self) -> int:
        """Solve; where Newton's iteration fails from the guess, start it from where other ways lead to."""
        good = np.isfinite(self.state.y).all(axis=0)
        if not good.all():
            x = self.mesh.x[~good][0]
            self.reason = f"{not_finite(f' at x = {x:.6g}')} The guess `y` is not finite there."
            return UNSOLVED
        guess = self.finest = self.mesh, self.state
        status = self._precise()
        if status == UNSOLVED and self.whole:
            self.mesh, self.state, self._at = self.whole()
            self.finest = self.mesh, self.state
            status = self._precise()
        if status != UNSOLVED or self.near:
            return status
        failed = self.mesh, self.state, self.reason
        in_vain = 0
        for way in ways(self):
            self.mesh, self.state = guess
            if way():
                if self._precise() == OK:
                    return OK
                in_vain += 1
                if in_vain == _FALSE_STARTS:
                    break
        self.judgement = None
        self.mesh, self.state, self.reason = failed
        if not self._sensible(guess[1]):
            if self.reason.startswith(not_finite("")[:-1]):  # what overflows after it has diverged does not converge
                self.reason = Newton.STALLED.value
            self.mesh, self.state = guess
        return UNSOLVED

    @property
    def most_points(self) -> int:
        """Collocation points that the user allows."""
        return self.limits.points

    def _sensible(self, guess: State) -> bool:
        """Whether the last iterate is of a size that a user can look at; divergence may leave numbers of 1e160."""
        size = float(abs(self.state.y).max())
        return size <= _SENSIBLE * max(1.0, float(abs(guess.y).max()))

    def newton(self, problem: Problem, tol: float) -> tuple[Equations, Outcome]:
        """Newton's iteration on the present mesh."""
        self.rounds += 1
        equations = Equations(problem, self.mesh)
        at, self._at = self._at, None
        outcome = iterate(equations, self.state if at is None else at, tol, self._rate)
        self._rate = outcome.rate if outcome.verdict is Newton.CONVERGED else np.inf
        self.state, y = outcome.state, outcome.state.y
        self.conditions = float(abs(self.problem.conditions(y[:, 0], y[:, -1], self.state.p)).max())
        self.reason = outcome.verdict.value
        if outcome.verdict is Newton.NOT_FINITE and not outcome.at.residual.finite:
            self.reason = not_finite(_where(outcome.at))
        if problem.way:
            self.told(problem.way)
        return equations, outcome

    def told(self, way: str) -> None:
        """Say that a mesh is done on which there is no more to tell, on the way to another problem or in vain."""
        self._watch(Progress(self.rounds, self.mesh.windows, 0, self.conditions, None, way))

    def move(self, x: Real) -> None:
        """To a mesh with more abscissae."""
        if x.size > self.mesh.x.size:
            mesh = Mesh(x, self.mesh.basis)
            self.mesh, self.state = mesh, transferred(self.mesh, self.state, mesh)

    def _precise(self) -> int:
        """Newton on one mesh after the other until the solution is good enough."""
        tol, sharper, sharpened = self.limits.tol, 1.0, 0
        patience = _Patience()
        while True:
            patience.one_more_mesh()
            equations, outcome = self.newton(self.problem, tol * sharper)
            if outcome.derivatives is None or outcome.verdict in (Newton.SINGULAR, Newton.NOT_FINITE):
                self.told("")
                return UNSOLVED
            res = resolution(self.mesh, self.state)
            excess = _excess(res, tol)
            resolved = not (excess > 1.0).any()
            self.judgement = None
            if outcome.verdict is Newton.STALLED:
                if patience.stalled() or resolved:
                    self.told("")
                    return UNSOLVED
            elif resolved:
                self.judgement = judge(equations, self.state, outcome.derivatives, outcome.rate, outcome.moved)
                if math.isinf(self.judgement.worst) or self._undetermined(self.judgement):
                    self.reason = Newton.SINGULAR.value
                    self.told("")
                    return UNSOLVED
                excess = self._insufficient(self.judgement, res)
                self._note(patience, self.judgement, excess)
            x = refined(self.mesh, self.state, outcome.derivatives.jac, excess, res.decay, _NEGLECTED * tol)
            added = x.size - self.mesh.x.size
            self._watch(Progress(self.rounds, self.mesh.windows, added, self.conditions, self.judgement))
            enough = self.judgement is not None and bool((excess <= 1.0).all())
            in_vain = patience.spent() or (not enough and (not added or patience.lost()))
            if in_vain or (x.size - 1) * self.mesh.basis.s > self.limits.points:
                return self._at_the_limit(equations, outcome, in_vain)
            if enough:
                if self._conditions_met(outcome):
                    return OK
                sharper, sharpened = _SHARPER * sharper, sharpened + 1
                if sharpened > _MOST_SHARPENINGS:
                    return CONDITIONS
            self.move(x)

    def _note(self, patience: _Patience, judgement: Judgement, excess: Real) -> None:
        tol = self.limits.tol
        left = float(excess.max() * self.mesh.h[excess > 1.0].sum())
        patience.judged(left, judgement.worst <= _ERROR * tol and bool((judgement.peak > tol).any()))

    def _insufficient(self, judgement: Judgement, res: Resolution) -> Real:
        """How far the windows are from what is asked for, in residual and error, (K,)."""
        tol = self.limits.tol
        excess = judgement.peak / (tol + judgement.rounding)
        if judgement.unsure > UNSURE:
            guilty = judgement.residual >= _SPLIT_SHARE_OF_LARGEST * judgement.residual.max()
            excess = np.maximum(excess, np.where(guilty, judgement.unsure / UNSURE, 0.0))
        too_much = judgement.worst / (_ERROR * tol)
        if not too_much <= 1.0:
            guilty = res.values >= _SPLIT_SHARE_OF_LARGEST * res.values.max()
            excess = np.maximum(excess, np.where(guilty, too_much, 0.0))
        elif (excess <= 1.0).all():
            excess = self._hidden(judgement)
        return np.asarray(excess)

    def _undetermined(self, judgement: Judgement) -> bool:
        """Whether the equations are nearly singular.

        Those of a problem with infinitely many solutions are singular only up to the error of the discretisation.
        """
        unknowns = 2 * self.problem.n + self.problem.n_p
        return judgement.condition > _NEARLY_SINGULAR * unknowns**2

    def _hidden(self, judgement: Judgement) -> Real:
        """The largest residual where only the user's mesh would look, in units of what is allowed, (K,)."""
        worst = np.zeros(self.mesh.windows)
        if self._probes.size:
            found = unseen(self.problem, self.mesh, self.state, self._probes)
            np.maximum.at(worst, self.mesh.window_of(self._probes), found)
        return worst / (self.limits.tol + judgement.rounding)

    def _at_the_limit(self, equations: Equations, outcome: Outcome, in_vain: bool) -> int:
        """No more windows: the error alone decides, the residual need not have become as small as it should."""
        if self.judgement is None and outcome.verdict is Newton.CONVERGED and outcome.derivatives is not None:
            self.judgement = judge(equations, self.state, outcome.derivatives, outcome.rate, outcome.moved)
        if self.judgement is not None and self.judgement.worst <= self.limits.tol:
            fits = self.mesh.windows * self.mesh.basis.s <= self.limits.points
            sure = self.judgement.unsure <= UNSURE
            if fits and sure and self._seen(self.judgement).all() and self._conditions_met(outcome):
                return OK
        if outcome.verdict is Newton.STALLED:
            return UNSOLVED
        if in_vain:
            self.reason = useless()
        return CROWDED

    def _seen(self, judgement: Judgement) -> Flags:
        """Whether what is hidden in each window may be tolerated, (K,)."""
        return np.asarray(self._hidden(judgement) * self.mesh.h < _TOLERATED_AT_USERS_NODES * self.mesh.h.sum())

    def _conditions_met(self, outcome: Outcome) -> bool:
        """Whether the boundary conditions hold to the tolerance, or to the rounding of what they are made of."""
        if self.conditions <= self.limits.conditions or outcome.derivatives is None:
            return self.conditions <= self.limits.conditions
        values = np.concatenate([self.state.y[:, 0], self.state.y[:, -1], self.state.p])
        rounding = _ROUNDING * (abs(outcome.derivatives.conditions) @ abs(values)).max()
        return bool(self.conditions <= rounding)


def _excess(res: Resolution, tol: float) -> Real:
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
