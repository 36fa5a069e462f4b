"""`fit_ivp`: parameters and initial values of an ordinary differential equation from data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult

from .. import arguments
from ..callback import Callback, bar
from ..callback import checked as checked_callback
from ..workers import checked as checked_workers
from .data import bounds_of_y0, experiments, parameters
from .model import Model
from .outcome import result_of
from .result import FitResult
from .search import Run, Search, first_values
from .unknowns import Unknowns

__all__ = ["fit_ivp"]

# Tolerance of the solutions at first. Not tuned.
_RTOL = 1e-8


def fit_ivp(
    fun: Callable[..., Any],
    t: ArrayLike,
    y: ArrayLike,
    p0: Any,
    y0: Any,
    *,
    args: Any = (),
    local: Any = (),
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
    progress: bool = False,
) -> FitResult:
    """Fit the parameters of an ordinary differential equation, and initial values, to data by least squares.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *p)`` -> (n,), the function of ``solve_ivp(fun, ..., args=p)``, plain or compiled by Numba. Where
        it raises an exception of arithmetic, or a ValueError about values ("math domain error"), a trial has failed.
    t : array_like, shape (m,), or a list of such arrays
        Times of the measurements, in any order, also the same ones several times. A list for several experiments.
    y : array_like, shape (k, m) or (m,), or a list
        Measurements, NaN where there is none.
    p0 : array_like, shape (j,), or dict
        Start values, by name in a dict; for a parameter in `local` a number, or one for each experiment.
    y0 : array_like, shape (n,), or callable, or a list
        Initial values, NaN where they are to be found; or ``y0(*p)`` -> (n,).
    args : tuple, or a list of tuples
        Constants, for each experiment its own in a list: all functions get them behind the parameters.
    local : names
        Parameters that experiments do not share: each has its own, in results as ``k[0]``, ``k[1]``.
    sigma : array_like, optional
        Standard deviations of the measurements, of any shape that broadcasts to that of y, or (k,).
    absolute_sigma : bool
        Whether `sigma` is meant as it is. Otherwise `cov` is scaled by the residuals, as in `scipy.optimize.curve_fit`.
    bounds : tuple of array_like, `scipy.optimize.Bounds`, or dict
        Of the parameters; equal ones fix a parameter. In a dict by name, also of one of several, ``k[1]``, and of
        initial values that are to be found, ``y0[0]``, with several experiments ``y0[1][0]``.
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
        that where the start is not good, and 12 solutions from there do not explain 70 % of the variance.
    tol : float, optional
        Relative tolerance of the solutions; by default such that their errors move no parameter by more than 1e-3 of
        its standard error.
    starts : int
        How many starts to try: `p0`, and others within a factor of 5 of it.
    seed : int or None
        For the other starts.
    workers : int or map-like callable
        Where starts are tried: on so many threads, for a plain f in so many processes, -1 for all cores; or
        ``workers(function, iterable)``, or something with a method ``map``. The result is the same to rounding.
    callback : callable, optional
        ``callback(intermediate_result)`` with ``x``, ``cost`` and ``phase``; it may raise ``StopIteration``. With
        `workers` it is told of each start when all have ended.
    progress : bool
        Whether to show a bar of the solutions so far. Needs tqdm (``pip install tqdm``).

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
    workers = checked_workers(workers)
    sets, several = experiments(t, y, y0, sigma, t0, args)
    unknowns = Unknowns(parameters(fun, p0, bounds, scale, local, sets), sets, bounds_of_y0(bounds, sets))
    size = max(float(np.nanmax(abs(each.y), initial=0.0)) for each in sets) or 1.0
    rtol = _RTOL if tol is None else arguments.positive(tol, "tol")
    options = {"jac": jac, "df_dp": df_dp, "rtol": rtol, "atol": rtol * 1e-2 * size, "error_control": "local"}
    model = Model(fun, unknowns, observe, options)
    _check_shapes(model, unknowns)
    shown = bar(np.inf) if progress else None
    search = Search(Run(model, loss, f_scale, method, callback if shown is None else _showing(shown, callback)))
    try:
        search(starts, np.random.default_rng(arguments.seed(seed)), workers)
        if tol is None:
            search.sharpen(size)
    finally:
        if shown is not None:
            shown.close()
    return result_of(search, several, absolute_sigma)


def _showing(shown: Any, callback: Callback | None) -> Callback:
    """A callback that moves the bar, then calls the user's."""

    def watch(state: OptimizeResult) -> None:
        shown.update(1)
        shown.set_postfix_str(f"{state.phase}, cost {state.cost:.6g}", refresh=False)
        if callback is not None:
            callback(state)

    return watch


def _components(observe: Any) -> Any:
    """Indices of components, from indices or from a mask."""
    given = np.atleast_1d(np.asarray(observe))
    return np.flatnonzero(given) if given.dtype == bool else given.astype(int)


def _check_shapes(model: Model, unknowns: Unknowns) -> None:
    """What `fun` and `observe` return, before anything is searched."""
    values = unknowns.values(first_values(unknowns, model))
    for i, each in enumerate(unknowns.sets):
        y0, _ = unknowns.y0(values, i)
        if y0.ndim != 1 or not np.isfinite(y0).all():
            raise ValueError(f"`y0` must give finite numbers of shape (n,), it gave {y0}.")
        if not callable(model.observe):
            rows = y0.size if model.observe is None else model.observe.size
            if rows != len(each.y):
                raise ValueError(
                    f"`y` must have {rows} rows, one for each component that is observed, got {len(each.y)}: "
                    "`observe` says which they are."
                )
            if model.observe is not None and not ((model.observe >= 0) & (model.observe < y0.size)).all():
                raise ValueError(f"`observe` must hold indices of {y0.size} components, got {model.observe}.")
        else:
            model.call_observe(each.times, np.tile(y0[:, None], each.times.size), unknowns.p(values, i), i)
