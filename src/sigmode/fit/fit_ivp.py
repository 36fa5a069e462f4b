"""`fit_ivp`: parameters and initial values of an ordinary differential equation from data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult, least_squares

from .. import arguments
from ..arguments import EPS
from ..arrays import Real
from ..callback import Callback, Stopped, tell
from ..callback import checked as checked_callback
from .collocate import start_values
from .data import Experiment, experiments, parameters
from .model import Model, Solved, Unknowns
from .result import FitResult

__all__ = ["fit_ivp"]

# Tolerances of the solutions at first, each next time, and at last; how far their errors may move a parameter, in
# standard errors. Not tuned.
_RTOL, _TIGHTER, _TIGHTEST, _SHARE = 1e-8, 1e-2, 1e-12, 1e-3
# What is left of the variance where a start is taken for good, and where a result is not trusted. Not tuned.
_GOOD, _BAD = 0.3, 0.5
# Singular values below this part of the largest one are directions that the data do not determine, and weights in a
# direction that are not told. Not tuned.
_UNDETERMINED, _NO_WEIGHT = 1e-6, 0.05
# A parameter that could change by itself and move all data by no more than this part has no effect. Not tuned.
_NO_EFFECT = 1e-9
# What stands for an error that is not known; from which part of its standard error, and of itself, on a parameter may
# not be moved by errors of the solution. Not tuned.
_HUGE, _SPOILT, _EXACT = 1e100, 0.1, 1e-6
# Evaluations of a search at most. Not tuned.
_MOST = 200
# Starts further away are within this factor. Not tuned.
_AWAY = 5.0
# Results of several starts are the same if their sums of squares differ by no more than this part. Not tuned.
_SAME = 1e-4
_NO_START = "The equation has no solution up to the last measurement from the start values: choose others, or bounds."


def fit_ivp(
    fun: Callable[..., Any],
    t: ArrayLike,
    y: ArrayLike,
    p0: Any,
    y0: Any,
    *,
    sigma: Any = None,
    absolute_sigma: bool = False,
    bounds: Any = (-np.inf, np.inf),
    observe: Any = None,
    scale: Any = None,
    loss: str = "linear",
    f_scale: float = 1.0,
    t0: float | None = None,
    jac: Callable[..., Any] | None = None,
    df_dp: Callable[..., Any] | None = None,
    method: str = "auto",
    tol: float | None = None,
    starts: int = 1,
    seed: int | None = 0,
    workers: Any = 1,
    callback: Callback | None = None,
) -> FitResult:
    """Fit the parameters of an ordinary differential equation, and initial values, to data by least squares.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *p)`` -> (n,), the function of ``solve_ivp(fun, ..., args=p)``, plain or compiled by Numba.
    t : array_like, shape (m,), or a list of such arrays
        Times of the measurements, in any order, also the same ones several times. A list for several experiments.
    y : array_like, shape (k, m) or (m,), or a list
        Measurements, NaN where there is none.
    p0 : array_like, shape (j,), or dict
        Start values, by name in a dict.
    y0 : array_like, shape (n,), or callable, or a list
        Initial values, NaN where they are to be found; or ``y0(*p)`` -> (n,).
    sigma : array_like, optional
        Standard deviations of the measurements, of any shape that broadcasts to that of y, or (k,).
    absolute_sigma : bool
        Whether `sigma` is meant as it is. Otherwise `cov` is scaled by the residuals, as in `scipy.optimize.curve_fit`.
    bounds : tuple of array_like, `scipy.optimize.Bounds`, or dict
        Of the parameters; equal ones fix a parameter.
    observe : None, array_like of int, or callable
        What of the state is measured: all of it, some components, or ``observe(t, y, *p)`` -> (k, m), y (n, m).
    scale : None, "log", or one of these for each parameter
        Whether a parameter is searched by its logarithm.
    loss, f_scale
        As in `scipy.optimize.least_squares`.
    t0 : float, optional
        Where `y0` holds, by default at the first of the times.
    jac, df_dp : callable, optional
        df/dy and df/dp, as in `sensitivity`.
    method : {"auto", "shooting", "collocation"}
        "shooting" searches on exact solutions; "collocation" begins with all windows of a trial solution and the
        parameters in one problem, in which the equation weighs more and more, for starts that are far away; "auto" does
        that where the start is not good.
    tol : float, optional
        Relative tolerance of the solutions; by default such that their errors move no parameter by more than 1e-3 of
        its standard error.
    starts : int
        How many starts to try: `p0`, and others within a factor of 5 of it.
    seed : int or None
        For the other starts.
    workers : int or map-like callable
        Has no effect yet: starts are tried one after the other.
    callback : callable, optional
        ``callback(intermediate_result)`` with ``x``, ``cost`` and ``phase``; it may raise ``StopIteration``.

    Returns
    -------
    res : FitResult

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit. A numerical failure is a status with a message.

    Notes
    -----
    The result is the least-squares optimum of the solved equation: the search ends with residuals on solutions by
    `sensitivity`, whose derivatives are those of the discrete solution.

    References
    ----------
    Bock, Recent advances in parameter identification techniques for O.D.E., 1983, for all at once. Seber, Wild,
    Nonlinear Regression, 1989, for the statistics.

    Examples
    --------
    >>> import numpy as np
    >>> import sigmode as sm
    >>> t = np.array([1.0, 2.0, 3.0, 5.0, 7.0, 10.0])
    >>> y = np.array([109.0, 149.0, 149.0, 191.0, 213.0, 224.0])
    >>> res = sm.fit_ivp(lambda t, y, b1, b2: b2 * (b1 - y), t, y, p0=[100.0, 0.75], y0=[0.0], t0=0.0)
    >>> res.success, res.x.round(4), res.stderr.round(4)
    (True, array([213.8094,   0.5472]), array([12.3545,  0.1046]))
    """
    arguments.function(fun, "fun", "t, y, *p")
    arguments.function(jac, "jac", "t, y, *p", optional=True)
    arguments.function(df_dp, "df_dp", "t, y, *p", optional=True)
    arguments.choice(method, "method", ("auto", "shooting", "collocation"))
    starts = arguments.count(starts, "starts")
    f_scale = arguments.positive(f_scale, "f_scale")
    callback = checked_callback(callback)
    if observe is not None and not callable(observe):
        observe = _components(observe)
    sets, several = experiments(t, y, y0, sigma, t0)
    unknowns = Unknowns(parameters(fun, p0, bounds, scale), sets)
    size = max(float(np.nanmax(abs(each.y), initial=0.0)) for each in sets) or 1.0
    rtol = _RTOL if tol is None else arguments.positive(tol, "tol")
    options = {"jac": jac, "df_dp": df_dp, "rtol": rtol, "atol": rtol * 1e-2 * size, "error_control": "local"}
    model = Model(fun, unknowns, observe, options)
    search = _Search(model, unknowns, loss, f_scale, method, callback)
    _check_shapes(model, unknowns)
    search.run(starts, np.random.default_rng(arguments.seed(seed)))
    if tol is None and search.best is not None and not search.stopped:
        search.sharpen(size)
    return _result(search, unknowns, several, absolute_sigma)


def _components(observe: Any) -> Any:
    """Indices of components, from indices or from a mask."""
    given = np.atleast_1d(np.asarray(observe))
    return np.flatnonzero(given) if given.dtype == bool else given.astype(int)


def _check_shapes(model: Model, unknowns: Unknowns) -> None:
    """What `fun` and `observe` return, before anything is searched."""
    values = unknowns.values(_first(unknowns, model))
    p = unknowns.p(values)
    for i, each in enumerate(unknowns.sets):
        y0, _ = unknowns.y0(values, i)
        if y0.ndim != 1 or not np.isfinite(y0).all():
            raise ValueError(f"`y0` must give finite numbers of shape (n,), it gave {y0}.")
        if not callable(model.observe):
            rows = y0.size if model.observe is None else model.observe.size
            if rows != len(each.y):
                raise ValueError(
                    f"`y` must have {rows} rows, one for each component that is observed, got {len(each.y)}."
                )
            if model.observe is not None and not ((model.observe >= 0) & (model.observe < y0.size)).all():
                raise ValueError(f"`observe` must hold indices of {y0.size} components, got {model.observe}.")
        else:
            model.call_observe(each.times, np.tile(y0[:, None], each.times.size), p)


def _first(unknowns: Unknowns, model: Model) -> Real:
    """z at the start values; initial values that are not known: the first measurement, or the mean size of all."""
    values = list(unknowns.parameters.start[unknowns.parameters.free])
    for each in unknowns.sets:
        for component in each.free.tolist():
            rows = (
                [] if callable(model.observe) else
                [component] if model.observe is None else np.flatnonzero(model.observe == component).tolist()
            )  # fmt: skip
            seen = [
                (each.times[each.column[j]], each.y[r, j])
                for r in rows
                if r < len(each.y)
                for j in np.flatnonzero(each.measured[r])
            ]
            values.append(min(seen)[1] if seen else float(np.nanmean(abs(each.y))) if each.measured.any() else 1.0)
    return unknowns.searched(np.array(values, dtype=float))


class _Search:
    """The search for the optimum; `best` is (cost, z, what least_squares said), or None."""

    def __init__(
        self, model: Model, unknowns: Unknowns, loss: str, f_scale: float, method: str, callback: Callback | None
    ) -> None:
        self.model, self.unknowns = model, unknowns
        self.loss, self._f_scale, self._method, self._callback = loss, f_scale, method, callback
        self.best: tuple[float, Real, Any] | None = None
        self.costs: list[float] = []
        self.stopped = False
        self.nit = 0
        self._kept: tuple[bytes | None, Solved | None] = None, None
        self._reached: tuple[float, Real] | None = None
        self.starts = 1
        data = np.concatenate([((each.y - self._centre(each)) / each.sigma)[each.measured] for each in unknowns.sets])
        self._spread = float(data @ data) or 1.0

    @staticmethod
    def _centre(each: Experiment) -> Real:
        return np.array([[row[at].mean() if at.any() else 0.0] for row, at in zip(each.y, each.measured, strict=True)])

    def run(self, starts: int, rng: np.random.Generator) -> None:
        """From the user's start and from others."""
        first = _first(self.unknowns, self.model)
        self.starts = starts
        try:
            for k in range(starts):
                self._from(first if k == 0 else self._away(first, rng))
        except Stopped:
            self._stop()

    def _stop(self) -> None:
        """Keep the best that was reached."""
        self.stopped = True
        if self._reached is not None and (self.best is None or self._reached[0] < self.best[0]):
            nothing = OptimizeResult(
                success=False, status=0, active_mask=np.zeros(self.unknowns.size, dtype=int), jac=None
            )
            self.best = *self._reached, nothing

    def _away(self, z: Real, rng: np.random.Generator) -> Real:
        """Another start, within a factor of the first one and within the bounds."""
        values = self.unknowns.values(z)
        moved = values * np.exp(rng.uniform(-1.0, 1.0, values.size) * np.log(_AWAY))
        return np.clip(self.unknowns.searched(moved), self.unknowns.lower, self.unknowns.upper)

    def _from(self, z: Real) -> None:
        z = np.clip(z, self.unknowns.lower, self.unknowns.upper)
        solved = self.model(self.unknowns.values(z))
        left = np.inf if solved is None else float(solved.residual @ solved.residual) / self._spread
        if self._method == "shooting" or (self._method == "auto" and left < _GOOD):
            self._refine(z, "shooting")
            return
        close = self._close(z)
        before = len(self.costs)
        if close is not None:
            self._refine(close, "shooting")
        if self._method == "auto" and (len(self.costs) == before or 2.0 * self.costs[-1] > _BAD * self._spread):
            self._refine(z, "shooting")

    def _close(self, z: Real) -> Real | None:
        """A start that is closer, all at once; None where f raises an exception, or nothing is found."""
        try:
            return start_values(self.model, self.unknowns, z, lambda: self._tell(z, np.nan, "collocation"))
        except (ArithmeticError, ValueError):
            return None

    def _tell(self, z: Real, cost: float, phase: str) -> None:
        self.nit += 1
        tell(self._callback, x=self.unknowns.values(z), cost=cost, phase=phase)

    def solved(self, z: Real) -> Solved | None:
        """The model at z, once."""
        key = z.tobytes()
        if self._kept[0] != key:
            self._kept = key, self.model(self.unknowns.values(z))
        return self._kept[1]

    def _residual(self, z: Real) -> Real:
        solved = self.solved(z)
        if solved is None:
            return np.full(sum(int(each.measured.sum()) for each in self.unknowns.sets), np.inf)
        cost = 0.5 * float(solved.residual @ solved.residual)
        if self._reached is None or cost < self._reached[0]:
            self._reached = cost, z.copy()
        self._tell(z, cost, "shooting")
        return solved.residual

    def _jacobian(self, z: Real) -> Real:
        solved = self.solved(z)
        assert solved is not None
        return np.asarray(solved.jacobian * self.unknowns.factors(z))

    def _refine(self, z: Real, phase: str) -> None:
        """On exact solutions."""
        z = _inside(z, self.unknowns)
        if self.solved(z) is None:
            return
        if not self.unknowns.size:
            self._note(
                0.5 * float(np.sum(self._residual(z) ** 2)),
                z,
                OptimizeResult(success=True, status=1, active_mask=np.zeros(0)),
            )
            return
        found = least_squares(
            self._residual, z, self._jacobian, bounds=(self.unknowns.lower, self.unknowns.upper), x_scale="jac",
            loss=self.loss, f_scale=self._f_scale, ftol=4 * EPS, xtol=1e-11, gtol=None, max_nfev=_MOST,
        )  # fmt: skip
        self._note(float(found.cost), found.x, found)

    def _note(self, cost: float, z: Real, found: Any) -> None:
        self.costs.append(cost)
        if self.best is None or cost < self.best[0]:
            self.best = cost, z, found

    def sharpen(self, size: float) -> None:
        """Tighter solutions, until their errors move no parameter by more than a share of its standard error."""
        options = self.model.options
        while self.best is not None and options["rtol"] > _TIGHTEST:
            solved = self.model(self.unknowns.values(self.best[1]))
            if solved is None or not self.unknowns.size:
                return
            bias, deviation = _bias(solved), _deviations(solved)
            if not (bias > _SHARE * deviation).any():
                return
            options["rtol"] = max(options["rtol"] * _TIGHTER, _TIGHTEST)
            options["atol"] = options["rtol"] * 1e-2 * size
            self._kept = None, None
            start, self.best = self.best[1], None
            try:
                self._refine(start, "shooting")
            except Stopped:
                self._stop()
                return


def _inside(z: Real, unknowns: Unknowns) -> Real:
    """`least_squares` wants its start strictly between the bounds."""
    lower, upper = unknowns.lower, unknowns.upper
    with np.errstate(invalid="ignore"):
        room = np.where(np.isfinite(upper - lower), 1e-10 * (upper - lower), 1e-10 * (1.0 + abs(z)))
    return np.minimum(
        np.maximum(z, lower + np.where(np.isfinite(lower), room, 0.0)), upper - np.where(np.isfinite(upper), room, 0.0)
    )


def _bias(solved: Solved) -> Real:
    """How far errors of the solution may move the values."""
    return np.asarray(abs(np.linalg.pinv(solved.jacobian)) @ _finite(solved.error))


def _finite(error: Real) -> Real:
    """Errors that are not known as very large numbers."""
    return np.nan_to_num(error, nan=_HUGE, posinf=_HUGE)


def _deviations(solved: Solved) -> Real:
    """Standard errors of the values, as far as they are determined."""
    M, N = solved.jacobian.shape
    s2 = float(solved.residual @ solved.residual) / max(1, M - N)
    return np.asarray(np.sqrt(s2 * (np.linalg.pinv(solved.jacobian) ** 2).sum(axis=1)))


def _result(search: _Search, unknowns: Unknowns, several: bool, absolute: bool) -> FitResult:
    names = unknowns.parameters.names + unknowns.names[unknowns.parameters.free.size :]
    places = np.append(unknowns.parameters.free, np.arange(len(unknowns.parameters.names), len(names)))
    N = len(names)
    res = FitResult(names=names, nfev=search.model.nfev, nit=search.nit, success=False, status=-1)
    object.__setattr__(res, "_places", places)  # not among the entries of the dictionary
    object.__setattr__(res, "_absolute", absolute)
    z = search.best[1] if search.best is not None else _first(unknowns, search.model)
    object.__setattr__(res, "_fit", (search.model, unknowns, z))
    values = unknowns.values(z)
    res.x = np.append(unknowns.p(values), values[unknowns.parameters.free.size :])
    res.params = dict(zip(unknowns.parameters.names, res.x.tolist(), strict=False))
    initial = [unknowns.y0(values, i)[0] for i in range(len(unknowns.sets))]
    res.y0 = initial if several else initial[0]
    solved = search.model(values) if search.best is not None else None
    M = sum(int(each.measured.sum()) for each in unknowns.sets)
    res.dof = M - unknowns.size
    res.cov = np.full((N, N), np.nan)
    res.corr, res.stderr, res.bias = res.cov.copy(), np.full(N, np.nan), np.full(N, np.nan)
    res.undetermined, res.active_mask = [], np.zeros(N, dtype=int)
    if solved is None or search.best is None:
        res.ssr = res.rms = res.cost = np.inf
        res.fun, res.jac, res.error, res.sol = np.full(M, np.nan), np.full((M, N), np.nan), np.full(M, np.nan), None
        why = "`callback` stopped the fit." if search.stopped else _NO_START
        res.message = why
        return res
    cost, _, found = search.best
    res.cost, res.fun, res.error = cost, solved.residual, solved.error
    res.jac = np.zeros((M, N))
    res.jac[:, places] = solved.jacobian
    res.ssr = float(solved.residual @ solved.residual)
    res.rms = float(np.sqrt(res.ssr / res.dof)) if res.dof > 0 else np.nan
    res.sol = solved.solutions if several else solved.solutions[0]
    res.active_mask[places] = found.active_mask
    _statistics(res, solved, unknowns, absolute, None if search.loss == "linear" else (found.jac, cost, z))
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
    res.bias[at] = abs(np.linalg.pinv(J)) @ _finite(solved.error)
    for row in np.flatnonzero(unknown):
        weights = {res.names[j]: float(w) for j, w in zip(at, V[row], strict=True) if abs(w) > _NO_WEIGHT}
        res.undetermined.append((float(sizes[row] / max(sizes.max(), 1e-300)), weights))


def _verdict(res: FitResult, search: _Search, found: Any) -> tuple[bool, int, str]:
    """Whether the fit can be trusted, a status and a message."""
    if search.stopped:
        return False, -1, "`callback` stopped the fit."
    if res.dof < 0 or (res.dof == 0 and res.fun.size == 0):
        return False, -3, f"{res.fun.size} measurements cannot determine {len(res._places)} unknowns: fix some of them."
    if res.undetermined:
        names = ", ".join(res.undetermined[0][1])
        return False, -2, f"The data do not determine {names}: fix one of them by `bounds`, or measure more."
    with np.errstate(invalid="ignore"):
        moved = (res.bias > _SPOILT * res.stderr) & (res.bias > _EXACT * abs(res.x))
    if moved.any() and not search.model.noise:
        name = res.names[int(np.argmax(moved))]
        return (
            False,
            -5,
            f"The solution is not exact enough for {name}: its error may move it by {res.bias[moved][0]:.1e}.",
        )
    if search.model.noise:
        return False, -4, f"{search.model.noise} The minimum is not found to more than that."
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
