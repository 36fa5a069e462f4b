"""`sensitivity`: derivatives of a solution by initial values and parameters, from the windows' linear systems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..arguments import EPS
from ..arrays import Number, Real
from ..trial.archive import stored
from ..trial.basis import Basis, basis
from ..trial.solution import Solution, constant, with_error
from ..trial.windows import at_windows
from ..user.differences import alternating, disagreement, replaced
from ..user.field import VectorField, WithArgs
from ..user.parameters import parameters_of
from ..user.results import checked
from . import error as second
from .solve_ivp import solve_ivp

__all__ = ["Derivatives", "SensitivitySolution", "count_of", "sensitivity"]

# Relative step of central differences, and the part of the largest value of a component that counts as its size. Not
# tuned.
_STEP, _FLOOR = EPS ** (1.0 / 3.0), 1e-3
# Entries of the systems that are solved at once: 64 MiB. Not tuned.
_AT_ONCE = 2**23
# Points at which the user's derivatives are compared with differences. Not tuned.
_COMPARED = 8


@stored("y", "derivatives")
class SensitivitySolution:
    """A solution y(t) with its derivatives: dy/dt = f(t, y, p), y(t0) = y0.

    A call gives y, `dy_dy0` and `dy_dp` its derivatives, at any times of the span, NaN outside of it.

    Attributes
    ----------
    y, derivatives : Solution
        The solution, and n (n + k) components dy_i/dy0_0, ..., dy_i/dy0_n-1, dy_i/dp_0, ... for i = 0, 1, ....
    """

    def __init__(self, y: Solution, derivatives: Solution) -> None:
        self.y, self.derivatives = y, derivatives

    def __call__(self, t: ArrayLike, nu: int = 0) -> Real:
        """y, or its nu-th derivative by t: (n,) for a number, (n, m) for t (m,)."""
        return self.y(t, nu)

    def dy_dy0(self, t: ArrayLike) -> Real:
        """dy_i/dy0_j, (n, n) for a number, (n, n, m) for t (m,)."""
        return self._parts(self.derivatives(t))[0]

    def dy_dp(self, t: ArrayLike) -> Real:
        """dy_i/dp_j, (n, k) for a number, (n, k, m) for t (m,)."""
        return self._parts(self.derivatives(t))[1]

    def error(self, t: ArrayLike) -> tuple[Real, Real, Real]:
        """Estimated errors of y, dy_dy0 and dy_dp, in their shapes."""
        return (self.y.error(t), *self._parts(self.derivatives.error(t)))

    def _parts(self, values: Real) -> tuple[Real, Real]:
        n = self.y.network.n
        parts = values.reshape(n, self.derivatives.network.n // max(n, 1), *values.shape[1:])
        return parts[:, :n], parts[:, n:]


def sensitivity(
    fun: Callable[..., Any],
    t_span: Sequence[float],
    y0: ArrayLike,
    args: tuple[Any, ...] = (),
    t_eval: ArrayLike | None = None,
    *,
    jac: Any = None,
    df_dp: Callable[..., Any] | None = None,
    rtol: ArrayLike = 1e-6,
    atol: ArrayLike = 1e-9,
    estimate: bool = True,
    **options: Any,
) -> Any:
    """Solve an initial value problem, and differentiate its solution by initial values and parameters.

    Parameters
    ----------
    fun, t_span, y0, t_eval
        As in `solve_ivp`; `fun` plain or compiled by Numba, real.
    args : tuple
        Parameters: numbers and arrays of numbers. The k numbers in them, in order, are what is differentiated by;
        integers are made floating-point numbers. What holds no numbers is passed on.
    jac : callable, optional
        ``jac(t, y, *args)`` -> (n, n), df/dy; by default central differences.
    df_dp : callable, optional
        ``df_dp(t, y, *args)`` -> (n, k), df/dp; by default central differences.
    rtol, atol
        As in `solve_ivp`, for y. Errors of the derivatives are estimated, not controlled.
    estimate : bool
        Whether to estimate the errors of the derivatives, half of their cost; without, they are NaN.
    **options
        Others of `solve_ivp`, but no events.

    Returns
    -------
    res : OdeResult
        As from `solve_ivp`, with ``dy_dy0`` (n, n, m), ``dy_dp`` (n, k, m), m the number of times in ``t``, their
        estimated errors ``error_dy_dy0`` and ``error_dy_dp`` in the same shapes, and ``sol``, a
        `SensitivitySolution`, which gives all of them anywhere.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit, as `solve_ivp`.

    Notes
    -----
    The result is the derivative of the discrete solution itself: on a window with nodes t_i and values
    ``Y = y_k + h A f(t, Y, p)`` it is ``dY = dy_k + h A (df/dy dY + df/dp dp)``, a linear system of s n unknowns.
    Accuracy: that of y, and of the differences, 1e-9 relative. Cost: 2 (n + k) calls of `fun` at each node without
    `jac` and `df_dp`, twice, since the error is estimated as that of y, by wider windows.

    Where `fun` has kinks or jumps, a warning says that derivatives may be wrong: at a jump whose time depends on y or p
    they jump, too, which is not seen, and differences reach across a kink. A `jac` or `df_dp` that is off by more than
    2 % is found out; by less, it is believed.

    References
    ----------
    Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I, Sec. I.14, for the variational equations.

    Examples
    --------
    >>> import numpy as np
    >>> import sigmode as sm
    >>> res = sm.sensitivity(lambda t, y, k: -k * y, (0, 2), [3.0], args=(0.5,), t_eval=[2.0], rtol=1e-9, atol=1e-12)
    >>> [bool(abs(value - exact) < 1e-8) for value, exact in
    ...  ((res.dy_dy0[0, 0, 0], np.exp(-1)), (res.dy_dp[0, 0, 0], -6 * np.exp(-1)))]
    [True, True]
    """
    arguments.function(fun, "fun", "t, y, *args")
    arguments.function(jac, "jac", "t, y, *args", optional=True)
    arguments.function(df_dp, "df_dp", "t, y, *args", optional=True)
    if "events" in options and options["events"] is not None:
        raise ValueError("`events` have no place in `sensitivity`: solve up to the event, then differentiate.")
    options.pop("events", None)
    own, numbers = parameters_of(args)
    start = arguments.numbers(y0, "y0", "(n,)", real=True)
    options |= {"rtol": rtol, "atol": atol} | ({"jac": jac} if jac is not None else {})
    res = solve_ivp(fun, t_span, start, t_eval=t_eval, args=own or None, **options)
    if _has_kinks(res.sol):
        arguments.warn("`fun` has kinks or jumps along the solution: derivatives behind them may be wrong.")
    of_f = Derivatives(fun, own, numbers, res.y.shape[0], jac, df_dp)
    with np.errstate(all="ignore"):
        derivatives = _differentiated(res.sol, of_f, estimate)
    res.sol = SensitivitySolution(res.sol, derivatives)
    res.dy_dy0, res.dy_dp = res.sol.dy_dy0(res.t), res.sol.dy_dp(res.t)
    _, res.error_dy_dy0, res.error_dy_dp = res.sol.error(res.t)
    res.nfev += of_f.nfev
    if res.success and not (np.isfinite(res.dy_dy0).all() and np.isfinite(res.dy_dp).all()):
        res.success, res.status = False, -1
        res.message = "The derivatives are not finite: is `fun` differentiable along the solution?"
    return res


def _has_kinks(sol: Solution) -> bool:
    """Whether a window was cut off before a kink, so that the next one starts a little later."""
    ends, starts = sol.x[:-2] + sol.h[:-1], sol.x[1:-1]
    return bool((abs(ends - starts) > 2.0 * np.spacing(np.maximum(abs(sol.x[:-2]), abs(starts)))).any())


def count_of(args: tuple[Any, ...]) -> int:
    """How many numbers there are in `args`."""
    return len(parameters_of(args)[1])


class Derivatives:
    """df/dy and df/dp at many points."""

    def __init__(
        self,
        fun: Callable[..., Any],
        args: tuple[Any, ...],
        numbers: list[tuple[int, Any]],
        n: int,
        jac: Any,
        df_dp: Callable[..., Any] | None,
    ) -> None:
        self._fun, self._args, self._numbers, self._n = fun, args, numbers, n
        self._jac, self._df_dp = jac, df_dp
        self._field = self._with(args)
        self._sides: list[tuple[float, VectorField, VectorField]] = []
        self.nfev = 0

    @property
    def k(self) -> int:
        """How many parameters there are."""
        return len(self._numbers)

    def _with(self, args: tuple[Any, ...]) -> VectorField:
        field = VectorField(WithArgs(self._fun, args) if args else self._fun, self._n, float, False, said=True)
        return field if args is self._args else field.as_sure_as(self._field)

    def _values(self, field: VectorField, t: Real, Y: Real) -> Real:
        values = np.empty(Y.shape)  # in C order, whatever the order of Y
        field.nodes(t, np.ascontiguousarray(Y), values)
        self.nfev += t.size
        return values

    def at(self, t: Real, Y: Real) -> Real:
        """f at the points (t_i, Y_i), (m, n)."""
        return self._values(self._field, t, np.ascontiguousarray(Y))

    def by_y(self, t: Real, Y: Real) -> Real:
        """df/dy at the points (t_i, Y_i), t (m,), Y (m, n), (m, n, n)."""
        if self._jac is not None:
            if self._right(t, Y, self._jac, "jac", self._along_y):
                return self._called(self._jac, "jac", t, Y, self._n)
            replaced("jac", "fun")
            self._jac = None
        largest = abs(Y).max(axis=0, initial=0.0)
        found = np.empty((t.size, self._n, self._n))
        for j in range(self._n):
            step = _STEP * np.maximum(abs(Y[:, j]), _FLOOR * largest[j] if largest[j] > 0.0 else 1.0)
            found[:, :, j] = self._central(Y, j, step, lambda moved: self._values(self._field, t, moved))
        return found

    @staticmethod
    def _central(Y: Real, j: int, step: Real, f: Callable[[Real], Real]) -> Real:
        ahead, back = Y.copy(), Y.copy()
        ahead[:, j] += step
        back[:, j] -= step
        run = (ahead[:, j] - back[:, j])[:, None]
        return np.asarray((f(ahead) - f(back)) / run)

    def by_p(self, t: Real, Y: Real) -> Real:
        """df/dp at the points, (m, n, k)."""
        if self._df_dp is not None and self.k:
            if self._right(t, Y, self._df_dp, "df_dp", self._along_p):
                return self._called(self._df_dp, "df_dp", t, Y, self.k)
            replaced("df_dp", "fun")
            self._df_dp = None
        found = np.empty((t.size, self._n, self.k))
        for j, (run, ahead, back) in enumerate(self._both_sides()):
            found[:, :, j] = (self._values(ahead, t, Y) - self._values(back, t, Y)) / run
        return found

    def _both_sides(self) -> list[tuple[float, VectorField, VectorField]]:
        """For each parameter the distance of two values of it, and f with each of them; made once."""
        if not self._sides:
            for j, (i, index) in enumerate(self._numbers):
                value = self._args[i] if index is None else self._args[i][index]
                step = _STEP * (abs(value) or 1.0)
                fields = (self._with(self._moved({j: side * step})) for side in (1.0, -1.0))
                self._sides.append(((value + step) - (value - step), *fields))
        return self._sides

    def _moved(self, steps: dict[int, float]) -> tuple[Any, ...]:
        """`args` with some of their numbers moved."""
        args = list(self._args)
        for j, step in steps.items():
            i, index = self._numbers[j]
            if index is None:
                args[i] = args[i] + step
            else:
                args[i] = args[i].copy() if args[i] is self._args[i] else args[i]
                args[i][index] += step
        return tuple(args)

    def _called(self, function: Callable[..., Any], name: str, t: Real, Y: Real, columns: int) -> Real:
        found = np.empty((t.size, self._n, columns))
        for i, (moment, y) in enumerate(zip(t.tolist(), Y, strict=True)):
            found[i] = checked(function(moment, y.copy(), *self._args), (self._n, columns), name)
        return found

    def _right(self, t: Real, Y: Real, function: Callable[..., Any], name: str, along: Callable[..., Any]) -> bool:
        """Whether the user's derivative agrees with differences, at some points in one direction."""
        columns = self._n if name == "jac" else self.k
        for i in np.unique(np.linspace(0, t.size - 1, _COMPARED).astype(int)).tolist():
            moment, y = float(t[i]), Y[i]
            said = self._called(function, name, t[i : i + 1], Y[i : i + 1], columns)[0]
            direction, moved = along(moment, y)
            value = self._field(moment, y)
            if disagreement(moved, said @ direction, abs(said) @ abs(direction), value).any():
                return False
        return True

    def _along_y(self, t: float, y: Real) -> tuple[Real, Callable[[float], Number]]:
        direction = alternating(np.where(y != 0.0, abs(y), 1.0))
        return direction, lambda part: self._field(t, y + part * direction)

    def _along_p(self, t: float, y: Real) -> tuple[Real, Callable[[float], Number]]:
        sizes = [abs(self._args[i] if index is None else self._args[i][index]) or 1.0 for i, index in self._numbers]
        direction = alternating(np.array(sizes))
        return direction, lambda part: self._with(self._moved(dict(enumerate((part * direction).tolist()))))(t, y)


def _differentiated(sol: Solution, of_f: Derivatives, estimate: bool) -> Solution:
    """The derivatives of a marching solution as a `Solution`, with an estimate of its error if that is wanted."""
    n, columns = sol.network.n, sol.network.n + of_f.k
    first = np.hstack([np.eye(n), np.zeros((n, of_f.k))])
    if not n or not sol.h.any():
        still = constant(float(sol.x[0]), float(sol.x[-1]), first.ravel())
        return with_error(still, still.x, np.zeros((first.size, 2)))
    own = basis(sol.network.n_hidden + 1)
    wider = basis(second.wider(own.s))
    starts, nodes, slopes = _along(sol, own, of_f, first, False)
    K = len(sol.h)
    rise = (nodes[:, -1] - starts).reshape(K, -1)
    theta = own.thetas(slopes.reshape(K, own.s, -1).transpose(2, 0, 1), sol.h, rise.T)
    found = Solution(sol.x, starts.reshape(K, -1), theta, own.network(n * columns), h=sol.h)
    if not estimate:
        return found
    better = _along(sol, wider, of_f, first, True)[1].reshape(K, wider.s, -1)
    off = abs(at_windows(found, wider.nodes) - better)
    off = np.broadcast_to(_around(off.max(axis=1))[:, None], off.shape)
    x = np.append(sol.x[0], (sol.x[:-1, None] + sol.h[:, None] * wider.nodes).ravel())
    bound = np.vstack([np.zeros((1, n * columns)), off.reshape(-1, n * columns)])
    return with_error(found, x, np.ascontiguousarray(bound.T))


def _around(largest: Real) -> Real:
    """The largest of each window (K, N) and its neighbours: errors change their sign, and so do their estimates."""
    padded = np.pad(largest, ((1, 1), (0, 0)), mode="edge")
    return np.asarray(np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:]))


def _along(sol: Solution, used: Basis, of_f: Derivatives, first: Real, moved: bool) -> tuple[Real, Real, Real]:
    """The derivatives (n, n + k) at the starts of windows (K, .), at nodes (K, s, .), and their slopes there.

    moved : whether y is moved by its estimated error: then the difference says what that does to derivatives, too.
    """
    n, columns = first.shape
    starts, nodes, slopes = [], [], []
    S = first
    for t, Y, h in _windows(sol, used, moved):
        K, s = t.shape
        J = of_f.by_y(t.ravel(), Y.reshape(-1, n)).reshape(K, s, n, n)
        F = of_f.by_p(t.ravel(), Y.reshape(-1, n)).reshape(K, s, n, columns - n)
        solved = _solved(used.A, h, J, F)
        each = np.empty((K, n, columns))
        for k in range(K):
            each[k] = S
            S = solved[k, -1, :, :n] @ S
            S[:, n:] += solved[k, -1, :, n:]
        at_nodes = solved[..., :n] @ each[:, None]
        at_nodes[..., n:] += solved[..., n:]
        of_time = J @ at_nodes
        of_time[..., n:] += F
        starts.append(each)
        nodes.append(at_nodes)
        slopes.append(of_time)
    return np.concatenate(starts), np.concatenate(nodes), np.concatenate(slopes)


def _windows(sol: Solution, used: Basis, moved: bool) -> Iterator[tuple[Real, Real, Real]]:
    """Times (K, s), values (K, s, n) at the nodes, and lengths (K,) of windows, as many as are dealt with at once."""
    n, s = sol.network.n, used.s
    Y = at_windows(sol, used.nodes)
    t = sol.x[:-1, None] + sol.h[:, None] * used.nodes
    if moved:
        off = sol.error(np.clip(t.ravel(), sol.t_min, sol.t_max)).T.reshape(Y.shape)
        Y = Y + np.where(np.isfinite(off), off, 0.0)
    size = max(1, _AT_ONCE // (s * n) ** 2)
    for lo in range(0, len(t), size):
        part = slice(lo, lo + size)
        yield t[part], Y[part], sol.h[part]


def _solved(A: Real, h: Real, J: Real, F: Real) -> Real:
    """(I - h A x J)^-1 (1 x I | h A F) for each window, (K, s, n, n + k)."""
    K, s, n, _ = J.shape
    hA = h[:, None, None] * A
    M = (-hA[:, :, None, :, None] * J.transpose(0, 2, 1, 3)[:, None]).reshape(K, s * n, s * n)
    M[:, np.arange(s * n), np.arange(s * n)] += 1.0
    right = np.empty((K, s, n, n + F.shape[3]))
    right[..., :n] = np.eye(n)
    right[..., n:] = (hA @ F.reshape(K, s, -1)).reshape(F.shape)
    try:
        found = np.linalg.solve(M, right.reshape(K, s * n, -1))
    except np.linalg.LinAlgError:
        return np.full(right.shape, np.nan)
    return np.asarray(found.reshape(right.shape), dtype=float)
