"""`solve_ivp`: SciPy's signature and result, and a bound on the global error."""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import OdeSolver
from scipy.integrate import solve_ivp as scipy_solve_ivp
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arguments import SMALLEST_RTOL
from ..arrays import Number
from ..callback import checked as callback_checked
from ..trial.solution import Solution
from ..user.field import VectorField, WithArgs
from . import loop
from .agreement import Agreement
from .attempt import Attempt, Attempts
from .bound import Bound, Worst
from .events import checked_events
from .extension import NOT_MET, again, checked_t_eval, first_part
from .method import NeuralCollocation
from .result import IvpResult
from .shortcut import shortcut
from .task import Task
from .watch import Watch

__all__ = ["solve_ivp"]

# Solutions, each with tighter tolerances than the one before, until the estimated error is small enough. Not tuned.
_ATTEMPTS = 6
# A new attempt aims at this part of the tolerance, and tightens at least and at most by these factors. Not tuned.
_AIM = 0.1
_TIGHTEN_AT_MOST, _TIGHTEN_AT_LEAST = 1e-4, 0.1
# The third attempt whose error is not below this part of the best one is the last: where errors grow a million times
# one may be small, or large, by chance. Not tuned.
_PROGRESS, _MOST_IN_VAIN = 0.5, 3
# Windows per span where a first solution was seen to step over something. Not tuned.
_LOOKING_CLOSER = 100
# A window may be this much longer than growth allows. Not tuned.
_LONG_ENOUGH = 0.9
_SCIPY_METHODS = ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA")


def solve_ivp(
    fun: Callable[..., Any],
    t_span: Sequence[float],
    y0: ArrayLike,
    method: Any = NeuralCollocation,
    t_eval: ArrayLike | None = None,
    dense_output: bool = False,
    events: Any = None,
    vectorized: bool = False,
    args: tuple[Any, ...] | None = None,
    *,
    rtol: ArrayLike = 1e-3,
    atol: ArrayLike = 1e-6,
    first_step: float | None = None,
    max_step: float = math.inf,
    jac: Any = None,
    jac_sparsity: Any = None,
    callback: Callable[[OptimizeResult], Any] | None = None,
    progress: bool = False,
    breaks: ArrayLike | None = None,
    error_control: str = "global",
    **options: Any,
) -> Any:
    """Solve an initial value problem and say how large the error is.

    `scipy.integrate.solve_ivp` with another default method and two things more: the global error is estimated, and
    ``rtol`` and ``atol`` bound it, where SciPy's solvers bound the error of a step.

    Parameters
    ----------
    fun, t_span, y0, t_eval, events, vectorized, args
        As in `scipy.integrate.solve_ivp`. `t_span` may end at infinity only with an event that is terminal.
        A zero of an event is seen where the event changes its sign between two of 4 s points of a window, s the number
        of its functions: of two zeros closer than that, a 12th of a radian of what oscillates, none is seen. It is
        located on the solution, to rounding.
    method : OdeSolver or str
        `NeuralCollocation`; other methods of SciPy have no estimate and need ``error_control="local"``.
    dense_output : bool
        ``res.sol`` is always there with `NeuralCollocation`, so this only matters for other methods.
    error_control : {"global", "local"}
        "global": solve again with tighter tolerances until the estimated global error is at most
        ``atol + rtol abs(y)`` everywhere; if it cannot be, ``success`` is False. Where abs(y) is smaller than on both
        sides, as where y passes zero, the lower one of the two peaks counts. "local": solve once; the estimate is
        there, but does not decide on anything.
    rtol, atol, first_step, max_step, jac, jac_sparsity
        As in `scipy.integrate.Radau`.
    callback : callable, optional
        ``callback(intermediate_result)`` after each window, see `NeuralCollocation`. It may raise ``StopIteration``:
        the result ends with that window.
    breaks : array_like, optional
        Times at which `fun` has a kink or a jump, see `NeuralCollocation`.
    progress : bool
        Whether to show a bar, with `NeuralCollocation`. Needs tqdm (``pip install tqdm``).
    **options
        Others of the method.

    Returns
    -------
    res : IvpResult
        As from SciPy, with ``sol`` a `Solution` and ``error`` (n, len(t)), the estimated global error of ``y``. Without
        `t_eval`, ``t`` is so dense that straight lines stay within 1 % of each component's range.
        ``sol.error(t)`` gives it anywhere. ``nfev``, ``njev`` and ``nlu`` count everything, the estimate too.
        ``status`` is -2 where the estimate does not meet the tolerance, which the message puts into figures.
        ``res.extend(t_end)`` goes on, ``res.save(path)`` writes all of it to a file. (Other methods than
        `NeuralCollocation` return SciPy's own result.)

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit, and where `fun` returns something of the wrong shape or kind. What `fun` raises
        passes through. A numerical failure is no exception.

    Notes
    -----
    Where ``atol`` is zero, ``rtol`` refers to at least 1e-6 of the largest value of the component.

    The estimate is the difference to a second solution on the same windows with wider networks; it follows growth and
    decay of errors. It costs about half of a solution, or less. Windows that are long for their span are probed for
    what lies between their points, 256 probes per span, however short that is, and those beside jumps of `fun` in any
    case; what is narrower, a pulse in `fun` after a long quiet time or between two jumps, may be missed: set
    ``max_step``. Unlike SciPy's, ``res.sol`` gives NaN outside of the span, unless it is called with
    ``extrapolate=True``.

    References
    ----------
    Skeel, Thirteen ways to estimate global error, Numerische Mathematik 48, 1-20 (1986), for estimates by a solution
    of higher order.

    Examples
    --------
    >>> import sigmode as sm
    >>> res = sm.solve_ivp(lambda t, y: -y, (0, 5), [1.0], rtol=1e-8, atol=1e-10)
    >>> true = abs(res.y[0, -1] - 0.006737946999085467)
    >>> res.success, bool(true <= 1e-10 + 1e-8 * 0.0067), bool(res.error[0, -1] < 1e-10)
    (True, True, True)
    """
    arguments.function(fun, "fun", "t, y")
    t_span = _checked_span(t_span)
    y0 = _checked_y0(y0)
    t_eval = checked_t_eval(t_eval, t_span)
    if args is not None:
        args = _checked_args(args)
        fun = WithArgs(fun, args)
        jac = WithArgs(jac, args) if callable(jac) else jac
    functions = checked_events(events, args)
    chosen = ("first_step", first_step), ("jac", jac), ("jac_sparsity", jac_sparsity), ("breaks", breaks)
    for name, value in chosen:
        if value is not None:
            options[name] = value
    if math.isinf(t_span[1]) and y0.size and not any(math.isfinite(event.limit) for event in functions or ()):
        raise ValueError(f"`t_span` must be finite unless an event is terminal, got {t_span}.")
    arguments.choice(error_control, "error_control", ("global", "local"))
    if not (isinstance(method, type) and issubclass(method, NeuralCollocation)):
        _check_method(method)
        if error_control == "global":
            raise ValueError(
                f"`method` {method!r} is SciPy's, and has no estimate of its global error: leave `method` away (the "
                "default solves stiff problems, too), or have SciPy's own result by error_control='local'."
            )
        if progress:
            arguments.no_effect(["progress"])
        if callback is not None:
            options["callback"] = callback
        given = {"rtol": (rtol, 1e-3), "atol": (atol, 1e-6), "max_step": (max_step, math.inf)}
        options |= {name: value for name, (value, default) in given.items() if np.ndim(value) or value != default}
        res = scipy_solve_ivp(fun, t_span, y0, method, t_eval, dense_output, functions, vectorized, **options)
        res.error = np.full(np.shape(res.y), np.nan)
        return res
    options = _known(method, options)
    options["vectorized"] = vectorized
    tolerances = arguments.tolerances(rtol, atol, y0.size)
    watching = (callback_checked(callback), progress) if callback is not None or progress else ()
    controlled = error_control == "global"
    task = Task(method, fun, t_span, y0, t_eval, functions, *tolerances, controlled, max_step, options, *watching)
    return first_part(task, _solved)


def _solved(task: Task, carried: Number | None = None) -> tuple[IvpResult, Number]:
    """The result of a task, and its `gap`; carried : that of the solution that is continued."""
    if task.callback is not None or task.progress:
        with contextlib.closing(Watch(task.callback, task.progress, task.t_span)) as watch:
            res = _solve(_attempts(task, carried, watch), task)
    elif task.method is not NeuralCollocation or carried is not None:
        res = _solve(_attempts(task, carried), task)
    else:
        res = _solve(shortcut(functools.partial(_attempt, task), task), task)
    return res, res.pop("gap")


def _attempt(task: Task, *given: Any, **tolerances: Any) -> Attempt:
    """One of `_attempts`, which are made only where something faster leaves it to them."""
    return _attempts(task, None)(*given, **tolerances)


def _attempts(task: Task, carried: Number | None, watch: Watch | None = None) -> Attempts:
    """Attempts by the loop over windows."""

    def run(longest: float, **tolerances: Any) -> tuple[Any, Solution, VectorField]:
        longest = min(task.max_step, longest) if math.isfinite(longest) else task.max_step
        options = {"max_step": longest, **tolerances, **task.options, "callback": watch}
        return loop.solve(task.method, task.fun, task.t_span, task.y0, task.t_eval, task.events, options)

    return Attempts(run, Bound(task.y0, task.rtol, task.atol, carried), watch)


IvpResult._again = staticmethod(functools.partial(again, _solved))


def _solve(attempt: Callable[..., Attempt], task: Task) -> IvpResult:
    """Solve; where the estimate does not meet the tolerance, solve again."""
    tried = attempt(1.0, math.inf, 1, rtol=task.rtol, atol=task.atol)
    res, missed = tried.res, None
    met = tried.worst.ratio <= 1.0 and tried.longest == math.inf and res["status"] >= 0
    if met and task.controlled and not tried.stopped:
        missed, calls = tried.missed()
        res["nfev"] += calls
    if missed is not False:
        res = _solved_again(attempt, task, tried, missed)
    return res if isinstance(res, IvpResult) else IvpResult(res)


def _solved_again(attempt: Callable[..., Attempt], task: Task, tried: Attempt, missed: bool | None) -> Any:
    """Tighten until the estimate meets the tolerance; else the best that was reached.

    tried : the first attempt; missed : whether f does something that it has missed, None if nobody has looked.
    """
    rtol, atol, controlled, factor, longest = task.rtol, task.atol, task.controlled, 1.0, math.inf
    best: Any = None
    worst = Worst(math.inf, 0.0, 0)
    nfev = njev = nlu = in_vain = 0
    noise: str | None = None  # of the best
    agreement = Agreement(rtol, atol)
    for number in range(1, _ATTEMPTS + 1):
        if number > 1:
            tightened = np.maximum(factor * rtol, SMALLEST_RTOL) if factor != 1.0 else rtol
            tried, missed = attempt(factor, longest, number, rtol=tightened, atol=factor * atol), None
        res, now = tried.res, agreement.judged(tried, in_vain > 0)
        nfev, njev, nlu = nfev + res["nfev"], njev + res["njev"], nlu + res["nlu"]
        if tried.stopped:
            best, worst = res, now
            break
        in_vain = 0 if now.ratio < _PROGRESS * worst.ratio else in_vain + 1
        if best is None or (res["status"] >= 0 and now.ratio < worst.ratio):
            best, worst, noise = res, now, tried.noise
        if not controlled or res["status"] < 0:
            break
        if tried.longest < _LONG_ENOUGH * longest:  # what grows so fast within a window was damped
            longest = tried.longest
            best, worst = res, Worst(math.inf, now.t, now.component)
            continue
        if now.ratio <= 1.0:
            if missed is None:
                missed, calls = tried.missed() if longest == math.inf else (False, 0)
                nfev += calls
            if not missed:
                break
            longest = abs(res.sol.x[-1] - res.sol.x[0]) / _LOOKING_CLOSER  # the same again, looking closer
            best, worst = None, Worst(math.inf, 0.0, 0)
            continue
        if tried.noise or in_vain == _MOST_IN_VAIN or (factor * rtol <= SMALLEST_RTOL).any():
            break  # noise, rounding, or an error that the tolerance does not govern
        agreement.add(tried)
        factor *= min(_TIGHTEN_AT_LEAST, max(_TIGHTEN_AT_MOST, _AIM / max(tried.worst.ratio, 1.0)))
        factor = max(factor, SMALLEST_RTOL / max(float(np.min(rtol)), SMALLEST_RTOL))
    best["nfev"], best["njev"], best["nlu"] = nfev, njev, nlu
    if controlled and best["status"] >= 0 and not worst.ratio <= 1.0:
        best.status, best.success = NOT_MET, False
        best.message = (
            f"{noise} The tolerance cannot be met: loosen it, `atol` above all." if noise else _message(worst)
        )
    if noise and not controlled:
        arguments.warn(f"{noise} The solution is no better than that, whatever the tolerances.")
    return best


def _message(worst: Worst) -> str:
    if math.isinf(worst.ratio):
        return (
            f"The global error could not be estimated beyond t = {worst.t:.6g}: errors grow too fast, or `fun` is not "
            "smooth there. Shorten the span, tighten the tolerances, or give `breaks`."
        )
    message = (
        f"The estimated global error is {worst.ratio:.2g} times the tolerance atol + rtol |y| at t = {worst.t:.6g}, "
        f"component {worst.component}, and it could not be made smaller. "
    )
    if worst.at_zero:
        return message + "There y is so small that `atol` alone counts: raise it, or shorten the span."
    return message + "Loosen the tolerances or shorten the span."


def _checked_args(args: Any) -> tuple[Any, ...]:
    try:
        return tuple(args)
    except TypeError:
        raise TypeError(
            f"Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=({args},)`)"
        ) from None


def _check_method(method: Any) -> None:
    if method in _SCIPY_METHODS or (isinstance(method, type) and issubclass(method, OdeSolver)):
        return
    raise ValueError(
        f"`method` must be an OdeSolver class (leave it away for NeuralCollocation) or, with error_control='local', "
        f"one of {_SCIPY_METHODS}, got {method!r}."
    )


@functools.cache
def _parameters(method: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(method).parameters)


def _known(method: type, options: dict[str, Any]) -> dict[str, Any]:
    """The options that the method has; for the others one warning, however often it will be called."""
    unknown = [name for name in options if name not in _parameters(method)] if options else ()
    if unknown and method is NeuralCollocation:
        arguments.no_effect(unknown, _parameters(method) | _parameters(solve_ivp))
        options = {name: value for name, value in options.items() if name not in unknown}
    return options


def _checked_span(t_span: Any) -> tuple[float, float]:
    span = arguments.span(t_span, "t_span", "(t0, tf)")
    if math.isinf(span[0]):
        raise ValueError(f"`t_span` must be finite, got {t_span!r}.")
    return span


def _checked_y0(y0: ArrayLike) -> Number:
    array = arguments.numbers(y0, "y0", "(n,)")
    arguments.one_dimensional(array, "y0")
    arguments.finite(array, "the initial state `y0`")
    return array
