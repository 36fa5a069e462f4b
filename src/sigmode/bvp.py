"""`solve_bvp`: SciPy's boundary value solver with windows of trial solutions and an error estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple
from warnings import warn

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import OptimizeResult

from .adaptive import CONDITIONS, CROWDED, OK, UNSOLVED, Limits, Round, Search
from .basis import basis
from .boundary import BoundaryProblem, Singular
from .chain import Equations, Mesh, Trial
from .solution import Solution

Array = NDArray[np.float64]

__all__ = ["solve_bvp"]

_LEAST_TOL = 100.0 * float(np.finfo(float).eps)
# Functions per window: so many at tol = 1 and so many more for each digit (docs/decisions.md, "The width of a window").
_WIDTH, _PER_DIGIT, _WIDTHS = 4.0, 2.0, (6, 22)
# A finer mesh than this is thinned out before the first iteration.
_START_WINDOWS = 8
_STOPPED = 4
_TITLES = ("Iteration", "Max residual", "Max BC residual", "Est. error", "Total nodes", "Nodes added")
_LOBATTO = np.array([0.0, 0.5 - (3 / 28) ** 0.5, 0.5, 0.5 + (3 / 28) ** 0.5])
_GAUSS = tuple(0.5 * part + shift for part, shift in zip(legendre.leggauss(3), (0.5, 0.0), strict=True))

_MESSAGES = {
    OK: "The algorithm converged to the desired accuracy.",
    CROWDED: "The maximum number of mesh nodes is exceeded.",
    CONDITIONS: "The solver was unable to satisfy boundary conditions tolerance on iteration 10.",
    _STOPPED: "`callback` stopped the iteration.",
}


def solve_bvp(
    fun: Callable[..., Any],
    bc: Callable[..., Any],
    x: ArrayLike,
    y: ArrayLike,
    p: ArrayLike | None = None,
    S: ArrayLike | None = None,
    fun_jac: Callable[..., Any] | None = None,
    bc_jac: Callable[..., Any] | None = None,
    tol: float = 1e-3,
    max_nodes: int = 1000,
    verbose: int = 0,
    bc_tol: float | None = None,
    callback: Callable[[OptimizeResult], Any] | None = None,
) -> OptimizeResult:
    """Solve a boundary value problem: `scipy.integrate.solve_bvp` with spectral accuracy and an error estimate.

    ``dy/dx = f(x, y, p) + S y/(x - a)`` for a <= x <= b with ``bc(y(a), y(b), p) = 0``, as in SciPy: the same
    arguments and the same fields of the result, so that a script runs by changing the import.

    Parameters
    ----------
    fun : callable
        ``fun(x, y)`` or ``fun(x, y, p)``: x (m,), y (n, m), p (k,), returns (n, m).
    bc : callable
        ``bc(ya, yb)`` or ``bc(ya, yb, p)``: ya, yb (n,), p (k,), returns (n + k,).
    x : array_like, shape (m,)
        Initial mesh, strictly increasing, from a to b. A coarse one will do: 5 nodes.
    y : array_like, shape (n, m)
        Initial guess at the nodes; complex for a problem in a complex domain.
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
        |y| is its largest value in the window, and of p likewise; and the residual relative to ``1 + |f|``, as in
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
        ``error`` and ``rms_residuals`` (nan as long as they are unknown). It may raise ``StopIteration``.

    Returns
    -------
    res : OptimizeResult
        sol : `Solution`, called as ``sol(x, nu=0)``, and ``sol.error(x)``; p : (k,) or None; x : (m,), the final mesh,
        which has all nodes of the initial one; y, yp : (n, m), the solution and its derivative there; rms_residuals :
        (m - 1,); error : (n,), the largest estimated error of each component, absolute, as is ``sol.error(x)``;
        p_error : (k,) or None, that of p; niter : int, how many meshes were tried; status : int: 0 converged, 1 too
        many nodes, 2 the equations could not be solved, 3 `bc_tol` not met, 4 `callback` stopped; message : str;
        success : bool, status == 0.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit. What `fun` and `bc` raise passes through. A numerical failure is no exception.

    Warns
    -----
    UserWarning
        If `tol` is below 2.2e-14, which it is set to; if `fun_jac` does not agree with differences of `fun`, which are
        used instead.

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
    given = _checked((fun, bc, fun_jac, bc_jac), x, y, p, S)
    tol = _checked_tol(tol, "tol")
    if tol < _LEAST_TOL:
        warn(f"`tol` is too low, setting to {_LEAST_TOL:.2e}", stacklevel=2)
        tol = _LEAST_TOL
    bc_tol = tol if bc_tol is None else _checked_tol(bc_tol, "bc_tol")
    most = _checked_nodes(max_nodes)
    if verbose not in (0, 1, 2):
        raise ValueError(f"`verbose` must be in [0, 1, 2], got {verbose!r}.")
    if callback is not None and not callable(callback):
        raise TypeError(f"`callback` must be callable or None, got {type(callback).__name__}.")
    width = int(np.clip(math.ceil(_WIDTH - _PER_DIGIT * math.log10(tol)), *_WIDTHS))
    report = _Report(verbose, callback)
    with np.errstate(all="ignore"):  # Newton's iteration tries values that overflow
        mesh, trial = _start(given, width)
        limits = Limits(tol, bc_tol, _most_points(given, mesh, most))
        search = Search(given.problem, mesh, trial, limits, report, _probes(given))
        try:
            status = search.run()
        except _Stop:
            status = _STOPPED
        res = _result(given, search, status)
        report.end(res, search.conditions, math.inf if search.judgement is None else search.judgement.worst)
    return res


class _Given(NamedTuple):
    """The checked arguments; y and p as the user has them, real or complex."""

    problem: BoundaryProblem
    x: Array
    y: NDArray[Any]
    p: NDArray[Any]


def _start(given: _Given, width: int) -> tuple[Mesh, Trial]:
    """Windows between the nodes of the initial mesh, or some of them, and a trial solution through the guess."""
    problem, x = given.problem, given.x
    y, p = problem.pack(given.y), problem.pack(given.p)
    ends = np.arange(x.size)
    if x.size > _START_WINDOWS + 1:
        ends = np.linspace(0, x.size - 1, _START_WINDOWS + 1).round().astype(int)
    mesh = Mesh(x[ends], basis(width))
    at = mesh.right.ravel()
    interval = np.clip(np.searchsorted(x, at) - 1, 0, x.size - 2)
    straight = (np.diff(y) / np.diff(x))[:, interval].reshape(len(y), mesh.windows, width)
    trial = Trial(np.ascontiguousarray(y[:, ends]), np.ascontiguousarray(straight), p)
    if (y == y[:, :1]).all() or problem.singular:
        return mesh, trial
    # A guess that is a solution of a similar problem is better read with the slopes that it has there.
    f = problem(x, y, p)
    if not np.isfinite(f).all():
        return mesh, trial
    smooth = CubicHermiteSpline(x, y, f, axis=1).derivative()(at).reshape(straight.shape)
    curved = Trial(trial.y, np.ascontiguousarray(smooth), p)
    equations = Equations(problem, mesh)
    off = [_off(equations, candidate) for candidate in (trial, curved)]
    return mesh, curved if off[1] < off[0] else trial


def _most_points(given: _Given, mesh: Mesh, max_nodes: int) -> int:
    """Collocation points that `max_nodes` allows: as many as SciPy's formula would have, or those of the initial mesh.

    0 if the initial mesh has more nodes than that, or a single window more points.
    """
    most = 2 * max_nodes - 1
    if given.x.size > max_nodes or mesh.basis.s > most:
        return 0
    return max(most, mesh.windows * mesh.basis.s)


def _probes(given: _Given) -> Array:
    """Where SciPy would look at a mesh that is thinned out here: at Lobatto points, (m,), increasing."""
    x = given.x
    if x.size <= _START_WINDOWS + 1:
        return x[:0]
    points = np.append(x[:-1, None] + np.diff(x)[:, None] * _LOBATTO, x[-1])
    return points[1:] if given.problem.singular else points


def _off(equations: Equations, trial: Trial) -> float:
    """How far a trial solution is from solving the equations: the mean relative residual."""
    right = equations.evaluate(trial).right
    off = float((abs(right.slopes - right.f) / (1.0 + abs(right.f))).mean())
    return off if math.isfinite(off) else math.inf


def _result(given: _Given, search: Search, status: int) -> OptimizeResult:
    """SciPy's fields, and the error."""
    problem, mesh, trial = given.problem, search.mesh, search.trial
    sol = _solution(problem, search)
    if given.x.size > _START_WINDOWS + 1:
        x = _united(given.x, mesh.x)
        y, yp = sol(x), sol(x, 1)
    else:
        x, y, yp = mesh.x, problem.unpack(trial.y), problem.unpack(_slopes_at_ends(mesh, trial))
    message = " ".join(filter(None, (_MESSAGES.get(status), search.reason if status in (CROWDED, UNSOLVED) else "")))
    judgement = search.judgement
    error, p_error = np.full(problem.n, np.inf), np.full(problem.n_p, np.inf)
    if judgement is not None:
        error, p_error = judgement.error.max(axis=1), judgement.p
    if status == OK and judgement is not None and (judgement.peak > search.limits.tol + judgement.rounding).any():
        message += " The residual is not below `tol` everywhere."
    if status == CROWDED and judgement is not None:
        message += f" The estimated error is {judgement.worst:.1e}, requested {search.limits.tol:.1e}."
    return OptimizeResult(
        sol=sol,
        p=problem.unpack(trial.p) if given.p.size else None,
        x=x,
        y=y,
        yp=yp,
        rms_residuals=_residuals(given, search, sol, x),
        error=_size(problem, error),
        p_error=_size(problem, p_error) if given.p.size else None,
        niter=search.rounds,
        status=status,
        message=message,
        success=status == OK,
    )


def _united(given: Array, ends: Array) -> Array:
    """All given nodes, and the ends of windows that are not next to one of them by rounding."""
    after = np.clip(np.searchsorted(given, ends), 1, given.size - 1)
    distance = np.minimum(abs(ends - given[after - 1]), abs(given[after] - ends))
    return np.union1d(given, ends[distance > 1e-9 * (given[after] - given[after - 1])])


def _slopes_at_ends(mesh: Mesh, trial: Trial) -> Array:
    """dy/dx at the ends of the windows, (n, K + 1), at the border of two windows that of the later one."""
    slopes = np.empty_like(trial.y)
    slopes[:, :-1] = trial.slopes @ mesh.basis.tables[2, 0]  # the first left node is the start
    slopes[:, -1] = trial.slopes[:, -1, -1]  # the last right node is the end
    return slopes


def _solution(problem: BoundaryProblem, search: Search) -> Solution:
    """The windows as one `Solution`, with the estimated error between the ends of the windows."""
    mesh, trial = search.mesh, search.trial
    y = np.ascontiguousarray(problem.unpack(trial.y)[:, :-1].T)
    n = y.shape[1]
    rise = np.diff(trial.y)
    # One network per complex function: its output weights are the real ones of two, its hidden layer is that of each.
    rows = [slice(k, k + n) for k in range(0, problem.n, n)]
    parts = [mesh.basis.thetas(trial.slopes[row], mesh.h, rise[row]) for row in rows]
    theta = parts[0]
    if len(parts) == 2:
        theta = parts[0] + 1j * parts[1]
        theta.imag[:, : 2 * (mesh.basis.s - 1)] = 0.0
    error = np.full((n, mesh.x.size), np.nan)
    if search.judgement is not None:
        inside = _size(problem, search.judgement.error)
        error[:, :-1], error[:, -1] = inside, inside[:, -1]
        error[:, 1:-1] = np.maximum(inside[:, 1:], inside[:, :-1])
    return Solution(mesh.x, y, theta, mesh.basis.network(n), mesh.x, error, extrapolate=True)


def _size(problem: BoundaryProblem, error: Array) -> Array:
    """Errors of real and imaginary parts as errors of complex values."""
    return abs(problem.unpack(error))


def _residuals(given: _Given, search: Search, sol: Solution, x: Array) -> Array:
    """The root mean square of the relative residual in each interval of x, as in the description of `tol`."""
    if search.judgement is not None and x is search.mesh.x:
        return search.judgement.residual
    problem = given.problem
    at = (x[:-1, None] + np.diff(x)[:, None] * _GAUSS[0]).ravel()
    y, slopes = problem.pack(sol(at)), problem.pack(sol(at, 1))
    f = problem(at, y, search.trial.p).reshape(problem.n, -1, _GAUSS[0].size)
    return np.asarray(np.sqrt((((slopes.reshape(f.shape) - f) / (1.0 + abs(f))) ** 2).sum(axis=0) @ _GAUSS[1]))


class _Stop(Exception):
    """The way out for a callback that raises StopIteration."""


class _Report:
    """What `verbose` prints and `callback` is told."""

    def __init__(self, verbose: int, callback: Callable[[OptimizeResult], Any] | None) -> None:
        self._verbose, self._callback = verbose, callback
        if verbose == 2:
            print("".join(f"{title:^17}" for title in _TITLES))

    def __call__(self, now: Round) -> None:
        judgement = now.judgement
        residual = np.full(now.windows, np.nan) if judgement is None else judgement.residual
        error = math.nan if judgement is None else judgement.worst
        if self._verbose == 2:
            cells = [now.number, _shown(residual.max()), f"{now.conditions:.2e}", _shown(error)]
            print("".join(f"{cell:^17}" for cell in [*cells, now.windows + 1, now.added]))
        if self._callback is not None:
            intermediate = OptimizeResult(niter=now.number, nodes=now.windows + 1, error=error, rms_residuals=residual)
            try:
                self._callback(intermediate)
            except StopIteration:
                raise _Stop from None

    def end(self, res: OptimizeResult, conditions: float, error: float) -> None:
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


def _checked(
    functions: tuple[Any, Any, Any, Any], x: ArrayLike, y: ArrayLike, p: ArrayLike | None, S: ArrayLike | None
) -> _Given:
    """The arguments as arrays, or an error that names the one that does not fit."""
    for name, function in zip(("fun", "bc", "fun_jac", "bc_jac"), functions, strict=True):
        if not callable(function) and (function is not None or not name.endswith("jac")):
            raise TypeError(f"`{name}` must be callable, got {type(function).__name__}.")
    mesh = _array(x, "x", 1)
    if mesh.dtype.kind == "c":
        raise ValueError("`x` must be real.")
    if mesh.size < 2:
        raise ValueError(f"`x` must have at least two nodes, got {mesh.size}.")
    if not np.isfinite(mesh).all():
        raise ValueError(f"`x` must be finite, got {mesh[~np.isfinite(mesh)][0]} in it.")
    if (np.diff(mesh) <= 0.0).any():
        raise ValueError("`x` must be strictly increasing.")
    guess = _array(y, "y", 2)
    if guess.shape[1] != mesh.size or not guess.size:
        raise ValueError(f"`y` is expected to have {mesh.size} columns and a row or more, but has shape {guess.shape}.")
    dtype = complex if guess.dtype.kind == "c" else float
    parameters = np.empty(0, dtype) if p is None else _matching(_array(p, "p", 1), "p", dtype)
    n, k = len(guess), parameters.size
    singular = None if S is None else Singular(_singular_matrix(S, n, dtype), float(mesh[0]))
    problem = BoundaryProblem(functions, n, k, dtype, singular)
    problem.check(mesh, guess, parameters)
    return _Given(problem, mesh, guess, parameters)


def _array(value: ArrayLike, name: str, ndim: int) -> NDArray[Any]:
    """A copy in float64 or complex128 with the right number of dimensions."""
    try:
        array = np.array(value)
        if array.dtype.kind not in "fiubc":
            raise TypeError
        array = array.astype(complex if array.dtype.kind == "c" else float)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be numbers, got {value!r}.") from None
    if array.ndim != ndim:
        raise ValueError(f"`{name}` must be {ndim} dimensional, got shape {array.shape}.")
    return array


def _matching(array: NDArray[Any], name: str, dtype: type) -> NDArray[Any]:
    """The array in the type of y."""
    if array.dtype.kind == "c" and dtype is float:
        raise ValueError(f"`{name}` is complex, but `y` is real: pass `y` with a complex dtype.")
    return array.astype(dtype)


def _singular_matrix(S: ArrayLike, n: int, dtype: type) -> NDArray[Any]:
    array = _matching(_array(S, "S", 2), "S", dtype)
    if array.shape != (n, n):
        raise ValueError(f"`S` is expected to have shape {(n, n)}, but actually has {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError("`S` must be finite.")
    return array


def _checked_tol(tol: float, name: str) -> float:
    try:
        value = float(np.asarray(tol).item() + 0.0)  # which text is not
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a positive number, got {tol!r}.") from None
    if not 0.0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number, got {tol!r}.")
    return value


def _checked_nodes(max_nodes: float) -> int:
    try:
        value = float(max_nodes)
    except (TypeError, ValueError):
        raise ValueError(f"`max_nodes` must be a number, got {max_nodes!r}.") from None
    if not value >= 1.0:
        raise ValueError(f"`max_nodes` must be at least 1, got {max_nodes!r}.")
    return int(min(value, 1e12))
