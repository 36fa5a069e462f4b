"""What a fit has found: statistics, what is not determined, and whether it can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Real
from ..blas import one_thread
from .descent import Found
from .model import Solved
from .result import FitResult
from .search import Search, bias, first_values
from .unknowns import Unknowns

__all__ = ["result_of"]

# Singular values below this part of the largest one are directions that the data do not determine, and weights in a
# direction that are not told. Not tuned.
_UNDETERMINED, _NO_WEIGHT = 1e-6, 0.05
# A parameter that could change by itself and move all data by no more than this part has no effect. Not tuned.
_NO_EFFECT = 1e-9
# From which part of its standard error, and of itself, on a parameter may not be moved by errors of the solution. Not
# tuned.
_SPOILT, _EXACT = 0.1, 1e-6
# Results of several starts are the same if their sums of squares differ by no more than this part. Not tuned.
_SAME = 1e-4
_NO_START = "The equation has no solution up to the last measurement from the start values: choose others, or bounds."


def result_of(search: Search, several: bool, absolute: bool) -> FitResult:
    """All that `fit_ivp` gives."""
    unknowns, parameters = search.unknowns, search.unknowns.parameters
    names = parameters.names + unknowns.names[parameters.free.size :]
    places = np.append(parameters.free, np.arange(len(parameters.names), len(names)))
    N = len(names)
    res = FitResult(names=names, nfev=0, nit=search.nit, success=False, status=-1)
    z = search.best.x if search.best is not None else first_values(unknowns, search.model)
    object.__setattr__(res, "_places", places)  # not among the entries of the dictionary
    object.__setattr__(res, "_absolute", absolute)
    object.__setattr__(res, "_fit", (search.model, unknowns, z))
    values = unknowns.values(z)
    res.x = np.append(unknowns.all(values), values[parameters.free.size :])
    res.params = parameters.by_name(unknowns.all(values))
    initial = [unknowns.y0(values, i)[0] for i in range(len(unknowns.sets))]
    res.y0 = initial if several else initial[0]
    solved = search.run.solved(z) if search.best is not None else None
    res.nfev = search.nfev
    M = sum(int(each.measured.sum()) for each in unknowns.sets)
    res.dof = M - unknowns.size
    res.cov = np.full((N, N), np.nan)
    res.corr, res.stderr, res.bias = res.cov.copy(), np.full(N, np.nan), np.full(N, np.nan)
    res.undetermined, res.active_mask = [], np.zeros(N, dtype=int)
    if solved is None or search.best is None:
        res.ssr = res.rms = res.cost = np.inf
        res.fun, res.jac, res.error, res.sol = np.full(M, np.nan), np.full((M, N), np.nan), np.full(M, np.nan), None
        why = f"{_NO_START} {search.failure}" if search.failure else _NO_START
        res.message = "`callback` stopped the fit." if search.stopped else why
        return res
    found = search.best
    res.cost, res.fun, res.error = found.cost, solved.residual, solved.error
    res.jac = np.zeros((M, N))
    res.jac[:, places] = solved.jacobian
    res.ssr = float(solved.residual @ solved.residual)
    res.rms = float(np.sqrt(res.ssr / res.dof)) if res.dof > 0 else np.nan
    solutions = [made() for made in solved.solutions]
    res.sol = solutions if several else solutions[0]
    res.active_mask[places] = found.active_mask
    with one_thread(solved.jacobian.size):
        _statistics(res, solved, unknowns, absolute, None if search.run.linear else (found.jac, found.cost, z))
    res.success, res.status, res.message = _verdict(res, search, found)
    return res


def _statistics(
    res: FitResult, solved: Solved, unknowns: Unknowns, absolute: bool, robust: tuple[Any, float, Real] | None
) -> None:
    """cov, stderr, corr, bias, and the directions that the data do not determine.

    robust : with another loss the derivatives that `least_squares` has weighed, the cost, and z: as in `curve_fit`.
    """
    places = res._places
    inner = np.flatnonzero(res.active_mask[places] == 0)
    fixed = np.setdiff1d(np.arange(res.x.size), places)
    res.stderr[fixed] = res.bias[fixed] = 0.0
    if not inner.size:
        return
    J = solved.jacobian[:, inner]
    total = res.ssr
    if robust is not None and robust[0] is not None:
        J, total = (robust[0] / unknowns.factors(robust[2]))[:, inner], 2.0 * robust[1]
    at = places[inner]
    norms = np.linalg.norm(J, axis=0)
    data = np.concatenate([(each.y / each.sigma)[each.measured] for each in unknowns.sets])
    nothing = norms * abs(res.x[at]) <= _NO_EFFECT * (np.linalg.norm(data) + np.sqrt(res.ssr)) * (res.x[at] != 0.0)
    nothing |= norms == 0.0
    J = np.where(nothing, 0.0, J)
    norms[nothing] = 1.0
    _, sizes, V = np.linalg.svd(J / norms, full_matrices=True)
    sizes = np.append(sizes, np.zeros(inner.size - sizes.size))
    unknown = sizes <= _UNDETERMINED * max(sizes.max(), 1e-300)
    s2 = 1.0 if absolute else (total / res.dof if res.dof > 0 else np.nan)
    inverse = np.where(unknown, 0.0, 1.0 / np.where(unknown, 1.0, sizes) ** 2)
    cov = (V.T * inverse) @ V / np.outer(norms, norms) * s2
    object.__setattr__(res, "_determined", (at, cov.copy(), V[unknown] / norms))
    spoilt = (abs(V[unknown]) > _NO_WEIGHT).any(axis=0)
    cov[spoilt] = cov[:, spoilt] = np.inf
    res.cov[np.ix_(at, at)] = cov
    res.stderr[at] = np.sqrt(np.diag(cov))
    with np.errstate(invalid="ignore"):
        res.corr[np.ix_(at, at)] = cov / np.outer(res.stderr[at], res.stderr[at])
    res.bias[at] = bias(J, solved.error)
    for row in np.flatnonzero(unknown):
        weights = {res.names[j]: float(w) for j, w in zip(at, V[row], strict=True) if abs(w) > _NO_WEIGHT}
        res.undetermined.append((float(sizes[row] / max(sizes.max(), 1e-300)), weights))


def _verdict(res: FitResult, search: Search, found: Found) -> tuple[bool, int, str]:
    """Whether the fit can be trusted, a status and a message."""
    noise = search.noise or search.model.noise
    if search.stopped:
        return False, -1, "`callback` stopped the fit."
    if res.dof < 0 or (res.dof == 0 and res.fun.size == 0):
        return False, -3, f"{res.fun.size} measurements cannot determine {len(res._places)} unknowns: fix some of them."
    if res.undetermined:
        names = ", ".join(res.undetermined[0][1])
        return False, -2, f"The data do not determine {names}: fix one of them by `bounds`, or measure more."
    with np.errstate(invalid="ignore"):
        moved = (res.bias > _SPOILT * res.stderr) & (res.bias > _EXACT * abs(res.x))
    if moved.any() and not noise:
        name = res.names[int(np.argmax(moved))]
        return (
            False,
            -5,
            f"The solution is not exact enough for {name}: its error may move it by {res.bias[moved][0]:.1e}.",
        )
    if noise:
        return False, -4, f"{noise} The minimum is not found to more than that."
    if not found.success:
        return False, 0, "The limit of evaluations was reached: start closer to the solution, or try more `starts`."
    best = min(search.costs)
    same = sum(cost <= best * (1.0 + _SAME) + 1e-300 for cost in search.costs)
    at_bounds = [name for name, active in zip(res.names, res.active_mask, strict=True) if active]
    message = "The fit converged."
    if at_bounds:
        message += f" At a bound: {', '.join(at_bounds)}."
    if search.starts > 1 and len(search.costs) > 1 and same == 1:
        message += " Only one start led here: others ended in lesser minima."
    if res.dof == 0:
        message += " No degree of freedom is left: there are no standard errors."
    return True, 1, message
