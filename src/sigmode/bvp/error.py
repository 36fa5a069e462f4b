"""What a mesh of windows resolves and what it does not, and the estimated error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arguments import EPS
from ..arrays import Real
from ..compiled import chain as compiled
from ..compiled import series
from ..trial.basis import basis
from ..user.boundary import BoundaryProblem
from .chain import Chain
from .equations import Derivatives, Equations
from .mesh import Mesh, State, read

__all__ = ["MORE_NODES", "MOST_NODES", "Judgement", "Resolution", "judge", "resolution", "unseen"]

# The estimate has this many more nodes than the trial solution, up to a largest number that can be computed with. Not
# tuned.
MORE_NODES, MOST_NODES = 4, 25
# With a larger condition the equations and their boundary conditions are singular as far as anybody can tell. Not
# tuned.
_SINGULAR = 1e11
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
    the finer equations.
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
    at, start = Equations(equations.problem, fine, equations.directions).evaluate_with_start(state)
    finer = derivatives.on(fine.basis, coarse, equations.directions)
    found = compiled.relative_residuals(at.right.slopes, at.right.f, at.right.y, finer.jac, fine.basis.A[-1])
    residual, peak, noise = np.sqrt(found[0]), np.sqrt(found[1]), _ROUNDING * found[2]
    peak[0] = max(peak[0], start)
    chain = Chain(fine, equations.directions, finer) if at.residual.finite else None
    condition = np.inf if chain is None else chain.condition
    if chain is None or condition > _SINGULAR:
        nothing = np.full((len(state.y), fine.windows), np.inf)
        return Judgement(nothing, np.inf, residual, peak, noise, state.p + np.inf, condition)
    step = chain.solve(at.residual)
    error = step.sizes(fine)
    worst = float((error / np.maximum(state.sizes(coarse), 1.0)).max())
    if state.p.size:
        worst = max(worst, float((abs(step.p) / np.maximum(abs(state.p), 1.0)).max()))
    return Judgement(error, worst, residual, peak, noise, abs(step.p), condition)


def unseen(problem: BoundaryProblem, mesh: Mesh, state: State, probes: Real) -> Real:
    """The residual at each of the probes, relative to 1 + |f| as ever, (m,).

    Values that are not finite are passed over: the solution may be singular at a.
    """
    y, slopes = read(mesh, state, probes, "right")
    f = problem(probes, y, state.p)
    residual = np.sqrt((((slopes - f) / (1.0 + abs(f))) ** 2).sum(axis=0))
    return np.where(np.isfinite(residual), residual, 0.0)
