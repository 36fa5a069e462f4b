"""`solve_ensemble`: many initial value problems, each by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..arguments import SMALLEST_RTOL
from ..callback import bar
from ..ivp.method import STOPPED
from ..ivp.setting import checked_max_windows
from ..user.field import is_compiled
from ..workers import by_map, checked, in_processes, on_threads
from .batch import Batch, Problem, made
from .members import Solved, solve
from .result import EnsembleResult

__all__ = ["solve_ensemble"]

_DERIVATIVES = ("dy_dy0", "dy_dp", "error_dy_dy0", "error_dy_dp")
_OPTIONS = ("first_step", "max_step", "jac", "jac_sparsity", "breaks", "max_windows", "vectorized")


def solve_ensemble(
    fun: Callable[..., Any],
    t_span: ArrayLike,
    y0: ArrayLike,
    args: tuple[Any, ...] | None = None,
    t_eval: ArrayLike | None = None,
    *,
    rtol: ArrayLike = 1e-3,
    atol: ArrayLike = 1e-6,
    error_control: str = "global",
    output: Callable[..., Any] | None = None,
    dense_output: bool = False,
    sensitivity: bool = False,
    workers: Any = 1,
    callback: Callable[[int, int], Any] | None = None,
    progress: bool = False,
    **options: Any,
) -> EnsembleResult:
    """Solve N initial value problems with one `fun`: other initial values, other parameters, other spans.

    Each member has its own steps, its own estimate of the error and its own status, and exactly the values that
    `solve_ivp` gives for it alone, whatever `workers` is. None waits for another, and none raises for another.

    Parameters
    ----------
    fun : callable
        ``fun(t, y, *args)`` -> (n,), the function of `solve_ivp`. If Numba has compiled it, members are solved in
        compiled code from end to end.
    t_span : array_like, shape (2,) or (N, 2)
        Start and end.
    y0 : array_like, shape (n,) or (N, n)
        Initial values.
    args : tuple, optional
        Further arguments of `fun`. An array with N along its first axis varies: `fun` gets one number, or one vector,
        of it. Numbers, and what is no array, are shared, and so is ``value[None]`` for an array that all get whole.
    t_eval : array_like, shape (k,) or (N, k), optional
        Times to report, by default the end of the span.
    rtol, atol, error_control
        As in `solve_ivp`.
    output : callable, optional
        ``output(t, y)``, t (k,) and y (n, k) of one member, NaN where it did not get: what to keep of y, an array of
        the same shape for all members.
    dense_output : bool
        Whether to keep the `Solution` of each member.
    sensitivity : bool
        Whether to differentiate by y0 and args, too, as `sigmode.sensitivity` does; ``df_dp`` is an option then.
    workers : int, map-like callable or executor
        An integer, or -1 for all cores: threads for a compiled `fun`, else processes, which are not forked, so that
        `fun` has to be importable there. A callable is called as ``workers(function, chunks)`` like `map`, an object
        with a method ``map`` likewise: ``concurrent.futures`` and ``mpi4py.futures`` executors, a Dask client or its
        ``get_executor()``. Results may be futures.
    callback : callable, optional
        ``callback(done, N)`` from time to time. It may raise ``StopIteration``: members that are left have status -1.
    progress : bool
        Whether to show a bar. Needs tqdm (``pip install tqdm``).
    **options
        first_step, max_step, jac, jac_sparsity, breaks, max_windows, vectorized, as in `solve_ivp`.

    Returns
    -------
    res : EnsembleResult
        With ``t``, ``y`` (N, n, k), ``error`` (N, n, k), ``success`` (N,), ``status`` (N,), ``message``, ``nfev`` (N,),
        ``failed``, ``output``, ``sol``, and ``plot()`` and ``to_xarray()``; with `sensitivity` ``dy_dy0`` (N, n, n, k),
        ``dy_dp`` (N, n, j, k), j the numbers in the args of a member, ``error_dy_dy0`` and ``error_dy_dp``.

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit. An exception of `fun` is the failure of that member, with status -1 and a
        message; it is raised if all members have one.

    Notes
    -----
    Memory: the result, and for each thread the windows of one member. Members that are odd in some way (a kink, noise,
    an estimate above the tolerance at first) are solved by `solve_ivp` from Python.

    Examples
    --------
    >>> import numpy as np
    >>> import sigmode as sm
    >>> rates = np.array([0.5, 1.0, 2.0])
    >>> res = sm.solve_ensemble(lambda t, y, k: -k * y, (0, 1), [1.0], args=(rates,), t_eval=[0.5, 1.0], rtol=1e-8)
    >>> res.y.shape, bool(res.success.all()), float(abs(res.y[:, 0, 1] - np.exp(-rates)).max() < 1e-6)
    ((3, 1, 2), True, 1.0)
    """
    arguments.function(fun, "fun", "t, y, *args")
    arguments.function(output, "output", "t, y", optional=True)
    arguments.function(callback, "callback", "done, N", optional=True)
    arguments.choice(error_control, "error_control", ("global", "local"))
    unknown = [name for name in options if name not in _OPTIONS + (("df_dp",) if sensitivity else ())]
    if unknown:
        raise TypeError(f"`solve_ensemble` has no argument {unknown[0]!r}; options of `solve_ivp` are {_OPTIONS}.")
    batch, shared = made(t_span, y0, args, t_eval)
    N, n = batch.y0.shape
    if "max_step" in options:
        options["max_step"] = arguments.positive(options["max_step"], "max_step", infinite=True)
    if "max_windows" in options:
        options["max_windows"] = checked_max_windows(options["max_windows"])
    rtol, atol = arguments.tolerances(rtol, atol, n)
    options |= {"rtol": np.maximum(rtol, SMALLEST_RTOL), "atol": atol, "error_control": error_control}
    options = {name: value for name, value in options.items() if value is not None}
    many = checked(workers)
    problem = Problem(fun, options, output, bool(dense_output), bool(sensitivity))
    result = _Result(problem, batch, shared)
    shown = bar(N) if progress else None
    try:
        for (lo, hi), solved in _pieces(problem, batch, many):
            result.put(lo, hi, solved)
            if shown is not None:
                shown.update(hi - lo)
            if callback is not None:
                callback(result.done, N)
    except StopIteration:
        pass
    finally:
        if shown is not None:
            shown.close()
    return result.whole()


def _pieces(
    problem: Problem, batch: Batch, workers: int | Callable[..., Any]
) -> Iterator[tuple[tuple[int, int], Solved]]:
    """Shares of the members and their results, as they come."""
    N = len(batch.y0)
    task = functools.partial(solve, problem)
    if N == 0:
        return iter([((0, 0), solve(problem, batch))] if problem.output is None else [])
    if not isinstance(workers, int):
        return by_map(workers, task, batch.part, N)
    if workers == 1 or is_compiled(problem.fun):
        return on_threads(lambda lo, hi: solve(problem, batch.part(lo, hi)), N, workers)
    return in_processes(task, batch.part, N, workers)


class _Result:
    """Results of all members, as they come in."""

    def __init__(self, problem: Problem, batch: Batch, shared: bool) -> None:
        N, n = batch.y0.shape
        self._batch, self._shared, self._output = batch, shared, problem.output is not None
        shape = (0, 0, 0) if self._output else (N, n, batch.t_eval.shape[1])
        self._y = np.full(shape, np.nan, dtype=batch.y0.dtype)
        self._error = np.full(shape, np.nan)
        self._status, self._nfev = np.full(N, -1), np.zeros(N, dtype=np.int64)
        self._messages: list[str] = [STOPPED] * N
        self._sols: list[Any] | None = [None] * N if problem.dense else None
        self._kept: Any = None
        self._derivatives: list[Any] = []
        self._raised: list[Exception] = []
        self.done = 0

    def put(self, lo: int, hi: int, solved: Solved) -> None:
        """Those of some members."""
        part = slice(lo, hi)
        if self._output:
            if self._kept is None:
                self._kept = np.full((len(self._status), *solved.output.shape[1:]), np.nan, dtype=solved.output.dtype)
            self._kept[part] = solved.output
        else:
            self._y[part], self._error[part] = solved.y, solved.error
        self._status[part], self._nfev[part], self._messages[part] = solved.status, solved.nfev, solved.messages
        if self._sols is not None:
            self._sols[part] = solved.sols
        if solved.derivatives and not self._derivatives:
            N = len(self._status)
            self._derivatives = [np.full((N, *each.shape[1:]), np.nan) for each in solved.derivatives]
        for kept, values in zip(self._derivatives, solved.derivatives, strict=True):
            kept[part] = values
        self._raised += [exception for exception in solved.raised if exception is not None]
        self.done += hi - lo

    def whole(self) -> EnsembleResult:
        """The result; an exception, if all members have one."""
        if self._raised and len(self._raised) == len(self._status):
            raise self._raised[0]
        t = self._batch.t_eval[0] if self._shared else self._batch.t_eval
        return EnsembleResult(
            t=t.copy(), y=None if self._output else self._y, error=None if self._output else self._error,
            output=self._kept, success=self._status >= 0, status=self._status, message=self._messages, nfev=self._nfev,
            sol=self._sols,
            **dict(zip(_DERIVATIVES, self._derivatives, strict=False)),
        )  # fmt: skip
