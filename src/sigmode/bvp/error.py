"""What a mesh of windows resolves and what it does not, and the estimated error."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ..arguments import EPS
from ..arrays import Real
from ..compiled import chain as compiled
from ..compiled import series
from ..trial.basis import basis
from ..user.boundary import BoundaryProblem
from .chain import Chain
from .equations import Derivatives, Equations, Evaluation, Residual
from .mesh import Mesh, State, read

__all__ = ["MORE_NODES", "MOST_NODES", "Judgement", "Resolution", "judge", "resolution", "unseen"]

# The estimate has this many more nodes than the trial solution, up to a largest number that can be computed with. Not
# tuned.
MORE_NODES, MOST_NODES = 4, 25
# With a larger condition the equations and their boundary conditions are singular as far as anybody can tell. Not
# tuned.
_SINGULAR = 1e11
# Where changes of the terms of f by a part d change the solution by this many times d, the derivatives of the last
# step, one step and an interpolation away, are too old for the estimate. Problems with a layer of width w have up to
# 2 / w. Not tuned.
_SENSITIVE = 1e3
# With this many, the solution cannot be told from others: derivatives by differences have eight digits.
_UNDETERMINED = 1e7
# Rounding of `fun`, in units of the largest of its terms. Not tuned.
_ROUNDING = 8.0 * EPS


class Resolution(NamedTuple):
    """How well windows show the solution, (K,) each.

    values : the first neglected coefficient of the values, relative to their size; slopes : that of the slopes,
    relative to 1 + the smallest slope in the window; decay : the factor by which coefficients fall.
    """

    values: Real
    slopes: Real
    decay: Real


def resolution(mesh: Mesh, state: State) -> Resolution:
    """From the last four Legendre coefficients of the slopes, continued by their decay."""
    scale = np.maximum(state.sizes(mesh), 1.0)
    return Resolution(*series.neglected_by_windows(state.slopes, mesh.basis.to_legendre, mesh.h, scale))


class Judgement(NamedTuple):
    """What a trial solution is worth.

    error (n, K) : the largest estimated error in each window; worst : the largest one of a value or a parameter,
    relative to its size; residual (K,) : root mean square of the residual relative to 1 + |f|; peak (K,) : its
    largest value; rounding (K,) : what it cannot fall below; p (n_p,) : the estimated error of p; condition : that of
    the finer equations, infinite where they do not determine the solution.
    """

    error: Real
    worst: float
    residual: Real
    peak: Real
    rounding: Real
    p: Real
    condition: float


def judge(equations: Equations, state: State, derivatives: Derivatives) -> Judgement:
    """The Newton step of a finer discretisation on the same windows: the estimated error, with its sign turned.

    derivatives : of the last Newton step, read between the nodes. Errors are infinite if the finer system is singular.
    Cost: one evaluation of `fun` on s + 4 nodes per window, twice where there are left nodes, and one factorisation.
    """
    coarse = equations.mesh
    fine = Mesh(coarse.x, basis(min(coarse.basis.s + MORE_NODES, MOST_NODES)))
    on_fine = Equations(equations.problem, fine, equations.directions)
    at, start = on_fine.evaluate_with_start(state)
    finer = derivatives.on(fine.basis, coarse, equations.directions)
    found = compiled.relative_residuals(at.right.slopes, at.right.f, at.right.y, finer.jac, fine.basis.A[-1])
    residual, peak, noise = np.sqrt(found[0]), np.sqrt(found[1]), _ROUNDING * found[2]
    peak[0] = max(peak[0], start)
    chain, condition = None, np.inf
    if at.residual.finite:
        chain = Chain(fine, equations.directions, finer)
        sensitivity = _sensitivity(chain, at, finer)
        if sensitivity > _SENSITIVE:
            at, finer = on_fine.linearise(at, False)
            chain = Chain(fine, equations.directions, finer)
            sensitivity = _sensitivity(chain, at, finer)
        condition = chain.condition if sensitivity < _UNDETERMINED else np.inf
    if chain is None or not condition <= _SINGULAR:
        nothing = np.full((len(state.y), fine.windows), np.inf)
        return Judgement(nothing, np.inf, residual, peak, noise, state.p + np.inf, condition)
    step = chain.solve(at.residual)
    error = step.sizes(fine)
    worst = float((error / np.maximum(state.sizes(coarse), 1.0)).max())
    if state.p.size:
        worst = max(worst, float((abs(step.p) / np.maximum(abs(state.p), 1.0)).max()))
    return Judgement(error, worst, residual, peak, noise, abs(step.p), condition)


def _sensitivity(chain: Chain, at: Evaluation, derivatives: Derivatives) -> float:
    """How much larger than relative changes of the terms of f and bc is what they do to the solution, relative to it.

    The changes have signs by chance, the same ones every time. A front in the interior whose place depends on what is
    exponentially small, as in eps y'' = y y', has 1 / eps**2 and more, and well conditioned values at both ends.
    """
    y = at.state.y
    n = len(y)
    terms = abs(derivatives.jac[:, :n] * np.concatenate([at.right.y, at.left.y], axis=1)).sum(axis=1)
    of_ends = np.concatenate([y[:, 0], y[:, -1], at.state.p])
    conditions = abs(derivatives.conditions * of_ends).sum(axis=1)
    changes = Residual(
        terms * _signs(terms.shape), np.zeros_like(at.residual.continuity), conditions * _signs(conditions.shape)
    )
    size = np.maximum(abs(y).max(axis=1), 1.0)
    return float((abs(chain.solve(changes).y).max(axis=1) / size).max())


@functools.cache
def _signs(shape: tuple[int, ...]) -> Real:
    return np.random.default_rng(0).choice([-1.0, 1.0], size=shape)


def unseen(problem: BoundaryProblem, mesh: Mesh, state: State, probes: Real) -> Real:
    """The residual at each of the probes, relative to 1 + |f| as ever, (m,).

    Values that are not finite are passed over: the solution may be singular at a.
    """
    y, slopes = read(mesh, state, probes, "right")
    f = problem(probes, y, state.p)
    residual = np.sqrt((((slopes - f) / (1.0 + abs(f))) ** 2).sum(axis=0))
    return np.where(np.isfinite(residual), residual, 0.0)
