"""One problem in one call: the march, its second march, and all that is made of them, in a few arrays.

A call with two records and two dozen results costs 40 us, which is as much as many a march: here the records are
words, and the arrays among the results are one vector.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Index, Real
from . import control as c
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, inlined
from .member import MEMBER_PARTS, after_march, is_over, march_of
from .whole import ASK_PYTHON, SECOND, SETTING, TABLES, Setting, Tables, unknown
from .words import unpacker, words_of

__all__ = [
    "ALONE_PARTS",
    "Counts",
    "Networks",
    "Numbers",
    "finish_alone",
    "setting_words",
    "solve_alone",
    "tables_words",
]

ALONE_PARTS = MEMBER_PARTS
_NO_MATRICES = np.empty((0, 0, 0))
_setting_of, _tables_of = unpacker(SETTING.types, SETTING), unpacker(TABLES.types, TABLES)


class Counts(NamedTuple):
    """What `solve_alone` and `finish_alone` count.

    asked : why the march ended, as `march_through`, or ASK_PYTHON; windows, points : of the networks, of the estimate;
    times : at which the solution is wanted; looked : how many df/dy have to be looked at for growth; nfev, njev, nlu;
    missed : whether f does something that the march has missed; component, alone : of the largest error, and whether
    `atol` alone counts there; bad : the component of f that is not finite.
    """

    asked: int
    windows: int
    points: int
    times: int
    looked: int
    nfev: int
    njev: int
    nlu: int
    missed: int
    component: int
    alone: int
    bad: int


class Numbers(NamedTuple):
    """The largest error in units of the tolerance, and where; where the march ended, and where f is not finite."""

    ratio: float
    at: float
    t: float
    bad_t: float


class Networks(NamedTuple):
    """Parts of the vector that `solve_alone` returns, see `whole.finish`; theta : parameters of the networks.

    t, at_t, off : times, values and errors there.
    """

    x: Real
    h: Real
    y: Real
    theta: Real
    error_x: Real
    error: Real
    gap: Real
    t: Real
    at_t: Real
    off: Real
    df_dy: Real

    @classmethod
    def of(cls, vector: Real, counts: Counts, n: int, s: int) -> Networks:
        """Views of the parts; n equations, s functions."""
        K, L, m, looked = counts[1:5]
        h = K + 1
        y = h + K
        theta = y + K * n
        x = theta + K * ((2 + n) * (s - 1) + n)
        error = x + L
        gap = error + n * L
        t = gap + n
        at_t = t + m
        off = at_t + n * m
        df_dy = off + n * m
        return cls(
            vector[:h], vector[h:y], vector[y:theta].reshape(K, n), vector[theta:x].reshape(K, -1), vector[x:error],
            vector[error:gap].reshape(n, L), vector[gap:t], vector[t:at_t], vector[at_t:off].reshape(n, m),
            vector[off:df_dy].reshape(n, m), vector[df_dy:].reshape(looked, n, n) if looked else _NO_MATRICES,
        )  # fmt: skip


def setting_words(setting: Setting) -> Index:
    """A setting for compiled code, as long as its arrays are kept."""
    return words_of(setting, SETTING.types)


def tables_words(tables: Tables) -> Index:
    """The same of tables."""
    return words_of(tables, TABLES.types)


@inlined
def _put(part, vector, at):
    """Copy an array in C order into a vector; where the next one goes."""
    numbers = part.reshape(part.size)
    for i in range(numbers.size):
        vector[at + i] = numbers[i]
    return at + numbers.size


@inlined
def _put_parameters(V, bias, w, b, vector, at):
    """The parameters of the networks of all windows, as `Network` has them."""
    K, n, units = V.shape
    for m in range(K):
        for i in range(units):
            vector[at + i], vector[at + units + i] = w[i], b[i]
        at += 2 * units
        for k in range(n):
            for i in range(units):
                vector[at + i] = V[m, k, i]
            at += units
        for k in range(n):
            vector[at + k] = bias[m, k]
        at += n
    return at


@inlined
def _packed(found, tables, asked, t, bad_t, nfev, njev, nlu, bad):
    """What `finish` found, as `solve_alone` returns it."""
    status, of_second, worst, df_dy, seen, networks, errors, gap = found
    calls, done, missed, looked = of_second
    x, h, y, V, bias = networks
    K, n = y.shape
    L, m = errors[0].size, seen[0].size
    of_networks = x.size + K + y.size + K * (2 * tables.w.size + n) + V.size
    vector = np.empty(of_networks + (1 + n) * L + n + (1 + 2 * n) * m + looked * n * n)
    at = _put(y, vector, _put(h, vector, _put(x, vector, 0)))
    at = _put_parameters(V, bias, tables.w, tables.b, vector, at)
    at = _put(gap, vector, _put(errors[1], vector, _put(errors[0], vector, at)))
    at = _put(seen[2], vector, _put(seen[1], vector, _put(seen[0], vector, at)))
    _put(df_dy[:looked], vector, at)
    counts = (
        asked if status == 0 else ASK_PYTHON, K, L, m, looked, nfev + calls, njev + min(done + 1, K), nlu, int(missed),
        worst[2], int(worst[3]), bad,
    )  # fmt: skip
    return counts, (worst[0], worst[1], t, bad_t), vector


@inlined
def _nothing():
    """For Python to go on."""
    return (ASK_PYTHON, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), (0.0, 0.0, 0.0, 0.0), np.empty(0)


@entry((INDICES, "i8", INDICES, "f8", "f8", VECTOR, INDICES, INDICES, "b1", VECTOR, "b1"), nogil=True)
def solve_alone(parts, address, words, t0, bound, y0, setting, tables, probe, t_eval, everywhere):
    """`Counts`, `Numbers`, and the vector of `Networks`.

    parts : addresses of `ALONE_PARTS`; setting, tables : words; the rest as of `march_through` and `finish`.
    """
    its, of_bases = _setting_of(setting), _tables_of(tables)
    asked, numbers, counts, places, values, slopes = march_of(parts, address, words, t0, bound, y0, its, of_bases)
    if not is_over(asked) or len(slopes) == 0:
        return _nothing()
    found = after_march(
        parts, address, words, places, values, slopes, its, of_bases, probe and asked == c.ACCEPTED, t_eval,
        everywhere, unknown(),
    )  # fmt: skip
    return _packed(
        found, of_bases, asked, numbers[c.T], numbers[c.BAD_T], counts[c.NFEV], counts[c.NJEV], counts[c.NLU],
        counts[c.BAD],
    )  # fmt: skip


@entry((INDICES, "i8", INDICES, MATRIX, CUBE, CUBE, INDICES, INDICES, "b1", VECTOR, "b1", SECOND), nogil=True)
def finish_alone(parts, address, words, places, values, slopes, setting, tables, probe, t_eval, everywhere, known):
    """The same of a march that is known, without its own counts."""
    its, of_bases = _setting_of(setting), _tables_of(tables)
    found = after_march(
        parts, address, words, places, values, slopes, its, of_bases, probe, t_eval, everywhere, known
    )  # fmt: skip
    return _packed(found, of_bases, c.ACCEPTED, 0.0, 0.0, 0, 0, 0, -1)
