"""The compiled march seen from Python: its memory, and the answers to what it asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from ..arrays import Number, Real
from ..compiled import march as m
from ..trial.basis import Basis
from ..user.field import VectorField
from .window import ManySystems, one_system

__all__ = ["March"]

_TOO_SMALL = "Required step size is less than spacing between numbers."
_STUCK = "No progress beyond t = {t:.6g}: is `fun` discontinuous or noisy there?"


class March:
    """Windows of one problem, one after the other.

    Attributes
    ----------
    t, y, f : where it is, the value and the slope there
    start, y_start, h : of the last window
    Y, K : (s, n), its values and slopes at the nodes
    nlu : int, matrices factorised so far
    """

    def __init__(
        self,
        basis: Basis,
        field: VectorField,
        weights: tuple[Real, Real, Real],
        span: tuple[float, float],
        y: Number,
        f: Number,
        max_step: float,
        max_windows: int,
        h_abs: float,
    ) -> None:
        """weights : atol, rtol, and what does not matter in y, (n,) each; h_abs : the first length."""
        self.basis, self.field = basis, field
        atol, rtol, self._small = weights
        self.y, self.f, self.y_start = y, f, y
        self._large: ManySystems | None = None
        if not one_system(basis, field):
            self._large = ManySystems(basis, field, atol, rtol)
            self._large.legendre[0] = f
        self._df_dy: Any = None
        self._numbers, self._counts = np.zeros(m.NUMBERS), np.zeros(m.COUNTS, dtype=np.int64)
        t0, bound = span
        at = {m.T: t0, m.BOUND: bound, m.DIRECTION: np.sign(bound - t0) or 1.0, m.LONGEST: max_step, m.H_ABS: h_abs}
        for place, value in {**at, m.KNOWN: 1.0, m.MARK_T: t0}.items():
            self._numbers[place] = value
        self._counts[[m.MOST, m.MAY_GROW, m.BAD, m.MINE]] = max_windows, 1, -1, self._large is None
        self._t = np.empty(basis.s)
        self._pending = False  # whether a window of `_large` waits for being accepted
        self._make_memory(atol, rtol, y, f)

    def _make_memory(self, atol: Real, rtol: Real, y: Number, f: Number) -> None:
        """The arrays that `advance` works with; without equations where windows are solved in Python."""
        basis, s, mine = self.basis, self.basis.s, self._large is None
        n = self.field.n if mine else 0
        every = (atol, rtol, self._small, y, f, y)
        vectors = [np.array(values, dtype=np.float64) if mine else np.empty(0) for values in every]
        nodes = [np.zeros((s, n)) for _ in range(5)]
        df_dy = np.empty((n, n))
        rooms = np.empty((s, n, n)), np.empty((s * n, s * n)), np.empty(s * n), np.empty((n, n))
        pivots = np.empty(s * n, dtype=np.int64)
        tables = basis.nodes, basis.A, basis.transposed, basis.judging, basis.last_four
        self._memory = (*tables, *vectors, self._t, *nodes, df_dy, *rooms, pivots)
        self._address, self._words = 0, np.empty(0, dtype=np.int64)
        if not mine:
            return
        self.y, self.f, self.y_start = vectors[3:]
        self.Y, self.K = nodes[:2]
        nodes[4][0] = f
        self._df_dy = df_dy
        compiled = self.field.compiled
        words = compiled.words() if compiled else None
        if compiled and words is not None:
            self._address, self._words = compiled.address, words
            self._counts[m.SIMPLE] = 1  # many calls of f cost less than one matrix

    @property
    def t(self) -> float:
        """Where the march is."""
        return float(self._numbers[m.T])

    @property
    def start(self) -> float:
        """Where the last window starts."""
        return float(self._numbers[m.START])

    @property
    def h(self) -> float:
        """Its length, with sign."""
        return float(self._numbers[m.H])

    @property
    def nlu(self) -> int:
        """Matrices factorised so far."""
        return int(self._counts[m.NLU]) + (self._large.nlu if self._large else 0)

    def next(self) -> str | None:
        """Go to the end of the next window; why it cannot, or None."""
        numbers, counts, field = self._numbers, self._counts, self.field
        counts[m.CONSTANT] = field.constant
        counts[m.DIFFERENCES] = self._address != 0 and field.differences
        with np.errstate(all="ignore"):
            while True:
                asked = m.advance(numbers, counts, self._address, self._words, field.n, *self._memory)
                if asked == m.ASK_NODES:
                    field.nodes(self._t, self.Y, self.K)
                elif asked == m.ASK_JACOBIAN:
                    if not self._jacobian():
                        return f"`jac` returned a value that is not finite at t = {self.t:.6g}."
                elif asked == m.ASK_WINDOW:
                    self._window()
                elif asked == m.ASK_SLOPE:
                    self._go_on()
                    self._slope()
                else:
                    break
        field.nfev += int(counts[m.NFEV])
        field.njev += int(counts[m.NJEV])
        counts[m.NFEV] = counts[m.NJEV] = 0
        if asked == m.ACCEPTED:
            self._go_on()
            return None
        return self._why(asked)

    def _slope(self) -> None:
        slope = self.field(self.t, self.y) if self.field.n else self.y
        if self._large is None:
            self.f[:] = slope
        else:
            self.f = slope

    def _jacobian(self) -> bool:
        """df/dy where the march is; whether it is finite, if it is the user's."""
        change = self._numbers[m.H] * self.f
        matrix = self.field.jacobian(self.t, self.y, self.f, change, self._small)
        self._counts[m.CONSTANT] = self.field.constant  # a wrong one has been replaced
        if self._large is None:
            self._df_dy[:] = matrix
        else:
            self._df_dy = matrix
        values = matrix.data if issparse(matrix) else matrix
        return not self.field.given or bool(np.isfinite(values).all())

    def _window(self) -> None:
        """One window of a problem that is large or complex."""
        numbers, counts, window = self._numbers, self._counts, self._large
        assert window is not None
        h = self.h
        ratio = h / numbers[m.KNOWN]
        window.predict(window.legendre, int(counts[m.DEGREE]), 0.0 if counts[m.INSIDE] else 1.0, ratio, self.y, h)
        solved = window.solve(self._t, self.y, h, self._df_dy)
        error = window.estimate(self.y, self.f, h, self._df_dy) if solved else np.nan
        numbers[m.ERROR] = error if np.isfinite(error) else np.nan
        numbers[m.RATE], counts[m.SWEEPS] = window.rate, window.sweeps
        bad = None if np.isfinite(error) else window.bad_node()
        counts[m.BAD] = -1 if bad is None and not np.isfinite(error) else counts[m.BAD] if bad is None else bad[1]
        if bad is not None:
            numbers[m.BAD_T] = self._t[bad[0]]
        self._pending = True

    def _go_on(self) -> None:
        """Take over the window that `_window` found."""
        if self._large is not None and self._pending:
            self._pending = False
            self.Y, self.K = self._large.Y, self._large.K
            self.y_start, self.y = self.y, self.Y[-1].copy()

    def _why(self, asked: int) -> str:
        if asked == m.NOT_FINITE:
            component, t = int(self._counts[m.BAD]), self._numbers[m.BAD_T]
            return f"`fun` returned a value that is not finite at t = {t:.6g}, component {component}."
        if asked == m.LIMIT:
            return f"The limit of {self._counts[m.MOST]} windows (`max_windows`) was reached."
        return _TOO_SMALL if asked == m.TOO_SMALL else _STUCK.format(t=self.t)
