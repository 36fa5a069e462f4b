"""A solution with its estimate where nobody looks on: the march, and one compiled call for all that is made of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import arguments
from ..arguments import SMALLEST_RTOL
from ..arrays import Index, Real
from ..compiled.alone import ALONE_PARTS, Counts, Networks, finish_alone
from ..compiled.whole import ASK_PYTHON, Setting
from ..trial.network import Network
from ..trial.solution import Solution
from ..user.field import VectorField
from . import error
from .attempt import Attempt
from .bound import Worst
from .events import Events
from .loop import ENDED_BY_EVENT, FINISHED
from .march import March
from .result import IvpResult
from .setting import MAX_WINDOWS, checked_first_step, checked_max_windows
from .tables import Wanted, addresses_of, wanted
from .task import Task

__all__ = ["Ended", "Quick", "Seen", "Windows", "all_windows", "used_atol"]

# Windows that there is room for at first where the march may stop to ask Python, four times as many the next time. Not
# tuned.
_ROOM, _MORE_ROOM = 64, 4
_NOTHING = np.empty(0)
_TINY = float(np.finfo(float).tiny)


class Ended(NamedTuple):
    """Why a march ended early, or None; calls of f, df/dy, and matrices that are not counted elsewhere.

    noise : a sentence about that of f, or None; events : what was found of them; at : where a terminal one ended the
    march, in its last window, or None
    """

    why: str | None
    nfev: int
    njev: int
    nlu: int
    noise: str | None = None
    events: Events | None = None
    at: float | None = None


class Windows(NamedTuple):
    """The windows of a march, see `compiled.march.advance`."""

    places: Real
    values: Real
    slopes: Real


class Seen(NamedTuple):
    """Whether f is to be looked at between the nodes; times at which the solution is, or `everywhere`."""

    probe: bool
    t_eval: Real
    everywhere: bool


class Quick:
    """Attempts at a real problem that nobody looks on at."""

    # Whose addresses `finish_alone` is given.
    _parts: tuple[Any, ...] = ALONE_PARTS

    def __init__(self, otherwise: Callable[..., Attempt], task: Task) -> None:
        """otherwise : the attempts that all is left to where this cannot go on."""
        self._otherwise, self._task, options = otherwise, task, task.options
        unlimited = task.max_step == math.inf
        self._longest = math.inf if unlimited else arguments.positive(task.max_step, "max_step", infinite=True)
        first_step = options.get("first_step")
        self._first = 0.0 if first_step is None else checked_first_step(first_step, *task.t_span)
        self._most = checked_max_windows(options["max_windows"]) if "max_windows" in options else MAX_WINDOWS

    def _found(self, want: Wanted, rtol: Real, atol: Real, seen: Seen) -> tuple[Ended, Any] | None:
        """How the march ended, and what `solve_alone` returns; None where this is not enough.

        rtol, atol : of the march.
        """
        raise NotImplementedError

    def _finished(
        self, code: tuple[int, Index], want: Wanted, ended: Ended, windows: Windows, known: Any, seen: Seen
    ) -> Any:
        """The same of a march that is known; known : of the second one, see `whole.finish`."""
        (address, words), (places, values, slopes), (probe, t_eval, everywhere) = code, windows, seen
        return finish_alone(
            addresses_of(self._parts), address, words, places, values, slopes, want.words, want.tables,
            probe and ended.why is None, t_eval, everywhere, known,
        )  # fmt: skip

    def _field_of(self, y: Real) -> VectorField:
        """f, at points like y (., n)."""
        return VectorField(self._task.fun, y.shape[1], y.dtype, False, said=True)

    def __call__(self, factor: float, longest: float, number: int, rtol: Real, atol: Real) -> Attempt:
        """See `Attempts`."""
        found = self._attempt(factor, longest, rtol, atol)
        return self._otherwise(factor, longest, number, rtol=rtol, atol=atol) if found is None else found

    def _attempt(self, factor: float, longest: float, rtol: Real, atol: Real) -> Attempt | None:
        task = self._task
        n, everywhere = task.y0.size, task.t_eval is None
        want = wanted(
            task.rtol, task.atol, n, factor, task.controlled, self._first, min(self._longest, longest), self._most
        )
        seen = Seen(math.isinf(longest), _NOTHING if task.t_eval is None else task.t_eval, everywhere)
        found = self._found(want, rtol, atol, seen)
        if found is None or found[1][0][0] == ASK_PYTHON:
            return None
        ended, (in_order, (ratio, at, _, _), vector) = found
        counts = Counts(*in_order)
        networks = Networks.of(vector, counts, n, want.s)
        growing = self._growing(want, networks) if counts.looked else 0.0
        missed = lambda: (bool(counts.missed), 0)
        if counts.looked and not growing:  # an error of df/dy: f was not looked at between the nodes
            missed = lambda: self._misses_something(want.setting, res.sol)
        why = ended.why
        res = IvpResult(  # its fields in the order of SciPy's
            nfev=ended.nfev + counts.nfev, njev=ended.njev + counts.njev, nlu=ended.nlu + counts.nlu,
            success=not why, status=-1 if why else 0, message=why or FINISHED, t_events=None, y_events=None,
            t=networks.t, y=networks.at_t, sol=_solution(networks, want.s), error=networks.off, gap=networks.gap,
        )  # fmt: skip
        if ended.events:
            res.t_events, res.y_events = ended.events.arrays()
        if ended.events and ended.at is not None:
            if not ratio <= 1.0:  # perhaps behind the event
                return None
            _end_at(res, ended.at)
            if everywhere:
                res.y[:, -1] = ended.events.y_end
        return Attempt(
            res, Worst(ratio, at, counts.component, bool(counts.alone)),
            error.FOLLOWED * want.s / growing if growing else math.inf, missed, ended.noise,
        )  # fmt: skip

    def _misses_something(self, setting: Setting, solution: Solution) -> tuple[bool, int]:
        """See `Attempt.missed`."""
        field = self._field_of(solution.y)
        before = field.nfev
        missed = error.unseen(solution, field, used_atol(setting, solution.y), setting.rtol) is not None
        return missed, field.nfev - before

    def _growing(self, want: Wanted, found: Networks) -> float:
        """The fastest growth of errors that is too fast to be followed, or zero."""
        field, setting = self._field_of(found.y), want.setting
        least = error.followed(found.h, want.s)
        small = np.where(setting.atol > 0.0, setting.atol / np.maximum(setting.rtol, SMALLEST_RTOL), 0.0)
        return error.fastest_growth(field, small, (found.x[:-1], found.y, found.h), found.df_dy, least)


def used_atol(setting: Setting, y: Real) -> Real:
    """The `atol` that errors are measured by, given y (K, n) where windows start."""
    floor = setting.relative_floor * setting.rtol * abs(y).max(axis=0)
    return np.where(setting.atol > 0.0, setting.atol, floor) + _TINY


@functools.lru_cache(maxsize=64)
def _network(n: int, units: int) -> Network:
    return Network(n, units, output_bias=True)


def _solution(found: Networks, s: int) -> Solution:
    network = _network(found.y.shape[1], s - 1)
    return Solution(found.x, found.y, found.theta, network, found.error_x, found.error, found.h)


def _end_at(res: IvpResult, at: float) -> None:
    """Cut a result off at a terminal event."""
    res.status, res.message = 1, ENDED_BY_EVENT
    res.sol.x[-1] = at
    inside = (res.t - at) * (1.0 if res.sol.h[0] > 0.0 else -1.0) <= 0.0
    res.t, res.y, res.error = res.t[inside], res.y[:, inside], res.error[:, inside]


def all_windows(march: March, field: VectorField) -> tuple[Ended, Windows]:
    """Those up to the end of a march in compiled code that asks Python for kinks."""
    parts: list[tuple[Real, Real, Real]] = []
    why, room = None, _ROOM
    while why is None and march.t != march.bound:
        part, stopped = march.stacked(room if march.noise is None else 1)
        if isinstance(stopped, Exception):
            raise stopped
        parts.append(part)
        why = stopped
        if len(part[0]) == room:  # and not a kink, at which Python has a look
            room *= _MORE_ROOM
    places, values, slopes = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    ended = Ended(why, field.nfev, field.njev, march.nlu, march.noise_message)
    return ended, Windows(places, values, slopes)
