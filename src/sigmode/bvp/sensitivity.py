"""Derivatives of a solution of a boundary value problem by the numbers in `args`."""

from __future__ import annotations

import functools
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
# The coarse derivative has steps this much longer, so that the estimate sees what they do. Not tuned.
_OTHER_STEP = 4.0
# Differences over a step and twice of it that differ by less than this are good enough; otherwise these steps are
# tried, and some that do not depend on the number: it may be small or large beside what it is added to. Not tuned.
_GOOD, _FACTORS = 1e-7, (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3)
# Each improvement divides the error by 1e8 over the condition of the equations. Not tuned.
_IMPROVEMENTS = 2

Make = Callable[[tuple[Any, ...]], BoundaryProblem]
Sides = tuple[BoundaryProblem, BoundaryProblem, float]


class ByArgs(NamedTuple):
    """Derivatives by k numbers.

    solutions : k solutions, dy/darg with its error; p (n_p, k) : dp/darg; error_p (n_p, k) : its estimated error.
    """

    solutions: tuple[Solution, ...]
    p: Real
    error_p: Real


def by_args(make: Make, args: Any, mesh: Mesh, state: State) -> ByArgs:
    """The derivative of the discrete solution: with r(y, p, a) = 0 the equations of the chain, dr/dy dy/da = -dr/da.

    It is solved twice, on the mesh of the solution, and on finer nodes at the solution moved by its estimated error,
    with other steps of the differences. The second is what is returned, the difference of the two the estimate of its
    error. make : the problem with other `args`. Cost: three factorisations, and some 14 calls of `fun` for each number.
    """
    own, numbers = parameters_of(args)
    problem = make(own)
    fine = Mesh(mesh.x, basis(min(mesh.basis.s + MORE_NODES, MOST_NODES)))
    rough, sharp = _Linear(problem, mesh, state), _Linear(problem, fine, transferred(mesh, state, fine), correct=True)
    solutions, p, error_p = [], [], []
    for where in numbers:
        i, index = where
        value = float(own[i] if index is None else own[i][index])
        sides = functools.partial(_both, make, own, where)
        step = sharp.best_step(sides, value)
        coarse = transferred(mesh, rough.derivative(sides, _OTHER_STEP * step), fine)
        finer = sharp.improved(sharp.derivative(sides, step), sides, step)
        off = State(finer.y - coarse.y, finer.slopes - coarse.slopes, finer.p - coarse.p)
        solutions.append(solution_of(problem, fine, finer, off.sizes(fine)))
        p.append(problem.unpack(finer.p))
        error_p.append(abs(problem.unpack(off.p)))
    width = problem.unpack(state.p).size
    return ByArgs(tuple(solutions), *(np.reshape(part, (len(numbers), width)).T for part in (p, error_p)))


def _both(make: Make, own: tuple[Any, ...], where: tuple[int, Any], step: float) -> Sides:
    """The problem with a number moved by a step ahead and back."""
    ahead, back = moved(own, where, step), moved(own, where, -step)
    i, index = where
    run = ahead[i] - back[i] if index is None else ahead[i][index] - back[i][index]
    return make(ahead), make(back), float(run)


class _Linear:
    """The equations linearised and factorised at a trial solution."""

    def __init__(self, problem: BoundaryProblem, mesh: Mesh, state: State, correct: bool = False) -> None:
        """correct : after one step of Newton's iteration."""
        self._equations = Equations(problem, mesh)
        at, derivatives = self._equations.linearise(self._equations.evaluate(state), direct=True)
        self._chain = Chain(mesh, self._equations.directions, derivatives)
        if correct:
            at = self._equations.evaluate(state.moved(self._chain.solve(at.residual)))
            at, derivatives = self._equations.linearise(at, direct=True)
            self._chain = Chain(mesh, self._equations.directions, derivatives)
        self._at = at

    def derivative(self, sides: Callable[[float], Sides], step: float) -> State:
        """By a number, with differences over this step."""
        return self._chain.solve(_by_one(self._at, *sides(step)))

    def best_step(self, sides: Callable[[float], Sides], value: float) -> float:
        """Of steps by the size of the number, and others, the one whose differences change least if it is doubled."""
        first = float(_STEP * (abs(value) or 1.0))
        off = self._doubt(sides, first)
        if off < _GOOD:
            return first
        steps = [first * factor for factor in _FACTORS] + [_STEP * 10.0**k for k in range(-3, 2)]
        doubts = [self._doubt(sides, step) for step in steps]
        best = int(np.nanargmin([off, *doubts])) if np.isfinite([off, *doubts]).any() else 0
        return float([first, *steps][best])

    def _doubt(self, sides: Callable[[float], Sides], step: float) -> float:
        """How much differences over a step and over twice of it differ, relative to their size."""
        one, two = (_flat(_by_one(self._at, *sides(h))) for h in (step, 2.0 * step))
        size = float(
            abs(two).max(initial=0.0)
        )  # 0 where the step is lost in rounding, or nothing depends on the number
        return float(abs(one - two).max(initial=0.0)) / size if size > 0.0 else np.inf

    def improved(self, change: State, sides: Callable[[float], Sides], step: float) -> State:
        """The derivative with the errors of df/dy by differences removed: dr/da along it is zero.

        r is taken at the solution moved by the derivative and at the number moved, ahead and back, so that one
        difference has all of dr/da; it is what a further solve with the same factors removes.
        """
        mesh, state = self._equations.mesh, self._at.state
        for _ in range(_IMPROVEMENTS):
            relative = float((change.sizes(mesh) / np.maximum(state.sizes(mesh), 1.0)).max())
            h = min(step, _STEP / relative) if relative > 0.0 else step
            ahead, back, run = sides(h)
            ends = (self._residual(ahead, state.moved(change, h)), self._residual(back, state.moved(change, -h)))
            left = Residual(*((one - other) / run for one, other in zip(*ends, strict=True)))
            if not left.finite:
                break
            change = change.moved(self._chain.solve(left))
        return change

    def _residual(self, problem: BoundaryProblem, state: State) -> Residual:
        return Equations(problem, self._equations.mesh, self._equations.directions).evaluate(state).residual


def _flat(residual: Residual) -> Real:
    return np.concatenate([part.ravel() for part in residual])


def _by_one(at: Evaluation, ahead: BoundaryProblem, back: BoundaryProblem, run: float) -> Residual:
    """The derivative of all residuals by one number."""
    p, y = at.state.p, at.state.y
    f = [(ahead(part.x, part.y, p) - back(part.x, part.y, p)) / run for part in (at.right, at.left) if part.x.size]
    conditions = (ahead.conditions(y[:, 0], y[:, -1], p) - back.conditions(y[:, 0], y[:, -1], p)) / run
    return Residual(-np.concatenate(f, axis=1), np.zeros_like(at.residual.continuity), conditions)
