"""Where to start Newton's iteration when it fails from the guess: solutions of problems that lead to the one given."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy.integrate import solve_bvp as low_order

from ..arrays import Real
from ..user.boundary import BoundaryProblem, BoundedSlopes
from .equations import Equations, Problem
from .error import resolution
from .mesh import Mesh, State, read, refined
from .newton import Outcome
from .status import Newton

__all__ = ["Deformed", "Walk", "ways"]

# Solutions on the way are found to this tolerance, on so many meshes of so many windows at most. With 100 windows, 200
# random problems take 1.8 times as long and as many are solved; with 30, two less (docs/decisions.md).
_TOL, _MESHES, _WINDOWS = 1e-2, 15, 45
# What may be neglected on the way, in units of that tolerance. Not tuned.
_NEGLECTED = 0.3
# Meshes that a way may take, at first and when all ways have failed. Of the ways that lead to an end in 400 random
# problems, two thirds take 12 meshes or less, nine tenths 30; nearly half of the deformations that do take 6 or less.
_FIRST_PATIENCE, _PATIENCE = 6, (12, 30)
# Bounds of the slopes to begin with, in units of max|y|/(b - a). A larger one is nearer to the problem, a smaller one
# is solved from worse guesses. Of 69 random problems that these ways solve, the first bound solves 48, the deformation
# 10 more, the others the rest.
_BOUNDS = (10.0, 3.0, 0.3)
# SciPy's method may use so many nodes, and so many intervals between them make a window. It is tried first: it ends
# within 0.1 s, another way within 0.5 s. Not tuned.
_NODES, _NODES_OF_A_WINDOW = 1000, 4


class Walk(Protocol):
    """What a way needs of a search: where it is, how it moves, and Newton's iteration there."""

    problem: BoundaryProblem
    mesh: Mesh
    state: State
    finest: tuple[Mesh, State]  # the guess at as many nodes as it may be started from
    rounds: int

    def newton(self, problem: Problem, tol: float) -> tuple[Equations, Outcome]:
        """Newton's iteration on the present mesh."""

    def told(self, way: str) -> None:
        """Say that a mesh on the way is done."""

    def move(self, x: Real) -> None:
        """To a mesh with more abscissae."""

    @property
    def most_points(self) -> int:
        """Collocation points that the user allows."""


def ways(walk: Walk) -> list[Callable[[], bool]]:
    """Ways from the guess to a start for Newton's iteration, the one to be tried first first.

    Each returns whether it got there; the search is left where it ended.
    """

    def all_with(patience: int) -> list[Callable[[], bool]]:
        first, *others = [functools.partial(_bound, walk, bound, patience) for bound in _BOUNDS]
        return [first, functools.partial(_deform, walk, patience), *others]

    short, long = map(all_with, _PATIENCE)
    first, low = functools.partial(_deform, walk, _FIRST_PATIENCE), functools.partial(_from_low_order, walk)
    return [low, first, *short, *long]


def _bound(walk: Walk, first: float, patience: int) -> bool:
    """By way of problems whose slopes are bounded, each bound larger than the one before.

    Returns whether a solution was found whose slopes are hardly bounded any more.
    """
    # Not tuned, all of them: the growth of the bound from one problem to the next, its square root after a failure,
    # until it is below the least one; it ends when |f| is the last part of the bound everywhere.
    growth, least_growth, unbounded = 4.0, 1.1, 0.03
    span = walk.mesh.x[-1] - walk.mesh.x[0]
    bound = first * np.maximum(abs(walk.state.y).max(axis=1, keepdims=True), 1.0) / span
    good = walk.mesh, walk.state
    end = walk.rounds + patience
    while walk.rounds < end and growth > least_growth:
        if _solved(walk, BoundedSlopes(walk.problem, bound)):
            good = walk.mesh, walk.state
            f = Equations(walk.problem, walk.mesh).evaluate(walk.state).right.f
            if (abs(f) < unbounded * bound).all():
                return True
        else:
            walk.mesh, walk.state = good
            bound, growth = bound / growth, growth**0.5
        bound = bound * growth
    return False


class Deformed:
    """The problem less a part of what the guess g leaves of it: y' = f(x, y, p) + part (g' - f(x, g, p_g)), bc alike.

    With part = 1 the guess is its solution, with part = 0 it is the problem asked for: Newton's homotopy. Layers and
    exponentials that stop an iteration from afar are reached in steps. Source: Deuflhard, Newton Methods for Nonlinear
    Problems (2004), sec. 5.1.
    """

    way = "less what the guess leaves"

    def __init__(self, problem: BoundaryProblem, mesh: Mesh, guess: State, part: float) -> None:
        self._problem, self._mesh, self._guess, self._part = problem, mesh, guess, part
        self.n, self.n_p = problem.n, problem.n_p
        self._conditions = part * problem.conditions(guess.y[:, 0], guess.y[:, -1], guess.p)
        self._seen: tuple[Real, Real] = np.empty(0), np.empty((problem.n, 0))

    def __call__(self, x: Real, y: Real, p: Real) -> Real:
        """The right-hand side, (n, m)."""
        return self._problem(x, y, p) + self._added(x)

    def jacobian(self, x: Real, y: Real, p: Real, f: Real) -> Real:
        """As in `BoundaryProblem`."""
        return self._problem.jacobian(x, y, p, f - self._added(x))

    def conditions(self, start: Real, end: Real, p: Real) -> Real:
        """As in `BoundaryProblem`."""
        return self._problem.conditions(start, end, p) - self._conditions

    def conditions_jacobian(self, start: Real, end: Real, p: Real, value: Real) -> Real:
        """As in `BoundaryProblem`."""
        return self._problem.conditions_jacobian(start, end, p, value + self._conditions)

    def _added(self, x: Real) -> Real:
        """What is added to f at the points x (m,), kept for the next call at the same points."""
        points, values = self._seen
        if points.size != x.size or not np.array_equal(points, x):
            y, slopes = read(self._mesh, self._guess, x, "right")
            values = self._part * (slopes - self._problem(x, y, self._guess.p))
            self._seen = x.copy(), values
        return values


def _deform(walk: Walk, patience: int) -> bool:
    """By way of deformed problems; whether the part that is left of the guess's residual came to 0."""
    # Not tuned, all of them: the first step, how it grows after a success and shrinks after a failure, the least one.
    step, longer, shorter, least = 0.1, 2.5, 0.25, 1e-4
    guess = good = walk.mesh, walk.state
    part, end = 1.0, walk.rounds + patience
    while walk.rounds < end and step > least:
        following = max(0.0, part - step)
        if _solved(walk, Deformed(walk.problem, *guess, following)):
            good, part = (walk.mesh, walk.state), following
            step *= longer
        else:
            walk.mesh, walk.state = good
            step *= shorter
        if part == 0.0:
            return True
    return False


def _from_low_order(walk: Walk) -> bool:
    """By SciPy's method of order 4, undeterred by steps that do not help, from all nodes that the guess has."""
    problem, (mesh, state) = walk.problem, walk.finest
    if problem.singular:
        return False
    k = problem.n_p
    unknown = {"p": state.p} if k else {}
    found = low_order(
        lambda x, y, *p: problem(x, y, p[0] if k else state.p),
        lambda ya, yb, *p: problem.conditions(ya, yb, p[0] if k else state.p),
        mesh.x, state.y, **unknown, tol=_TOL, max_nodes=_NODES,
    )  # fmt: skip
    walk.told("by SciPy's method")
    if not found.success:
        return False
    every = np.append(np.arange(0, found.x.size - 1, _NODES_OF_A_WINDOW), found.x.size - 1)
    walk.mesh = Mesh(found.x[every], mesh.basis)
    slopes = found.sol(walk.mesh.right.ravel(), 1).reshape(problem.n, walk.mesh.windows, -1)
    walk.state = State(found.y[:, every].copy(), np.ascontiguousarray(slopes), found.p if k else state.p)
    return True


def _solved(walk: Walk, problem: Problem) -> bool:
    """Whether the solution of a problem on the way could be found."""
    target = _NEGLECTED * _TOL
    for _ in range(_MESHES):
        _, outcome = walk.newton(problem, _TOL)
        if outcome.derivatives is None or outcome.verdict in (Newton.SINGULAR, Newton.NOT_FINITE):
            return False
        res = resolution(walk.mesh, walk.state)
        if (res.values <= target).all():
            return outcome.verdict is Newton.CONVERGED
        x = refined(walk.mesh, walk.state, outcome.derivatives.jac, res.values / target, res.decay, target)
        if x.size - 1 > min(walk.most_points / walk.mesh.basis.s, _WINDOWS):
            return False
        walk.move(x)
    return False
