"""The march seen from Python: its memory, and the answers to what its step control asks for."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from ..arguments import EPS
from ..arrays import Index, Number, Real
from ..compiled import control as m
from ..compiled.asking import FAILED
from ..compiled.kinks import looks_odd
from ..compiled.march import advance
from ..trial.basis import Basis
from ..user.field import VectorField
from .foreseen import Foreseen
from .kinks import Beyond, Kink, begin, find, pinned, relocated
from .noise import AT, RESIDUALS, matters, scatter
from .window import OneSystem, make_window

__all__ = ["MOST_COMPILED", "Accepted", "March", "why_it_ended"]

_TOO_SMALL = "Required step size is less than spacing between numbers."
# Equations up to which compiled code marches: beyond that LAPACK and sparse matrices pay. Not tuned.
MOST_COMPILED = 24
_NOT_LOOKED_AT = np.empty(0)
# Errors do not matter below this many times what the noise of f adds up to in a window. Not tuned.
_NOISE = 5.0
# Windows after which an f that is known to scatter is looked at once more, over their length; what scatters by no more
# than so many times what is known of others is noise, too, not jumps. Not tuned.
_LOOK_AGAIN, _ALIKE = 16, 10.0
# What f scatters by, in units of y, is called its rounding below this. Not tuned.
_ROUNDING = 1e3 * EPS
# A break, and a kink that was foreseen, may be off by so many floating-point numbers: f may take it with a rounding
# error. Not tuned.
_GIVEN, _FORESEEN = 1000, 2000
_LIMIT = "The limit of {most} windows (`max_windows`) was reached at t = {t:.6g}: does `fun` jump to and fro there?"
_STUCK = "No progress beyond t = {t:.6g}: is `fun` discontinuous or noisy there?"


class Accepted(NamedTuple):
    """A window: where it starts, its length with sign, and where the next one starts.

    y_start, y, y_end : (n,), at the start, at the last node, and at the end, which differs at kinks; K : (s, n).
    """

    start: float
    h: float
    end: float
    y_start: Number
    y: Number
    y_end: Number
    K: Number


class March:
    """Windows of one problem, one after the other.

    Attributes
    ----------
    y, f : (n,), value and slope where the march is; y_start : the value at the start of the last window
    basis : of the windows; Y, K : (s, n), values and slopes at the nodes of the last one
    noise : (n,), how much f scatters, as far as that was noticed, or None; seen : where that was
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
        breaks: Real,
    ) -> None:
        """Ready for the first window.

        weights : atol, rtol, and what does not matter in y, (n,) each; h_abs : the first length; breaks : times at
        which f is not smooth, in the order of the march.
        """
        self.basis, self._field, self._small = basis, field, weights[2]
        self.y, self.f, self.y_start = y, f, y
        self._df_dy: Any = None
        self.noise: Real | None = None
        self.seen = span[0]
        self._looked = 0, span[0]  # windows that had been tried, and t, when it was looked for again
        self._breaks = breaks
        self._foreseen = Foreseen()
        self._kink: Kink | None = None  # the last one that was located
        self._t = np.empty(basis.s)
        self._numbers, self._counts = np.zeros(m.NUMBERS), np.zeros(m.COUNTS, dtype=np.int64)
        t0, bound = span
        at = {m.T: t0, m.BOUND: bound, m.DIRECTION: np.sign(bound - t0) or 1.0, m.LONGEST: max_step, m.H_ABS: h_abs}
        at |= {m.KNOWN: 1.0, m.MARK_T: t0, m.RELATIVE_STEP: field.precision.step}
        for place, value in at.items():
            self._numbers[place] = value
        self._counts[[m.MOST, m.MAY_GROW, m.BAD]] = max_windows, 1, -1
        self._atol = weights[0]
        self._window = window = make_window(basis, field, weights[0].copy(), weights[1])
        window.legendre[0] = f
        # The window that compiled code brings to the calls of f, where that is called from Python.
        self._one = window if isinstance(window, OneSystem) else None
        self.Y, self.K = self._window.Y, self._window.K
        self._memory: tuple[Any, ...] | None = None
        self._store: tuple[Real, Real, Real] = np.empty((0, 3)), np.empty((0, 3, 0)), np.empty((0, 0, 0))
        if field.compiled and field.n <= MOST_COMPILED and (words := field.compiled.words()) is not None:
            self._one = None
            self._make_memory(weights, field.compiled.address, words)
        if self._one is not None:
            self._t, self._df_dy = self._one.t[: basis.s], self._one.df_dy
            self.y, self.f, self.y_start = (np.array(values, dtype=np.float64) for values in (y, f, y))
            self._failed: list[BaseException] = []
            self._views: dict[int, tuple[Real, Real, Real, int]] = {}
            self._one.answer(self._answer, self._failed.append)

    def _make_memory(self, weights: tuple[Real, Real, Real], address: int, words: Index) -> None:
        """The arrays that `advance` works with."""
        basis, n = self.basis, self._field.n
        self._counts[m.SIMPLE] = 1  # many calls of f cost less than one matrix
        vectors = [np.array(values, dtype=np.float64) for values in (weights[2], self.y, self.f, self.y)]
        self.y, self.f, self.y_start = vectors[1:]
        vectors = [self._window.atol, self._window.rtol, *vectors]
        self._df_dy = np.zeros((n, n))
        rooms = np.empty((n, n)), np.empty(n, dtype=np.int64)
        self._memory = (
            address, words, not self._field.differences,
            *basis.of_march,
            *vectors,
            self._t, self.Y, self.K, self._window.before, self._window.legendre, self._df_dy, *rooms,
        )  # fmt: skip

    @property
    def in_compiled_code(self) -> bool:
        """Whether compiled code goes from window to window: then they may come stacked."""
        return self._memory is not None or self._one is not None

    @property
    def calls_python(self) -> bool:
        """Whether f is called from Python."""
        return self._memory is None

    def _answer(self, points: int) -> None:
        """f at the first of the points of a window, or where the march is, if none: for compiled code."""
        if not points:
            self.f[:] = self._field(self.t, self.y)
            return
        views = self._views.get(points)
        if views is None:
            assert self._one is not None
            t, Y, K = self._one.t[:points], self._one.rows[:points], self._one.slopes[:points]
            views = self._views[points] = t, Y, K, max(0, points - self.basis.s)
        self._field.nodes(*views)
        self._numbers[m.RELATIVE_STEP] = self._field.precision.step
        self._counts[m.AT_ONCE] = self._field.at_once and self.noise is None

    @property
    def t(self) -> float:
        """Where the march is."""
        return float(self._numbers[m.T])

    @property
    def h(self) -> float:
        """Its length, with sign."""
        return float(self._numbers[m.H])

    @property
    def bound(self) -> float:
        """Where it ends. It may be moved, to an end in the same direction."""
        return float(self._numbers[m.BOUND])

    @bound.setter
    def bound(self, bound: float) -> None:
        if self.t == self.bound:  # where it would have ended f was not asked for
            self._ask_slope()
        self._numbers[m.BOUND] = bound

    @property
    def noise_message(self) -> str | None:
        """A sentence about the noise of f, as far as that was noticed, else None."""
        if self.noise is None:
            return None
        worst = int(np.argmax(self.noise))
        size = float(self.noise[worst])
        text = f"`fun` scatters by about {size:.1g} in component {worst}, seen at t = {self.seen:.6g}."
        if size <= _ROUNDING * max(1.0, float(abs(self.y).max())):
            text += " That is rounding: is the solution chaotic? Then shorten the span."
        return text

    @property
    def nlu(self) -> int:
        """Matrices factorised so far."""
        return int(self._counts[m.NLU]) + self._window.nlu

    def windows(self, most: int) -> tuple[list[Accepted], str | None]:
        """Go on, by at most so many windows; and why it could not, or None."""
        if self.in_compiled_code:
            with np.errstate(all="ignore"):
                why = self._go_on_by(most)
            return self._fetched(), why
        found: list[Accepted] = []
        why = None
        with np.errstate(all="ignore"):
            while why is None and len(found) < most and (not found or self.t != self.bound):
                why = self._go_on_by(1)
                if why is None:
                    values = self.y_start, self._window.Y[-1].copy(), self.y.copy()
                    found.append(Accepted(float(self._numbers[m.START]), self.h, self.t, *values, self.K.copy()))
        return found, why

    def stacked(self, most: int) -> tuple[tuple[Real, Real, Real], str | Exception | None]:
        """As `windows`, as the arrays that compiled code makes. What f raises behind them is returned."""
        why: str | Exception | None
        try:
            with np.errstate(all="ignore"):
                why = self._go_on_by(most)
        except Exception as exception:
            if not self._counts[m.STORED]:
                raise
            why = exception
        stored = slice(int(self._counts[m.STORED]))
        places, values, slopes = (part if len(part) == stored.stop else part[stored].copy() for part in self._store)
        self._store = np.empty((0, 3)), np.empty((0, 3, 0)), np.empty((0, 0, 0))  # these are the caller's from now on
        return (places[stored], values[stored], slopes[stored]), why

    def _go_on_by(self, most: int) -> str | None:
        """Go on, by at most so many windows; and why it could not, or None."""
        counts, field = self._counts, self._field
        counts[m.CONSTANT] = field.constant
        counts[m.STORED] = 0
        self._numbers[m.BREAK], self._numbers[m.ROOM] = self._next_break()
        self._look_again()
        self._heed_noise()
        self._make_room(1 if self.noise is not None else most)
        why = self._go_on()
        field.nfev += int(counts[m.NFEV])
        field.njev += int(counts[m.NJEV])
        counts[m.NFEV] = counts[m.NJEV] = 0
        return why

    def _go_on(self) -> str | None:
        """To the end of the last window that there is room for; or why not."""
        while True:
            asked = self._advance()
            if asked == m.ASK_WINDOW:
                self._solve()
            elif asked == m.ASK_JACOBIAN:
                if not self._jacobian():
                    return f"`jac` returned a value that is not finite at t = {self.t:.6g}."
            elif asked == m.ASK_KINK:
                self._look_for_kink()
            elif asked in (m.ASK_SLOPE, m.AT_BOUND):
                self._accept(asked == m.ASK_SLOPE)
                if not self.in_compiled_code:  # nothing else comes of it
                    m.steer(self._numbers, self._counts, self._field.n, self.basis.nodes, self._t, self.f)
                    return None
            else:
                return None if asked == m.ACCEPTED else self._why(asked)

    def _make_room(self, most: int) -> None:
        """For as many windows as `advance` may go on by."""
        if not self.in_compiled_code or len(self._store[0]) == most:
            return
        s, n = self.K.shape
        self._store = np.empty((most, 3)), np.empty((most, 3, n)), np.empty((most, s, n))

    def _fetched(self) -> list[Accepted]:
        """The windows that `advance` stored."""
        stored = slice(int(self._counts[m.STORED]))
        places, many, slopes = (part[stored].copy() for part in self._store)
        return [
            Accepted(start, h, end, y[0], y[1], y[2], K)
            for (start, h, end), y, K in zip(places.tolist(), many, slopes, strict=True)
        ]

    def _next_break(self) -> tuple[float, float]:
        """The first of the user's breaks, and of kinks that are foreseen, that lies ahead; how far it may be off."""
        direction, t = float(self._numbers[m.DIRECTION]), self.t
        kink, gap = self._foreseen.ahead(t)
        first = direction * math.inf, 0.0
        if self._breaks.size:
            rooms = _GIVEN * np.spacing(np.maximum(abs(self._breaks), abs(t)))
            ahead = np.flatnonzero(direction * (self._breaks - t) > 2.0 * rooms)
            first = (float(self._breaks[ahead[0]]), float(rooms[ahead[0]])) if ahead.size else first
        if math.isinf(kink):
            return first
        room = max(gap, _FORESEEN * math.ulp(max(abs(kink), abs(t))))
        comes_first = direction * (kink - t) > 2.0 * room and direction * (first[0] - kink) > 0.0
        return (kink, room) if comes_first else first

    def _look_for_kink(self) -> None:
        """Cut the window off before the first kink of f, if there is one."""
        window, field = self._window, self._field
        if self._memory is not None and not self._counts[m.RISES] and not self._looks_odd():
            return
        weight = self._weight()
        start = self.t, self.y, self.f
        if not (np.isfinite(self.Y).all() and np.isfinite(self.K).all()):
            return
        if self._counts[m.RISES]:
            kink = begin(field, start, (self._t, self._slopes()), weight)
            if kink is not None:
                window.legendre[0] = self.f
        else:
            at = int(self._counts[m.LEAVES]) if self.in_compiled_code else None
            kink = find(field, start, (self._t, self.Y, self.K), weight, at)
        if m.noise_is_due(self._counts, kink is not None) and self._look_for_noise(start, weight):
            return
        if kink is not None:
            self._kink = kink
            self._counts[m.CUT] = 1 if math.isnan(kink.jump[0]) else m.AT_JUMP
            self._numbers[[m.CUT_AT, m.KINK_AT, m.RESTART]] = kink[:3]
            if self._counts[m.CUT] != m.AT_JUMP and not self._counts[m.RISES]:
                self._foreseen.add(*kink.exact, self.t)

    def _looks_odd(self) -> bool:
        """Whether compiled code cannot exclude a kink or noise."""
        assert self._memory is not None
        address, words = self._memory[:2]
        window, noise_too = self._window, m.noise_is_due(self._counts, False)
        return looks_odd(
            address, words, self.t, self.y, self.f, self.h, self._t, self.Y, self.K, window.atol, window.rtol,
            noise_too, AT, RESIDUALS,
        )  # fmt: skip

    def _look_for_noise(self, start: tuple[float, Number, Number], weight: Real) -> bool:
        """Whether f scatters where the march is."""
        noise = scatter(self._field, start, self.h, weight)
        if noise is None or not matters(noise, weight, self.h, self.basis.s, self._df_dy):
            return False
        self._note_noise(noise)
        self._heed_noise()
        return True

    def _note_noise(self, noise: Real) -> None:
        self.seen = self.t
        self.noise = noise if self.noise is None else np.maximum(self.noise, noise)
        self._take_longer_steps(noise)

    def _take_longer_steps(self, noise: Real) -> None:
        """Differences for df/dy must not be those of noise. It may be large beside f itself, whose terms cancel."""
        if self._df_dy is None or issparse(self._df_dy):
            return
        terms = np.fmax(abs(self.K).max(axis=0), abs(self._df_dy) @ abs(self.y))  # df/dy may not be finite
        self._field.precision.scatters(np.where(noise > 0.0, noise / np.maximum(terms, noise), 0.0))

    def _look_again(self) -> None:
        """Look once more, now and then, at an f that scatters: it may do so more, or in another component, by now."""
        tried, t = int(self._counts[m.TRIED]), self.t
        if self.noise is None or tried < self._looked[0] + _LOOK_AGAIN:
            return
        far = min(abs(t - self._looked[1]), abs(self.bound - t))  # windows may be as short as the steps of rounded f
        self._looked = tried, t
        noise = scatter(self._field, (t, self.y, self.f), self._numbers[m.DIRECTION] * far, self._weight())
        if noise is not None:
            self._note_noise(np.where(noise < _ALIKE * self.noise.max(), noise, 0.0))

    def _slopes(self) -> Number:
        """f at the nodes, as it came: without what Newton's last step added."""
        return self.K if self._memory is not None and self._counts[m.SIMPLE] else self._window.before

    def _heed_noise(self) -> None:
        """Errors do not matter below what the noise of f makes of the values in one window."""
        if self.noise is not None:
            self._window.atol[:] = self._atol + _NOISE * self._numbers[m.H_ABS] * self.noise

    def _advance(self) -> int:
        if self._memory is not None:
            memory: Any = (*self._memory, *self._store)
            return int(advance(self._numbers, self._counts, *memory))
        if self._one is not None:
            of_y = self.y, self.f, self.y_start
            found = self._one.march(self._numbers, self._counts, of_y, self._small, self._store)
            if found == FAILED:
                raise self._failed.pop()
            return found
        if not self._counts[m.HAS_JACOBIAN] and not np.isfinite(self.f).all():
            self._numbers[m.BAD_T], self._counts[m.BAD] = self.t, int(np.argmin(np.isfinite(self.f)))
            return m.NOT_FINITE
        found = m.steer(self._numbers, self._counts, self._field.n, self.basis.nodes, self._t, _NOT_LOOKED_AT)
        return int(found)

    def _jacobian(self) -> bool:
        """df/dy where the march is; whether it is finite, if it is the user's."""
        change = self._numbers[m.H] * self.f
        still = (self.y == 0.0) & (self.f == 0.0) if self._field.differences else None
        if still is not None:
            self._counts[m.PARTIAL] = still.any() and not self._counts[m.ALL_COLUMNS]
            still = still if self._counts[m.PARTIAL] else None
        t, y, f = self.t, self.y, self.f
        if self._counts[m.BEHIND] and self._field.differences:
            t, y = float(self._t[0]), y + (self._t[0] - t) * f
            f = self._field(t, y)
        matrix = self._field.jacobian(t, y, f, change, self._small, still)
        self._counts[m.CONSTANT] = self._field.constant  # a wrong one has been replaced
        if self._memory is not None or self._one is not None:
            self._df_dy[:] = matrix
        else:
            self._df_dy = matrix
        values = matrix.data if issparse(matrix) else matrix
        return not self._field.given or bool(np.isfinite(values).all())

    def _solve(self) -> None:
        """One window by calls from Python."""
        numbers, counts, window = self._numbers, self._counts, self._window
        h = self.h
        offset, ratio = 0.0 if counts[m.INSIDE] else 1.0, h / numbers[m.KNOWN]
        window.predict(window.legendre, int(counts[m.DEGREE]), offset, ratio, self.y, h)
        if self._memory is not None and counts[m.SIMPLE]:  # compiled f failed where no df/dy is known
            counts[m.SIMPLE] = 0
            self._jacobian()
        window.solve(self._t, self.y, h, self._df_dy, self.f)
        counts[m.RISES], counts[m.SWEEPS] = window.rises, window.sweeps
        numbers[m.RATE], numbers[m.ERROR] = window.rate, window.error
        if math.isfinite(window.error):
            return
        bad = window.bad_node()
        m.forget_bad(counts)
        if bad is not None:
            numbers[m.BAD_T], counts[m.BAD] = self._t[bad[0]], bad[1]

    def _accept(self, slope: bool) -> None:
        """Go to the end of the window, and ask for the slope there unless that is the end of the span."""
        if not self.in_compiled_code:
            self.y_start, self.y = self.y, self._window.Y[-1].copy()
        if self._counts[m.CUT]:  # up to the kink as the slopes before it go on, behind it by the midpoint rule
            beyond = self._pin_down()
            cut_at, kink_at, restart = self._numbers[[m.CUT_AT, m.KINK_AT, m.RESTART]].tolist()
            behind, before = restart - kink_at, self.K[-1]
            if beyond:
                self.y[:], before = beyond(kink_at)
            else:
                self.y[:] += (kink_at - cut_at) * before
            if behind:
                self.y[:] += 0.5 * behind * before
                self.y[:] += behind * (self._field(kink_at + 0.5 * behind, self.y) - 0.5 * before)
        if slope:
            self._ask_slope()
            if self._counts[m.CUT]:
                self._window.legendre[0] = self.f

    def _pin_down(self) -> Beyond | None:
        """Where exactly a break or a kink that was foreseen is, or a jump that was located on a worse solution.

        How this one goes on up to there, if it is known better than by its slope.
        """
        numbers, room = self._numbers, self._numbers[m.ROOM]
        cut_at, kink_at, restart, bound = numbers[[m.CUT_AT, m.KINK_AT, m.RESTART, m.BOUND]].tolist()
        located = self._kink if self._counts[m.CUT] == m.AT_JUMP else None
        if not located and not abs(kink_at - numbers[m.BREAK]) < room:
            return None
        end = cut_at, self.y.copy()
        beyond = Beyond(self._field, end, (self.h, self._window.legendre), self._weight())
        if not located:
            kink_at, start = pinned(beyond, kink_at, restart)
        else:
            found = relocated(beyond, located.jump, restart, bound)
            kink_at, start = found or ((cut_at, cut_at) if located.begins else (kink_at, restart))
            if kink_at == located.at and not located.begins:  # else it hangs on y
                self._foreseen.add(*located.exact, float(numbers[m.START]))
        start = restart if restart == bound else start
        numbers[m.KINK_AT], numbers[m.RESTART] = kink_at, start
        numbers[m.T] = numbers[m.RESTART]
        return beyond if located else None

    def _weight(self) -> Real:
        """Errors that do not matter in the present window, (n,)."""
        window = self._window
        return np.asarray(window.atol + window.rtol * np.maximum(abs(self.y), abs(self.Y).max(axis=0)))

    def _ask_slope(self) -> None:
        """The slope where the march is."""
        found = self._field(self.t, self.y) if self._field.n else self.y
        if not self.in_compiled_code:
            self.f = found
        else:
            self.f[:] = found

    def _why(self, asked: int) -> str:
        bad_t, component = float(self._numbers[m.BAD_T]), int(self._counts[m.BAD])
        return why_it_ended(asked, self.t, bad_t, component, int(self._counts[m.MOST]))


def why_it_ended(asked: int, t: float, bad_t: float, component: int, most: int) -> str:
    """The message of a march that ended at t; bad_t, component : where f is not finite; most : windows allowed."""
    if asked == m.NOT_FINITE:
        return f"`fun` returned a value that is not finite at t = {bad_t:.6g}, component {component}."
    if asked == m.LIMIT:
        return _LIMIT.format(most=most, t=t)
    return _TOO_SMALL if asked == m.TOO_SMALL else _STUCK.format(t=t)
