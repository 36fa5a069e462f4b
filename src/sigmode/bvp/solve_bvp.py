"""`solve_bvp`: SciPy's boundary value solver with windows of trial solutions and an error estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult

from .. import arguments
from ..callback import Callback, Stopped
from ..callback import checked as checked_callback
from ..user.boundary import BoundaryProblem
from . import start
from .points import Pieces, checked_points
from .report import Report, result
from .search import Limits, Search
from .sensitivity import by_args
from .status import STOPPED, UNSOLVED

__all__ = ["solve_bvp"]

# Functions per window: 4 at tol = 1 and 2 more for each digit, between 6 and 22 (docs/decisions.md, "The width of a
# window").
_FUNCTIONS_AT_ONE, _FUNCTIONS_PER_DIGIT = 4.0, 2.0
_FEWEST_FUNCTIONS, _MOST_FUNCTIONS = 6, 22


def solve_bvp(
    fun: Callable[..., Any],
    bc: Callable[..., Any],
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    p: ArrayLike | None = None,
    S: ArrayLike | None = None,
    fun_jac: Callable[..., Any] | None = None,
    bc_jac: Callable[..., Any] | None = None,
    tol: float = 1e-3,
    max_nodes: int = 1000,
    verbose: int = 0,
    bc_tol: float | None = None,
    callback: Callback | None = None,
    args: tuple[Any, ...] | None = None,
    *,
    guess: Any = None,
    points: ArrayLike = (),
    sensitivity: bool = False,
) -> OptimizeResult:
    """Solve a boundary value problem: `scipy.integrate.solve_bvp` with spectral accuracy and an error estimate.

    ``dy/dx = f(x, y, p) + S y/(x - a)`` for a <= x <= b with ``bc(y(a), y(b), p) = 0``, as in SciPy: the same
    arguments and the same fields of the result, so that a script runs by changing the import.

    Parameters
    ----------
    fun : callable
        ``fun(x, y)`` or ``fun(x, y, p)``: x (m,), y (n, m), p (k,), returns (n, m).
    bc : callable
        ``bc(ya, yb)`` or ``bc(ya, yb, p)``: ya, yb (n,), p (k,), returns (n + k,). With `points` ``bc(ya, yb, yi)`` or
        ``bc(ya, yb, yi, p)``.
    x : array_like, shape (m,)
        Initial mesh, strictly increasing, from a to b. A coarse one will do: 5 nodes. Not needed with a `guess` that
        has a mesh.
    y : array_like, shape (n, m)
        Initial guess at the nodes; complex for a problem in a complex domain. Not needed with a `guess`.
    p : array_like, shape (k,), optional
        Initial guess of unknown parameters.
    S : array_like, shape (n, n), optional
        Matrix of the singular term; the conditions must imply ``S y(a) = 0``.
    fun_jac : callable, optional
        Returns df/dy (n, n, m) and, with parameters, df/dp (n, k, m). By default forward differences.
    bc_jac : callable, optional
        Returns the derivatives of bc by ya and yb, (n + k, n) each, and, with parameters, by p, (n + k, k).
    tol : float
        What the estimated error of each component may be (half of it, to be safe), relative to ``max(1, |y|)`` where
        ``|y|`` is its largest value in the window, and of p likewise; and the residual relative to ``1 + |f|``, as in
        SciPy, at every point that is looked at. The first is more than SciPy promises. Where the second would need too
        many windows, the first decides, and the message says so.
    max_nodes : int
        Limit of the mesh. There may be as many collocation points as in SciPy's formula with so many nodes,
        ``2 max_nodes - 1``: with s functions in a window (see Notes) some ``2 max_nodes / s`` windows; the initial mesh
        is always allowed, unless a single window has more points.
    verbose : {0, 1, 2}
        0: silent; 1: a report at the end; 2: a line for each iteration.
    bc_tol : float, optional
        What each boundary condition may be off, `tol` by default; never less than the rounding of its terms.
    callback : callable, optional
        ``callback(intermediate_result)`` after each iteration with an `OptimizeResult` that holds ``niter``, ``nodes``,
        ``error`` and ``rms_residuals`` (nan as long as they are unknown), and ``way``: what problem on the way was
        solved where Newton's iteration fails from the guess, else "". It may raise ``StopIteration``.
    args : tuple, optional
        Further arguments of `fun`, `bc`, `fun_jac` and `bc_jac`, behind p: ``fun(x, y, p, *args)``.
    guess : `Solution`, result of `solve_bvp`, or callable, optional
        Instead of `y`: a solution of a similar problem, read as it is, with its mesh unless `x` is given, and with its
        p unless `p` is given; or ``guess(x)`` -> (n, m) on the mesh `x`.
    points : array_like, shape (i,), optional
        Points between a and b, increasing, at which `bc` wants y, too: as yi (n, i), behind yb. So conditions may stand
        inside of the interval. Each part between two of them costs as much as n further equations. `bc_jac` and `S` do
        not go with them.
    sensitivity : bool
        Whether the derivatives by all numbers in `args` are wanted, at the cost of three more factorisations. Not with
        `points`.

    Returns
    -------
    res : OptimizeResult
        sol : `Solution`, called as ``sol(x, nu=0)``, and ``sol.error(x)``; p : (k,) or None; x : (m,), the final mesh,
        which has all nodes of the initial one; y, yp : (n, m), the solution and its derivative there; rms_residuals :
        (m - 1,); error : (n,), the largest estimated error of each component, absolute, as is ``sol.error(x)``;
        p_error : (k,) or None, that of p; niter : int, how many meshes were tried; status : int: 0 converged, 1 too
        many nodes, 2 the equations could not be solved, 3 `bc_tol` not met, 4 `callback` stopped; message : str;
        success : bool, status == 0. With `sensitivity` and success, for the k numbers in `args`: dy_dargs (n, k, m) at
        res.x, dp_dargs (n_p, k) or None, estimated errors error_dy_dargs and error_dp_dargs in the same shapes, and
        sol_dargs, a tuple of k `Solution`.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit. What `fun` and `bc` raise passes through. A numerical failure is no exception.

    Warns
    -----
    UserWarning
        If `tol` is below 2.2e-14, which it is set to; if `fun_jac` or `bc_jac` does not agree, at the guess, with
        differences of `fun` or `bc`, which are used instead.

    Notes
    -----
    Each mesh interval is a window with the trial solution ``y_k + xi N_k(xi)`` of one hidden layer of
    ``4 - 2 log10(tol)`` functions (6 to 22: sigmoids and a constant), collocated at Radau points, right ones for what
    decays and left ones for what grows: a layer stays in the window where it is, and the mesh is refined there and
    nowhere else. A mesh of more than 9 nodes is thinned out to 8 windows first. The windows are eliminated one by one,
    so that time and memory are linear in their number: of the order of ``(s n)**3`` operations each for s functions,
    in parallel. Where Newton's iteration fails, the problem with bounded slopes is solved first and the bound raised.
    Warnings of floating-point arithmetic in `fun` are silenced.

    The error estimate is the Newton step of a finer discretisation on points that the solution has not seen. It is no
    proof: it holds to first order in the error, and where `fun` is smooth between the points.

    References
    ----------
    Ascher, Mattheij, Russell, Numerical Solution of Boundary Value Problems for Ordinary Differential Equations (1995);
    Lagaris, Likas, Fotiadis, IEEE Trans. Neural Networks 9(5), 987-1000 (1998).

    Examples
    --------
    Bratu's problem, y'' + exp(y) = 0 with y(0) = y(1) = 0:

    >>> import numpy as np, sigmode as sm
    >>> def fun(x, y):
    ...     return np.vstack((y[1], -np.exp(y[0])))
    >>> def bc(ya, yb):
    ...     return np.array([ya[0], yb[0]])
    >>> res = sm.solve_bvp(fun, bc, np.linspace(0, 1, 5), np.zeros((2, 5)), tol=1e-9)
    >>> res.success, float(res.sol(0.5)[0].round(9))
    (True, 0.140539214)
    """
    options = _options(tol, bc_tol, max_nodes, verbose, callback)
    x, y, p, smooth = start.started_from(guess, x, y, p)
    functions = (fun, bc, fun_jac, bc_jac)
    inner = checked_points(points, x)
    if inner.size:
        for name, value in (("bc_jac", bc_jac), ("S", S), ("sensitivity", sensitivity or None)):
            if value is not None:
                raise ValueError(f"`{name}` and `points` do not go together.")
        pieces = Pieces(functions, args, inner, x, y, p)
        res, search = _solved(pieces.given, None, options)
        return pieces.joined(search, res.status)
    given = start.checked(start.with_args(functions, args), x, y, p, S)
    res, search = _solved(given, smooth, options)
    if sensitivity and res.success:
        _differentiate(res, given, functions, args, search)
    return res


class _Options(NamedTuple):
    """The checked options."""

    tol: float
    bc_tol: float
    most: int
    report: Report


def _options(tol: float, bc_tol: float | None, max_nodes: float, verbose: int, callback: Any) -> _Options:
    tol = arguments.positive(tol, "tol")
    if tol < arguments.SMALLEST_RTOL:
        arguments.warn(f"`tol` is too low, setting to {arguments.SMALLEST_RTOL:.2e}")
        tol = arguments.SMALLEST_RTOL
    bc_tol = tol if bc_tol is None else arguments.positive(bc_tol, "bc_tol")
    most = _checked_nodes(max_nodes)
    if verbose not in (0, 1, 2):
        raise ValueError(f"`verbose` must be in [0, 1, 2], got {verbose!r}.")
    return _Options(tol, bc_tol, most, Report(verbose, checked_callback(callback)))


def _solved(given: start.Given, smooth: Any, options: _Options) -> tuple[OptimizeResult, Search]:
    tol, report = options.tol, options.report
    wanted = math.ceil(_FUNCTIONS_AT_ONE - _FUNCTIONS_PER_DIGIT * math.log10(tol))
    width = int(np.clip(wanted, _FEWEST_FUNCTIONS, _MOST_FUNCTIONS))
    thinned = smooth is None and start.is_thinned(given.x)
    with np.errstate(all="ignore"):  # Newton's iteration tries values that overflow
        first = start.from_arrays(given, width) if smooth is None else start.continued(given, smooth, width)
        mesh = first[0]
        limits = Limits(tol, options.bc_tol, start.most_points(given, mesh, options.most))
        probes = start.probes(given) if thinned else given.x[:0]
        near = isinstance(smooth, start.Combined)
        search = Search(given.problem, *first, limits, report, probes, near)
        try:
            status = search.run()
        except Stopped:
            status = STOPPED
        res = result(given.x, given.p.size, search, status, thinned)
        report.end(res, search.conditions, math.inf if search.judgement is None else search.judgement.worst)
    return res, search


def _differentiate(
    res: OptimizeResult, given: start.Given, functions: tuple[Any, ...], args: tuple[Any, ...] | None, search: Search
) -> None:
    """The derivatives by the numbers in `args`, added to the result."""

    def make(own: tuple[Any, ...]) -> BoundaryProblem:
        dtype = complex if given.y.dtype.kind == "c" else float
        return BoundaryProblem(start.with_args(functions, own), len(given.y), given.p.size, dtype, given.singular)

    with np.errstate(all="ignore"):
        found = by_args(make, args or (), search.mesh, search.state)
    res.sol_dargs = found.solutions
    empty = np.empty((len(given.y), 0, res.x.size))
    res.dy_dargs = np.stack([sol(res.x) for sol in found.solutions], axis=1) if found.solutions else empty
    errors = [sol.error(res.x) for sol in found.solutions]
    res.error_dy_dargs = np.stack(errors, axis=1) if errors else empty
    if not np.isfinite(res.dy_dargs).all():
        res.success, res.status = False, UNSOLVED
        res.message = "The derivatives by `args` are not finite: is `fun` differentiable by them?"
    res.dp_dargs, res.error_dp_dargs = (found.p, found.error_p) if given.p.size else (None, None)


def _checked_nodes(max_nodes: float) -> int:
    value = arguments.number(max_nodes, "max_nodes")
    if not value >= 1.0:
        raise ValueError(f"`max_nodes` must be at least 1, got {max_nodes!r}.")
    return int(min(value, 1e12))
