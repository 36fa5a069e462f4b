"""`solve_bvp`: SciPy's boundary value solver with windows of trial solutions and an error estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arrays import Number, Real
from ..callback import Callback, Stopped
from ..callback import checked as checked_callback
from ..trial.basis import basis
from ..user.boundary import BoundaryProblem, Singular
from .equations import Equations
from .mesh import Mesh, State
from .report import Report, result
from .search import Limits, Search
from .status import STOPPED

__all__ = ["solve_bvp"]

# Functions per window: 4 at tol = 1 and 2 more for each digit, between 6 and 22 (docs/decisions.md, "The width of a
# window").
_FUNCTIONS_AT_ONE, _FUNCTIONS_PER_DIGIT = 4.0, 2.0
_FEWEST_FUNCTIONS, _MOST_FUNCTIONS = 6, 22
# Windows of the first mesh: a finer one is thinned out to as many (docs/bvp.md). Not tuned.
_START_WINDOWS = 8
# Where SciPy looks at an interval of its mesh, apart from its end.
_LOBATTO = np.array([0.0, 0.5 - (3 / 28) ** 0.5, 0.5, 0.5 + (3 / 28) ** 0.5])


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
    callback: Callback | None = None,
    args: tuple[Any, ...] | None = None,
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
        ``error`` and ``rms_residuals`` (nan as long as they are unknown). It may raise ``StopIteration``.
    args : tuple, optional
        Further arguments of `fun`, `bc`, `fun_jac` and `bc_jac`, behind p: ``fun(x, y, p, *args)``.

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
    functions = (fun, bc, fun_jac, bc_jac)
    if args is not None:
        functions = _with_args(functions, args)
    given = _checked(functions, x, y, p, S)
    tol = arguments.positive(tol, "tol")
    if tol < arguments.SMALLEST_RTOL:
        arguments.warn(f"`tol` is too low, setting to {arguments.SMALLEST_RTOL:.2e}")
        tol = arguments.SMALLEST_RTOL
    bc_tol = tol if bc_tol is None else arguments.positive(bc_tol, "bc_tol")
    most = _checked_nodes(max_nodes)
    if verbose not in (0, 1, 2):
        raise ValueError(f"`verbose` must be in [0, 1, 2], got {verbose!r}.")
    report = Report(verbose, checked_callback(callback))
    wanted = math.ceil(_FUNCTIONS_AT_ONE - _FUNCTIONS_PER_DIGIT * math.log10(tol))
    width = int(np.clip(wanted, _FEWEST_FUNCTIONS, _MOST_FUNCTIONS))
    with np.errstate(all="ignore"):  # Newton's iteration tries values that overflow
        mesh, state = _start(given, width)
        limits = Limits(tol, bc_tol, _most_points(given, mesh, most))
        search = Search(given.problem, mesh, state, limits, report, _probes(given))
        try:
            status = search.run()
        except Stopped:
            status = STOPPED
        res = result(given.x, given.p.size, search, status, thinned=_is_thinned(given.x))
        report.end(res, search.conditions, math.inf if search.judgement is None else search.judgement.worst)
    return res


def _with_args(functions: tuple[Any, ...], args: Any) -> tuple[Any, ...]:
    """The same functions with `args` behind what they get."""
    try:
        own = tuple(args)
    except TypeError:
        raise TypeError(f"`args` must be a tuple, e.g. `args=({args!r},)`, got {type(args).__name__}.") from None

    def joined(function: Any) -> Any:
        if not callable(function):
            return function  # None, or what will be complained about

        def with_args(*given: Any) -> Any:
            return function(*given, *own)

        return with_args

    return tuple(joined(function) for function in functions)


class _Given(NamedTuple):
    """The checked arguments; y and p as the user has them, real or complex."""

    problem: BoundaryProblem
    x: Real
    y: Number
    p: Number


def _start(given: _Given, width: int) -> tuple[Mesh, State]:
    """Windows between the nodes of the initial mesh, or some of them, and a trial solution through the guess."""
    problem, x = given.problem, given.x
    y, p = problem.pack(given.y), problem.pack(given.p)
    ends = np.arange(x.size)
    if _is_thinned(x):
        ends = np.linspace(0, x.size - 1, _START_WINDOWS + 1).round().astype(int)
    mesh = Mesh(x[ends], basis(width))
    at = mesh.right.ravel()
    interval = np.clip(np.searchsorted(x, at) - 1, 0, x.size - 2)
    straight = (np.diff(y) / np.diff(x))[:, interval].reshape(len(y), mesh.windows, width)
    state = State(np.ascontiguousarray(y[:, ends]), np.ascontiguousarray(straight), p)
    if (y == y[:, :1]).all() or problem.singular:
        return mesh, state
    # A guess that is a solution of a similar problem is better read with the slopes that it has there.
    f = problem(x, y, p)
    if not np.isfinite(f).all():
        return mesh, state
    smooth = CubicHermiteSpline(x, y, f, axis=1).derivative()(at).reshape(straight.shape)
    curved = State(state.y, np.ascontiguousarray(smooth), p)
    equations = Equations(problem, mesh)
    off = [_off(equations, candidate) for candidate in (state, curved)]
    return mesh, curved if off[1] < off[0] else state


def _most_points(given: _Given, mesh: Mesh, max_nodes: int) -> int:
    """Collocation points that `max_nodes` allows: as many as SciPy's formula would have, or those of the initial mesh.

    0 if the initial mesh has more nodes than that, or a single window more points.
    """
    most = 2 * max_nodes - 1
    if given.x.size > max_nodes or mesh.basis.s > most:
        return 0
    return max(most, mesh.windows * mesh.basis.s)


def _probes(given: _Given) -> Real:
    """Where SciPy would look at a mesh that is thinned out here: at Lobatto points, (m,), increasing."""
    x = given.x
    if not _is_thinned(x):
        return x[:0]
    points = np.append(x[:-1, None] + np.diff(x)[:, None] * _LOBATTO, x[-1])
    return points[1:] if given.problem.singular else points


def _off(equations: Equations, state: State) -> float:
    """How far a trial solution is from solving the equations: the mean relative residual."""
    right = equations.evaluate(state).right
    off = float((abs(right.slopes - right.f) / (1.0 + abs(right.f))).mean())
    return off if math.isfinite(off) else math.inf


def _checked(
    functions: tuple[Any, Any, Any, Any], x: ArrayLike, y: ArrayLike, p: ArrayLike | None, S: ArrayLike | None
) -> _Given:
    """The arguments as arrays, or an error that names the one that does not fit."""
    for name, function in zip(("fun", "bc", "fun_jac", "bc_jac"), functions, strict=True):
        arguments.function(function, name, "ya, yb" if name.startswith("bc") else "x, y", optional=name.endswith("jac"))
    mesh = arguments.numbers(x, "x", "(m,)", real=True)
    arguments.one_dimensional(mesh, "x")
    if mesh.size < 2:
        raise ValueError(f"`x` must have at least two nodes, got {mesh.size}.")
    arguments.finite(mesh, "`x`")
    if (np.diff(mesh) <= 0.0).any():
        raise ValueError("`x` must be strictly increasing.")
    guess = arguments.numbers(y, "y", "(n, m)")
    if guess.ndim != 2 or guess.shape[1] != mesh.size or not guess.size:
        raise ValueError(
            f"`y` is expected to have {mesh.size} columns and a row or more, in 2-D, but has shape {guess.shape}."
        )
    dtype = complex if guess.dtype.kind == "c" else float
    parameters = np.empty(0, dtype) if p is None else _matching(arguments.numbers(p, "p", "(k,)"), "p", dtype)
    arguments.one_dimensional(parameters, "p")
    n, k = len(guess), parameters.size
    singular = None if S is None else Singular(_singular_matrix(S, n, dtype), float(mesh[0]))
    problem = BoundaryProblem(functions, n, k, dtype, singular)
    problem.check(mesh, guess, parameters)
    return _Given(problem, mesh, guess, parameters)


def _is_thinned(x: Real) -> bool:
    """Whether the first mesh has fewer nodes than the user's."""
    return x.size > _START_WINDOWS + 1


def _matching(array: Number, name: str, dtype: type) -> Number:
    """The array in the type of y."""
    if array.dtype.kind == "c" and dtype is float:
        raise ValueError(f"`{name}` is complex, but `y` is real: pass `y` with a complex dtype.")
    return array.astype(dtype)


def _singular_matrix(S: ArrayLike, n: int, dtype: type) -> Number:
    array = _matching(arguments.numbers(S, "S", "(n, n)"), "S", dtype)
    if array.shape != (n, n):
        raise ValueError(f"`S` is expected to have shape {(n, n)}, but actually has {array.shape}.")
    arguments.finite(array, "`S`")
    return array


def _checked_nodes(max_nodes: float) -> int:
    value = arguments.number(max_nodes, "max_nodes")
    if not value >= 1.0:
        raise ValueError(f"`max_nodes` must be at least 1, got {max_nodes!r}.")
    return int(min(value, 1e12))
