"""What comes out of a boundary value solve: SciPy's fields with the errors, and what is printed and told on the way."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.polynomial import legendre

from ..arrays import Real
from ..callback import Callback, tell
from ..trial.piecewise import compiled_values
from ..trial.result import Result
from ..trial.solution import Solution
from ..user.boundary import BoundaryProblem
from .mesh import Mesh, State
from .search import Progress, Search
from .status import CROWDED, MESSAGES, OK, UNSOLVED

__all__ = ["BvpResult", "Report", "result", "solution_of"]

_TITLES = ("Iteration", "Max residual", "Max BC residual", "Est. error", "Total nodes", "Nodes added")
# Points and weights on [0, 1] at which the residual is measured where the mesh is not that of the windows.
_GAUSS = tuple(0.5 * part + shift for part, shift in zip(legendre.leggauss(3), (0.5, 0.0), strict=True))
# The end of a window and a node of the user's are the same if they are this part of an interval apart: rounding.
# Not tuned.
_SAME_NODE = 1e-9


class BvpResult(Result, kind="solve_bvp"):
    """The result of `solve_bvp`: a dictionary whose entries are attributes."""

    _instead: ClassVar = {
        "extend": "conditions at a new end are a new problem, for which this result may be the `guess`"
    }


def result(given: Real, k: int, search: Search, status: int, thinned: bool) -> BvpResult:
    """SciPy's fields, and the error.

    given : the user's mesh, which may have been thinned out; k : unknown parameters.
    """
    problem, mesh, state = search.problem, search.mesh, search.state
    judgement = search.judgement
    sol = solution_of(problem, mesh, state, None if judgement is None else judgement.error)
    if thinned:
        x = _united(given, mesh.x)
        y, yp = compiled_values(sol, x, 0), compiled_values(sol, x, 1)
    else:
        x, y, yp = mesh.x, problem.unpack(state.y), problem.unpack(_slopes_at_ends(mesh, state))
    message = " ".join(filter(None, (MESSAGES.get(status), search.reason if status in (CROWDED, UNSOLVED) else "")))
    error, p_error = np.full(problem.n, np.inf), np.full(problem.n_p, np.inf)
    if judgement is not None:
        error, p_error = judgement.error.max(axis=1), judgement.p
    if status == OK and judgement is not None and (judgement.peak > search.limits.tol + judgement.rounding).any():
        message += " The residual is not below `tol` everywhere."
    if status == CROWDED and judgement is not None:
        message += f" The estimated error is {judgement.worst:.1e}, requested {search.limits.tol:.1e}."
    return BvpResult(
        sol=sol,
        p=problem.unpack(state.p) if k else None,
        x=x,
        y=y,
        yp=yp,
        rms_residuals=_residuals(search, sol, x),
        error=_size(problem, error),
        p_error=_size(problem, p_error) if k else None,
        niter=search.rounds,
        status=status,
        message=message,
        success=status == OK,
    )


def _united(given: Real, ends: Real) -> Real:
    """All given nodes, and the ends of windows that are not next to one of them by rounding."""
    after = np.clip(np.searchsorted(given, ends), 1, given.size - 1)
    if (given[after - (given[after] > ends)] == ends).all():  # no window was split
        return given
    distance = np.minimum(abs(ends - given[after - 1]), abs(given[after] - ends))
    return np.union1d(given, ends[distance > _SAME_NODE * (given[after] - given[after - 1])])


def _slopes_at_ends(mesh: Mesh, state: State) -> Real:
    """dy/dx at the ends of the windows, (n, K + 1), at the border of two windows that of the later one."""
    slopes = np.empty_like(state.y)
    slopes[:, :-1] = state.slopes @ mesh.basis.tables[2, 0]  # the first left node is the start
    slopes[:, -1] = state.slopes[:, -1, -1]  # the last right node is the end
    return slopes


def solution_of(problem: BoundaryProblem, mesh: Mesh, state: State, inside: Real | None) -> Solution:
    """The windows as one `Solution`; inside (n, K): the estimated error of the packed functions in each window."""
    y = np.ascontiguousarray(problem.unpack(state.y)[:, :-1].T)
    n = y.shape[1]
    rise = np.diff(state.y)
    # One network per complex function: its output weights are the real ones of two, its hidden layer is that of each.
    rows = [slice(k, k + n) for k in range(0, problem.n, n)]
    parts = [mesh.basis.thetas(state.slopes[row], mesh.h, rise[row]) for row in rows]
    theta = parts[0]
    if len(parts) == 2:
        theta = parts[0] + 1j * parts[1]
        theta.imag[:, : 2 * (mesh.basis.s - 1)] = 0.0
    error = np.full((n, mesh.x.size), np.nan)
    if inside is not None:
        sizes = _size(problem, inside)
        error[:, :-1], error[:, -1] = sizes, sizes[:, -1]
        error[:, 1:-1] = np.maximum(sizes[:, 1:], sizes[:, :-1])
    return Solution(mesh.x, y, theta, mesh.basis.network(n), mesh.x, error, extrapolate=True)


def _size(problem: BoundaryProblem, error: Real) -> Real:
    """Errors of real and imaginary parts as errors of complex values."""
    return abs(problem.unpack(error))


def _residuals(search: Search, sol: Solution, x: Real) -> Real:
    """The root mean square of the relative residual in each interval of x, as in the description of `tol`."""
    if search.judgement is not None and x is search.mesh.x:
        return search.judgement.residual
    at = (x[:-1, None] + (x[1:] - x[:-1])[:, None] * _GAUSS[0]).ravel()
    y, slopes = (search.problem.pack(compiled_values(sol, at, nu)) for nu in (0, 1))
    f = search.problem(at, y, search.state.p)
    squares = (((slopes - f) / (1.0 + abs(f))) ** 2).sum(axis=0).reshape(-1, _GAUSS[0].size)
    return np.asarray(np.sqrt(squares @ _GAUSS[1]))


class Report:
    """What `verbose` prints and `callback` is told."""

    def __init__(self, verbose: int, callback: Callback | None) -> None:
        self._verbose, self._callback = verbose, callback
        if verbose == 2:
            print("".join(f"{title:^17}" for title in _TITLES))

    def __call__(self, now: Progress) -> None:
        """One mesh is done."""
        judgement = now.judgement
        residual = np.full(now.windows, np.nan) if judgement is None else judgement.residual
        error = math.nan if judgement is None else judgement.worst
        if self._verbose == 2:
            cells = [now.number, _shown(residual.max()), f"{now.conditions:.2e}", _shown(error)]
            print("".join(f"{cell:^17}" for cell in [*cells, now.windows + 1, now.added]) + now.way)
        state = {"niter": now.number, "nodes": now.windows + 1, "error": error, "rms_residuals": residual}
        tell(self._callback, **state, way=now.way)

    def end(self, res: BvpResult, conditions: float, error: float) -> None:
        """The report of ``verbose=1``."""
        if self._verbose:
            first = f"Solved in {res.niter} iterations" if res.success else f"{res.message} Iterations: {res.niter}"
            print(
                f"{first}, number of nodes {res.x.size}. \n"
                f"Maximum relative residual: {res.rms_residuals.max():.2e} \n"
                f"Maximum boundary residual: {conditions:.2e} \n"
                f"Maximum estimated error, relative: {error:.2e}"
            )


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2e}"
