"""Quick attempts with an f that Numba has compiled: the march is one compiled call."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Index, Real
from ..compiled import control as c
from ..compiled.begin import begin
from ..compiled.functions import Called
from ..compiled.whole import MARCH_PARTS, Setting, march_through, unknown
from ..user.field import VectorField
from .attempt import Attempt
from .march import March, why_it_ended
from .quick import Problem, Quick, Second, Windows, all_windows
from .setting import ABSOLUTE_FLOOR, march_weights
from .tables import addresses_of, bases_of, tables_of

__all__ = ["QuickCompiled"]

_NO_BREAKS = np.empty(0)


class QuickCompiled(Quick):
    """See `Quick`."""

    def __init__(self, otherwise: Callable[..., Attempt], problem: Problem, called: Called) -> None:
        super().__init__(otherwise, problem)
        self._called = called

    def _code(self) -> tuple[int, Index] | None:
        words = self._called.words()
        return None if words is None else (self._called.address, words)

    def _second_march(self, windows: Windows, s: int, setting: Setting) -> Second:
        return Second(unknown(), 0, 0, 0)

    def _windows(self, code: tuple[int, Index], s: int, setting: Setting, rtol: Real, atol: Real) -> Windows | None:
        problem = self._problem
        asked, numbers, counts, places, values, slopes = march_through(
            addresses_of(MARCH_PARTS), *code, *problem.t_span, problem.y0, setting, tables_of(s)
        )
        if asked == c.ACCEPTED:
            why = None
        elif asked in (c.TOO_SMALL, c.LIMIT, c.STUCK, c.NOT_FINITE):
            t, bad_t = numbers[[c.T, c.BAD_T]].tolist()
            why = why_it_ended(asked, t, bad_t, int(counts[c.BAD]), self._most)
        else:
            return self._with_looks(code, s, setting.max_step, rtol, atol)
        nfev, njev, nlu = counts[[c.NFEV, c.NJEV, c.NLU]].tolist()
        return Windows(places, values, slopes, why, nfev, njev, nlu)

    def _with_looks(self, code: tuple[int, Index], s: int, longest: float, rtol: Real, atol: Real) -> Windows | None:
        """The march once more, with Python looking at kinks; None where f cannot be called."""
        fun, (t0, bound), y0 = self._problem[:3]
        field = VectorField(fun, y0.size, y0.dtype, False, said=True)
        weights = march_weights(rtol, atol, field.n)
        f = np.empty(field.n)
        h_abs, field.nfev = begin(*code, t0, bound, longest, ABSOLUTE_FLOOR, y0, f, weights[2], s)
        if h_abs < 0.0:
            return None
        h_abs = self._first or h_abs
        march = March(bases_of(s).own, field, weights, (t0, bound), y0, f, longest, self._most, h_abs, _NO_BREAKS)
        return all_windows(march, field)
