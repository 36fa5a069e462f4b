"""Quick attempts with an f of Python: the march is one compiled call that asks Python for f alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Real
from ..compiled.alone import ALONE_PARTS, Counts
from ..compiled.judge import judge
from ..compiled.python import Asked
from ..compiled.report import beside, report
from ..compiled.whole import Setting, finish
from ..trial.basis import Basis
from ..user.field import VectorField
from . import error
from .attempt import Attempt
from .events import Events
from .first import first_length
from .march import Accepted, March
from .noise import down_to_noise
from .quick import Ended, Quick, Seen, Windows, all_windows, used_atol
from .setting import checked_breaks, march_weights
from .solved import SolvedWindow
from .tables import Wanted, bases_of
from .task import Task
from .times import cut, parts_of

__all__ = ["QuickPlain"]

_NJEV = Counts._fields.index("njev")


class Second(NamedTuple):
    """Calls of f, of df/dy, and matrices of the second march."""

    nfev: int
    njev: int
    nlu: int


class QuickPlain(Quick):
    """See `Quick`."""

    # What marches is not needed: it takes long to compile.
    _parts = tuple(part if part in (finish, beside, judge, report) else None for part in ALONE_PARTS)

    def __init__(self, otherwise: Callable[..., Attempt], task: Task, field: VectorField) -> None:
        super().__init__(otherwise, task)
        self._field = field
        self._asked = Asked(field.nodes, field.n)
        (t0, bound), breaks = task.t_span, task.options.get("breaks")
        self._breaks = checked_breaks(breaks, bound - t0)

    def _field_of(self, y: Real) -> VectorField:
        return self._field

    def _found(self, want: Wanted, rtol: Real, atol: Real, seen: Seen) -> tuple[Ended, Any] | None:
        found = self._found_once(want, rtol, atol, seen)
        if self._asked.failed:
            raise self._asked.failed.pop()
        if self._field.was_wrong:  # f has been called in a wrong way
            self._field.was_wrong = False
            return self._found(want, rtol, atol, seen)
        return found

    def _found_once(self, want: Wanted, rtol: Real, atol: Real, seen: Seen) -> tuple[Ended, Any] | None:
        ended, windows = self._march(want, rtol, atol)
        if not len(windows.places):
            return None
        if ended.events and ended.at is not None and seen.everywhere:
            times = _times(windows, ended.at, ended.events.y_end, bases_of(want.s).own, want.setting)
            seen = Seen(seen.probe, times, False)
        second, known = self._second_march(windows, want.s, want.setting)
        code = self._asked.address, self._asked.words
        counts, *rest = self._finished(code, want, ended, windows, known, seen)
        if second.njev:  # counted already
            counts = (*counts[:_NJEV], 0, *counts[_NJEV + 1 :])
        ended = ended._replace(
            nfev=ended.nfev + second.nfev, njev=ended.njev + second.njev, nlu=ended.nlu + second.nlu
        )  # fmt: skip
        return ended, (counts, *rest)

    def _march(self, want: Wanted, rtol: Real, atol: Real) -> tuple[Ended, Windows]:
        field, task = self._field, self._task
        field.nfev = field.njev = 0
        field.compare_anew()
        field.precision.begin_anew()
        t0, bound = task.t_span
        weights = march_weights(rtol, atol, field.n)
        max_step = want.setting.max_step
        longest = min(max_step, abs(bound - t0))
        f = field(t0, task.y0)
        h_abs = self._first or first_length(field, (t0, task.y0, f), bound, longest, want.s, weights[2])
        march = March(
            bases_of(want.s).own, field, weights, (t0, bound), task.y0, f, max_step, self._most, h_abs,
            self._breaks,
        )  # fmt: skip
        if task.events is None:
            return all_windows(march, field)
        return _up_to_an_event(march, field, Events(task.events, t0, task.y0))

    def _second_march(self, windows: Windows, s: int, setting: Setting) -> tuple[Second, Any]:
        """What it took, and what `finish` is to know of it."""
        field, bases = self._field, bases_of(s)
        K, _, n = windows.slopes.shape
        wide = bases.wider
        V, bias, u, y = np.empty((K, n, s - 1)), np.empty((K, n)), np.empty((K, wide.s, n)), np.empty((K, n))
        start, end, h = np.empty((3, K))
        beside(*windows, *bases.own.of_output, bases.transposed, V, bias, u, start, end, h, y)
        solved_to = (
            setting.solved_to * used_atol(setting, y),
            np.maximum(setting.solved_to * setting.rtol, setting.rounding),
        )
        solved_to = down_to_noise(solved_to, field, u, y)
        given = field, wide, (start, end, h, y), u, y[0], solved_to, setting.second_small
        before = field.nfev, field.njev
        with np.errstate(all="ignore"):
            found = error.at_once(*given) if field.at_once else None
            found = found or error.one_by_one(*given)
        df_dy = np.zeros((K, n, n))
        for k, matrix in enumerate(found.df_dy):
            df_dy[k] = matrix if matrix is not None else df_dy[k - 1]
        known = found.t, found.z, found.left, df_dy, found.done
        return Second(field.nfev - before[0], field.njev - before[1], found.nlu), known


def _up_to_an_event(march: March, field: VectorField, events: Events) -> tuple[Ended, Windows]:
    """The windows up to the one in which a terminal event is, or to the end: f is not called behind that."""
    parts: list[tuple[Real, Real, Real]] = []
    why = at = None
    while why is None and at is None and march.t != march.bound:
        part, stopped = march.stacked(1)
        if isinstance(stopped, Exception):
            raise stopped
        why = stopped
        for place, (y_start, y, y_end), K in zip(part[0].tolist(), *part[1:], strict=True):
            window = SolvedWindow(Accepted(place[0], place[1], place[2], y_start, y, y_end, K), march.basis)
            at = events.look(window, window.end)
        parts.append(part)
    places, values, slopes = map(np.concatenate, zip(*parts, strict=True))
    counts = field.nfev, field.njev, march.nlu
    ended = Ended(None if at is not None else why, *counts, march.noise_message, events, at)
    return ended, Windows(places, values, slopes)


def _times(windows: Windows, at: float, y_end: Real, basis: Basis, setting: Setting) -> Real:
    """The times of a march that an event ended."""
    places, values, slopes = windows
    x = np.append(places[:, 0], at)
    tolerance = setting.atol, setting.rtol
    return cut(x, parts_of(x, places[:, 1], values[:, 0], slopes, y_end, basis, tolerance))
