"""Quick attempts with an f that Numba has compiled: the march is one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Index, Real
from ..compiled import control as c
from ..compiled.alone import ALONE_PARTS, solve_alone
from ..compiled.begin import begin
from ..compiled.functions import Called
from ..compiled.whole import ASK_PYTHON, unknown
from ..user.field import VectorField
from .attempt import Attempt
from .march import March, why_it_ended
from .quick import Ended, Quick, Seen, Windows, all_windows
from .setting import ABSOLUTE_FLOOR, march_weights
from .tables import Wanted, addresses_of, bases_of
from .task import Task

__all__ = ["QuickCompiled"]

_NO_BREAKS = np.empty(0)
_TO_THE_END = Ended(None, 0, 0, 0)


class QuickCompiled(Quick):
    """See `Quick`."""

    def __init__(self, otherwise: Callable[..., Attempt], task: Task, called: Called) -> None:
        super().__init__(otherwise, task)
        self._called = called

    def _found(self, want: Wanted, rtol: Real, atol: Real, seen: Seen) -> tuple[Ended, Any] | None:
        words, task = self._called.words(), self._task
        if words is None:
            return None
        code = self._called.address, words
        found = solve_alone(
            addresses_of(ALONE_PARTS), *code, *task.t_span, task.y0, want.words, want.tables, *seen
        )  # fmt: skip
        asked, bad = found[0][0], found[0][-1]
        if asked == c.ACCEPTED:
            return _TO_THE_END, found
        if asked != ASK_PYTHON:
            why = why_it_ended(asked, found[1][2], found[1][3], bad, self._most)
            return Ended(why, 0, 0, 0), found
        march = self._with_looks(code, want, rtol, atol)
        return march and (march[0], self._finished(code, want, *march, unknown(), seen))

    def _with_looks(
        self, code: tuple[int, Index], want: Wanted, rtol: Real, atol: Real
    ) -> tuple[Ended, Windows] | None:
        """The march once more, with Python looking at kinks; None where f cannot be called."""
        fun, (t0, bound), y0 = self._task[1:4]
        field = VectorField(fun, y0.size, y0.dtype, False, said=True)
        weights = march_weights(rtol, atol, field.n)
        f, longest = np.empty(field.n), want.setting.max_step
        h_abs, field.nfev = begin(*code, t0, bound, longest, ABSOLUTE_FLOOR, y0, f, weights[2], want.s)
        if h_abs < 0.0:
            return None
        h_abs = self._first or h_abs
        march = March(bases_of(want.s).own, field, weights, (t0, bound), y0, f, longest, self._most, h_abs, _NO_BREAKS)
        ended, windows = all_windows(march, field)
        return (ended, windows) if len(windows.places) else None
