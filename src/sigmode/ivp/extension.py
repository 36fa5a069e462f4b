"""Results that go on: a solution, the one that continues it, and both as one."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..arrays import Number, Real
from ..html import counted
from ..trial.archive import holds
from ..trial.network import Network
from ..trial.solution import Solution
from ..user.field import WithArgs
from .error import ROUNDING
from .events import Event, checked_events
from .method import STOPPED, NeuralCollocation
from .result import IvpResult, may_go_on
from .task import Task

__all__ = ["NOT_MET", "again", "checked_t_eval", "first_part"]

# What is added to SciPy's statuses: the estimate does not meet the tolerance.
NOT_MET = -2
_FEW = 16  # times that are looked at faster as a list. Not tuned.
_CARRIED = " The error of the first part is in it: where that has grown too large, solve the whole span at once."


Solve = Callable[..., tuple[IvpResult, Number]]


def first_part(task: Task, solve: Solve) -> IvpResult:
    """The result of a task that can be extended; solve(task, carried) : the result, and its `gap`."""
    res, gap = solve(task)
    return may_go_on(res, Further(task, solve, gap))


class Further(NamedTuple):
    """What continues a result: its task, how tasks are solved, and the gap at its end."""

    task: Task
    solve: Solve
    gap: Number

    def __call__(self, first: IvpResult, t_end: Any, t_eval: ArrayLike | None) -> IvpResult:
        """The result continued to t_end."""
        task, solve, gap = self
        _check_that_it_goes_on(task, gap, first)
        start = first.sol.span[1]
        end = _checked_end(t_end, start, task)
        second_task = task._replace(
            t_span=(start, end),
            y0=first.sol(start),
            t_eval=checked_t_eval(t_eval, (start, end)),
            events=_left(task.events, first.t_events),
            options={name: value for name, value in task.options.items() if name != "first_step"},
        )
        second, gap = solve(second_task, _outward(gap, second_task.y0))
        return may_go_on(_joined(first, second), Further(task._replace(t_span=(task.t_span[0], end)), solve, gap))

    def aside(self) -> dict[str, Any] | None:
        """The same without functions, for files; None where the method is not ours."""
        task = self.task
        if task.method is not NeuralCollocation:
            return None
        args = task.fun.args if isinstance(task.fun, WithArgs) else None
        return {
            "t_span": task.t_span,
            "rtol": task.rtol,
            "atol": task.atol,
            "controlled": task.controlled,
            "max_step": task.max_step,
            "options": {name: value for name, value in task.options.items() if holds(value)},
            "gap": self.gap,
            "args": {"given": args} if holds(args) else {},
        }


def again(solve: Solve, aside: dict[str, Any], first: IvpResult, fun: Any, args: Any, jac: Any, events: Any) -> Further:
    """What continues a result that has left its functions behind, with functions given again."""
    arguments.function(fun, "fun", "t, y")
    if args is None:
        if "given" not in aside["args"]:
            raise ValueError("`args` are missing: files hold numbers, texts and arrays, and there was something else.")
        args = aside["args"]["given"]
    elif not isinstance(args, tuple):
        raise arguments.no_tuple(args)
    functions, before = checked_events(events, args), first.t_events
    count = 0 if before is None else len(before)
    if len(functions or ()) != count:
        raise ValueError(
            f"`events` must be those from before, {counted(count, 'function')}, got {len(functions or ())}."
        )
    options = dict(aside["options"])
    if jac is not None:
        options["jac"] = WithArgs(jac, args) if callable(jac) and args is not None else jac
    task = Task(
        NeuralCollocation, fun if args is None else WithArgs(fun, args), aside["t_span"], first.sol(first.sol.span[0]),
        None, functions, aside["rtol"], aside["atol"], aside["controlled"], aside["max_step"], options,
    )  # fmt: skip
    return Further(task, solve, aside["gap"])


def _check_that_it_goes_on(task: Task, gap: Number, first: IvpResult) -> None:
    at = f"The solution ended at t = {first.sol.span[1]:.6g}"
    if first.message == STOPPED:
        pass
    elif first.status == -1:
        raise ValueError(f"{at} by a failure, from where there is no going on: {first.message}")
    elif first.status == 1 or first.sol.span[1] != task.t_span[1]:
        raise ValueError(f"{at} by a terminal event: what comes after it is a new problem, for `solve_ivp`.")
    if not np.isfinite(gap).all():
        raise ValueError(f"{at} without an estimate of its error, which cannot be carried on: {first.message}")


def _checked_end(t_end: Any, start: float, task: Task) -> float:
    end = arguments.number(t_end, "t_end")
    direction = np.sign(task.t_span[1] - task.t_span[0]) or np.sign(end - start)
    if not direction * (end - start) > 0.0:
        raise ValueError(f"`t_end` must lie beyond the end of the solution, t = {start}, got {end}.")
    if math.isinf(end) and not any(math.isfinite(event.limit) for event in task.events or ()):
        raise ValueError(f"`t_end` must be finite unless an event is terminal, got {end}.")
    return end


def checked_t_eval(t_eval: ArrayLike | None, t_span: tuple[float, float]) -> Real | None:
    """Times within the span, in its order."""
    if t_eval is None:
        return None
    array = arguments.numbers(t_eval, "t_eval", "(m,)", real=True)
    arguments.one_dimensional(array, "t_eval")
    if array.size == 0:
        return array
    low, high = t_span if t_span[1] >= t_span[0] else t_span[::-1]
    times = array if t_span[1] >= t_span[0] else array[::-1]
    if array.size <= _FEW:  # a fourth of the time
        listed = times.tolist()
        fit = low <= listed[0] and listed[-1] <= high and all(map(operator.lt, listed, listed[1:]))
    else:
        fit = bool(low <= times[0] and times[-1] <= high and (times[:-1] < times[1:]).all())
    if not fit:  # NaN, too
        arguments.times_within(array[None], np.array([t_span]))
    return array


def _left(events: list[Event] | None, found: list[Real] | None) -> list[Event] | None:
    """The events, each with the number of zeros that it still may have."""
    if events is None or found is None:
        return events
    own = [copy.copy(event) for event in events]
    for event, times in zip(own, found, strict=True):
        event.limit -= len(times)
    return own


def _outward(gap: Number, y: Number) -> Number:
    """The gap, larger by the rounding of y: where errors grow, that counts as they do."""
    size = abs(gap)
    direction = np.divide(gap, size, out=np.ones_like(gap), where=size > 0.0)
    return np.asarray(gap + ROUNDING * abs(y) * direction)


def _joined(first: IvpResult, second: IvpResult) -> IvpResult:
    """One result of both."""
    whole = IvpResult(second)
    start = first.sol.span[1]
    skip = int(bool(first.t.size and second.t.size and first.t[-1] == second.t[0]))
    whole.t = np.concatenate([first.t, second.t[skip:]])
    whole.y = np.concatenate([first.y, second.y[:, skip:]], axis=1)
    whole.sol = _one_solution(first.sol, second.sol)
    whole.error = whole.sol.error(whole.t)
    for name in ("nfev", "njev", "nlu"):
        whole[name] = first[name] + second[name]
    if first.t_events is not None:
        for k, (before, after) in enumerate(zip(first.t_events, second.t_events, strict=True)):
            again = int(bool(before.size and after.size and before[-1] == after[0] == start))  # at the border
            whole.t_events[k] = np.concatenate([before, after[again:]])
            values = [each for each in (first.y_events[k], second.y_events[k][again:]) if len(each)]
            whole.y_events[k] = np.concatenate(values) if values else first.y_events[k]
    if second.status == NOT_MET:
        whole.message += _CARRIED
    elif first.status == NOT_MET and second.status >= 0:
        whole.status, whole.success, whole.message = first.status, False, first.message
    return whole


def _one_solution(first: Solution, second: Solution) -> Solution:
    """The windows of both, with all hidden units that either has."""
    if first.x[0] == first.x[-1] or second.x[0] == second.x[-1]:
        return second if first.x[0] == first.x[-1] else first
    theta, network = _one_network(first, second)
    error_x = error_y = None
    if first.error_x is not None and first.error_y is not None and second.error_x is not None:
        assert second.error_y is not None
        both = np.maximum(first.error_y[:, -1:], second.error_y[:, :1])
        error_x = np.concatenate([first.error_x, second.error_x[1:]])
        error_y = np.concatenate([first.error_y[:, :-1], both, second.error_y[:, 1:]], axis=1)
    x = np.concatenate([first.x, second.x[1:]])
    y, h = np.concatenate([first.y, second.y]), np.concatenate([first.h, second.h])
    return Solution(x, y, theta, network, error_x, error_y, h)


def _one_network(first: Solution, second: Solution) -> tuple[Number, Network]:
    """Parameters (K, .) of the windows of two marches: units of the other one have output weights of zero."""
    units, places = [], []
    for sol in (first, second):
        w, b, _, _ = sol.network.split(sol.theta[0])
        own = list(zip(w.tolist(), b.tolist(), strict=True))
        units += [unit for unit in own if unit not in units]
        places.append([units.index(unit) for unit in own])
    n = first.n
    rows = []
    for sol, at in zip((first, second), places, strict=True):
        V = np.zeros((len(sol.theta), n, len(units)), dtype=sol.theta.dtype)
        split = 2 * len(at)
        V[:, :, at] = sol.theta[:, split : split + n * len(at)].reshape(V[:, :, at].shape)
        hidden = np.broadcast_to(np.transpose(units).ravel(), (len(V), 2 * len(units)))
        rows.append(np.hstack([hidden, V.reshape(len(V), -1), sol.theta[:, split + n * len(at) :]]))
    return np.concatenate(rows), Network(n, len(units), output_bias=True)
