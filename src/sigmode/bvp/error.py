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

__all__ = ["MORE_NODES", "MOST_NODES", "UNSURE", "Judgement", "Resolution", "judge", "resolution", "unseen"]

# The estimate has this many more nodes than the trial solution, up to a largest number that can be computed with. Not
# tuned.
MORE_NODES, MOST_NODES = 4, 25
# With a larger condition the equations and their boundary conditions are singular as far as anybody can tell. Not
# tuned.
_SINGULAR = 1e11
# The derivatives of the last step are taken for the estimate if the sensitivity (see `_sensitivity`) is below the first
# number (with a layer of width w it is up to 2 / w), and below the second one over the distance that the trial solution
# has since moved: equations that are singular look no more singular than that. Newton's iteration at the rate that is
# the third number is that of linear equations, whose derivatives do not change. Not tuned.
_SENSITIVE, _STALE, _LINEAR = 1e3, 0.01, 2e-5
# From this sensitivity on, derivatives by differences, which have eight digits, may be too inexact for the estimate: it
# is asked what their errors do to it, and no more than the third number is allowed.
_VERY_SENSITIVE, _OF_DIFFERENCES, _UNCERTAIN = 1e7, 1.5e-8, 0.1
# What the residual may do to the solution, relative to its size, if its signs are by chance: a front may stand where
# the discretisation has it, not the equation. Of 160 solutions of random problems the largest value is 3e-5.
UNSURE = 1e-3
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
    the finer equations, infinite where they do not determine the solution; sensitivity : see
    `_sensitivity`; unsure : how far y moves, relative to its size, if the residual has other signs, 0
    for linear equations.
    """

    error: Real
    worst: float
    residual: Real
    peak: Real
    rounding: Real
    p: Real
    condition: float
    sensitivity: float
    unsure: float


def judge(equations: Equations, state: State, derivatives: Derivatives, rate: float, moved: float) -> Judgement:
    """The Newton step of a finer discretisation on the same windows: the estimated error, with its sign turned.

    derivatives : of the last Newton step, read between the nodes; rate, moved : as in `Outcome`.
    Errors are infinite if the finer system is singular.
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
    chain, condition, sensitivity = None, np.inf, np.inf
    if at.residual.finite:
        chain = Chain(fine, equations.directions, finer)
        sensitivity = _sensitivity(chain, at, finer)
        condition = chain.condition
        if not (sensitivity <= _SENSITIVE and (sensitivity * moved <= _STALE or rate <= _LINEAR)):
            at, finer = on_fine.linearise(at, False)
            chain = Chain(fine, equations.directions, finer)
            sensitivity = _sensitivity(chain, at, finer)
    if chain is None or not condition <= _SINGULAR:
        return _hopeless(fine, state, (residual, peak, noise), condition)
    step = chain.solve(at.residual)
    if sensitivity > _VERY_SENSITIVE and not _uncertainty(chain, fine, step, finer) <= _UNCERTAIN:
        return _hopeless(fine, state, (residual, peak, noise), np.inf)
    unsure = 0.0
    if rate > _LINEAR and sensitivity * float(np.maximum(residual - noise, 0.0).max()) > UNSURE:
        unsure = _relative(_moved(chain, abs(at.residual.collocation), 0.0 * at.residual.conditions), at)
    error = step.sizes(fine)
    worst = float((error / np.maximum(state.sizes(coarse), 1.0)).max())
    if state.p.size:
        worst = max(worst, float((abs(step.p) / np.maximum(abs(state.p), 1.0)).max()))
    return Judgement(error, worst, residual, peak, noise, abs(step.p), condition, sensitivity, unsure)


def _hopeless(mesh: Mesh, state: State, residuals: tuple[Real, Real, Real], condition: float) -> Judgement:
    """Of equations that do not determine the solution."""
    nothing = np.full((len(state.y), mesh.windows), np.inf)
    return Judgement(nothing, np.inf, *residuals, state.p + np.inf, condition, np.inf, np.inf)


def _sensitivity(chain: Chain, at: Evaluation, derivatives: Derivatives) -> float:
    """How much larger than relative changes of the terms of f and bc is what they do to the solution, relative to it.

    The changes have signs by chance, the same ones every time. Where a front stands in the interior may depend on what
    is exponentially small, as in eps y'' = y y': the values at both ends are well conditioned then, and this is large.
    """
    y = at.state.y
    of_ends = np.concatenate([y[:, 0], y[:, -1], at.state.p])
    return _relative(_moved_by(chain, np.concatenate([at.right.y, at.left.y], axis=1), of_ends, derivatives), at)


def _relative(moved: Real, at: Evaluation) -> float:
    return float((moved / np.maximum(abs(at.state.y).max(axis=1), 1.0)).max())


def _uncertainty(chain: Chain, mesh: Mesh, step: State, derivatives: Derivatives) -> float:
    """What errors of the derivatives do to the estimated error, relative to it."""
    sizes = step.sizes(mesh)
    of_step = np.repeat(sizes, mesh.basis.s, axis=1)
    left = derivatives.jac.shape[2] - mesh.right.size  # nodes of some of the windows
    of_step = np.concatenate([of_step, np.repeat(sizes.max(axis=1, keepdims=True), left, axis=1)], axis=1)
    of_ends = np.concatenate([step.y[:, 0], step.y[:, -1], step.p])
    found = _moved_by(chain, of_step, of_ends, derivatives)
    return float(_OF_DIFFERENCES * (found / np.maximum(sizes.max(axis=1), np.finfo(float).tiny)).max())


def _moved_by(chain: Chain, of_f: Real, of_bc: Real, derivatives: Derivatives) -> Real:
    """How far y moves (n,), at the ends of windows, where each term of f (n, points) and bc changes by itself."""
    n = len(of_f)
    terms = abs(derivatives.jac[:, :n] * of_f).sum(axis=1)
    conditions = abs(derivatives.conditions * of_bc).sum(axis=1)
    return _moved(chain, terms, conditions)


def _moved(chain: Chain, collocation: Real, conditions: Real) -> Real:
    """How far y moves (n,), at the ends of windows, by residuals of these sizes and of signs by chance."""
    nothing = np.zeros((len(collocation), chain.windows))
    changes = Residual(collocation * _signs(collocation.shape), nothing, conditions * _signs(conditions.shape))
    return np.asarray(abs(chain.solve(changes).y).max(axis=1))


@functools.lru_cache(maxsize=16)
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
