"""Derivatives of a solution of a boundary value problem by the numbers in `args`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arguments import EPS
from ..arrays import Real
from ..trial.basis import basis
from ..trial.solution import Solution
from ..user.boundary import BoundaryProblem
from ..user.parameters import moved, parameters_of
from .chain import Chain
from .equations import Equations, Evaluation, Residual
from .error import MORE_NODES, MOST_NODES
from .mesh import Mesh, State, transferred
from .report import solution_of

__all__ = ["ByArgs", "by_args"]

# Relative step of central differences by a number in `args`: truncation and rounding are equal (docs/decisions.md,
# "Differences are central").
_STEP = EPS ** (1 / 3)


class ByArgs(NamedTuple):
    """Derivatives by k numbers.

    solutions : k solutions, dy/darg with its error; p (n_p, k) : dp/darg; error_p (n_p, k) : its estimated error.
    """

    solutions: tuple[Solution, ...]
    p: Real
    error_p: Real


def by_args(make: Callable[[tuple[Any, ...]], BoundaryProblem], args: Any, mesh: Mesh, state: State) -> ByArgs:
    """The derivative of the discrete solution: with r(y, p, a) = 0 the equations of the chain, dr/dy dy/da = -dr/da.

    It is solved twice, on the mesh of the solution, and on finer nodes at the solution moved by its estimated error.
    The second is what is returned, the difference of the two the estimate of its error. make : the problem with other
    `args`. Cost: two factorisations, and two calls of `fun` for each number and each of them.
    """
    own, numbers = parameters_of(args)
    problem = make(own)
    sides = []
    for where in numbers:
        i, index = where
        step = _STEP * (abs(float(own[i] if index is None else own[i][index])) or 1.0)
        sides.append((make(moved(own, where, step)), make(moved(own, where, -step)), 2.0 * step))
    coarse = _derivatives(problem, sides, mesh, state)
    fine = Mesh(mesh.x, basis(min(mesh.basis.s + MORE_NODES, MOST_NODES)))
    finer = _derivatives(problem, sides, fine, transferred(mesh, state, fine), correct=True)
    solutions, p, error_p = [], [], []
    for step, rough in zip(finer, coarse, strict=True):
        refined = transferred(mesh, rough, fine)
        off = State(step.y - refined.y, step.slopes - refined.slopes, step.p - rough.p)
        solutions.append(solution_of(problem, fine, step, off.sizes(fine)))
        p.append(problem.unpack(step.p))
        error_p.append(abs(problem.unpack(off.p)))
    width = problem.unpack(state.p).size
    return ByArgs(tuple(solutions), *(np.reshape(part, (len(sides), width)).T for part in (p, error_p)))


def _derivatives(
    problem: BoundaryProblem, sides: list[Any], mesh: Mesh, state: State, correct: bool = False
) -> list[State]:
    """One for each number, on this mesh at this solution; correct: after one step of Newton's iteration."""
    equations = Equations(problem, mesh)
    at, derivatives = equations.linearise(equations.evaluate(state), direct=True)
    chain = Chain(mesh, equations.directions, derivatives)
    if correct:
        at = equations.evaluate(state.moved(chain.solve(at.residual)))
        at, derivatives = equations.linearise(at, direct=True)
        chain = Chain(mesh, equations.directions, derivatives)
    return [chain.solve(_by_one(at, *side)) for side in sides]


def _by_one(at: Evaluation, ahead: BoundaryProblem, back: BoundaryProblem, run: float) -> Residual:
    """The derivative of all residuals by one number."""
    p, y = at.state.p, at.state.y
    f = [(ahead(part.x, part.y, p) - back(part.x, part.y, p)) / run for part in (at.right, at.left) if part.x.size]
    conditions = (ahead.conditions(y[:, 0], y[:, -1], p) - back.conditions(y[:, 0], y[:, -1], p)) / run
    return Residual(-np.concatenate(f, axis=1), np.zeros_like(at.residual.continuity), conditions)
