"""What compiled code is given to solve a whole problem, and the networks that it gives back."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..arguments import SMALLEST_RTOL
from ..arrays import Index, Real
from ..compiled.alone import setting_words, tables_words
from ..compiled.launch import Entry
from ..compiled.whole import Setting, Tables
from ..trial.basis import Basis, basis, padded
from ..trial.network import Network
from ..trial.solution import Solution
from . import error
from .bound import RELATIVE_FLOOR
from .noise import AT, RESIDUALS
from .setting import ABSOLUTE_FLOOR, MAX_WINDOWS, march_weights, width

__all__ = ["Bases", "Wanted", "addresses_of", "bases_of", "of_networks", "setting_of", "tables_of", "wanted"]


class Bases(NamedTuple):
    """The basis of a march, and that of the second one beside it.

    reading : from slopes at the nodes of the first to values at those of the second, in units of h; its transpose is
    padded; w, b : (s - 1,), of the hidden layer; theta : (2 s - 2,), both
    """

    own: Basis
    wider: Basis
    reading: Real
    transposed: Real
    w: Real
    b: Real
    theta: Real


@functools.cache
def bases_of(s: int) -> Bases:
    """Those of a march with s functions."""
    own, wider = basis(s), basis(error.wider(s))
    hidden = own.hidden
    w, b = (np.ascontiguousarray(part) for part in np.split(hidden, 2))
    reading = own.read(wider.nodes)[0]
    return Bases(own, wider, reading, padded(reading.T), w, b, hidden)


@functools.cache
def tables_of(s: int) -> Tables:
    """Of the bases of a march with s functions."""
    own = bases_of(s)
    basis, wider = own.own, own.wider
    return Tables(
        *basis.of_march, *basis.of_output, own.w, own.b, wider.nodes, wider.A, wider.transposed, *wider.split,
        own.transposed, basis.probing, AT, RESIDUALS,
    )  # fmt: skip


def setting_of(
    rtol: Real, atol: Any, n: int, controlled: bool, first: float, options: dict[str, Any], factor: float = 1.0
) -> Setting:
    """What compiled code is asked for: errors within atol + rtol |y|, by a march with `factor` times these tolerances.

    rtol, atol : () or (n,); first : the length of the first window, zero if it is to be chosen.
    """
    rtol, atol = rtol * np.ones(n), atol * np.ones(n)
    march_rtol = np.maximum(factor * rtol, SMALLEST_RTOL)
    return Setting(
        *march_weights(march_rtol, factor * atol, n), atol, rtol, np.where(atol > 0.0, atol / rtol, 0.0),
        RELATIVE_FLOOR, ABSOLUTE_FLOOR, factor * error.SOLVED_TO, error.ROUNDING, error.MAY_REMAIN,
        error.FOLLOWED * width(march_rtol), first, float(options.get("max_step", math.inf)),
        int(options.get("max_windows", MAX_WINDOWS)), controlled,
    )  # fmt: skip


class Wanted(NamedTuple):
    """What `compiled.alone` is asked for, also in words, with s functions per window."""

    setting: Setting
    words: Index
    tables: Index
    s: int


def wanted(rtol: Real, atol: Real, n: int, *limits: Any) -> Wanted:
    """rtol, atol : () or (n,); limits : factor, controlled, first, max_step, max_windows, see `setting_of`.

    Many problems are solved with the same tolerances, one after the other.
    """
    return _wanted(rtol.tobytes(), atol.tobytes(), n, *limits)


@functools.lru_cache(maxsize=64)
def _wanted(
    rtol_bytes: bytes, atol_bytes: bytes, n: int, factor: float, controlled: bool, first: float, max_step: float,
    most: int,
) -> Wanted:  # fmt: skip
    rtol, atol = np.frombuffer(rtol_bytes), np.frombuffer(atol_bytes)
    limits = {"max_step": max_step, "max_windows": most}
    setting = setting_of(rtol, atol, n, controlled, first, limits, factor)
    s = width(np.maximum(factor * rtol, SMALLEST_RTOL))
    return Wanted(setting, setting_words(setting), tables_words(tables_of(s)), s)


@functools.cache
def addresses_of(parts: tuple[Entry[..., Any] | None, ...]) -> Index:
    """Where the machine code of entries is; zero for those that are not needed."""
    return np.array([part.address if part else 0 for part in parts])


def of_networks(
    x: Real, y: Real, V: Real, bias: Real, bases: Bases, h: Real, error_x: Real | None = None,
    bound: Real | None = None,
) -> Solution:  # fmt: skip
    """Windows from x[k] on, h long, as a `Solution`: y (K, N) where they start, output weights V (K, N, .), bias."""
    K, n, units = V.shape
    theta = np.empty((K, (2 + n) * units + n))
    theta[:, : 2 * units] = bases.theta
    theta[:, 2 * units : (2 + n) * units] = V.reshape(K, -1)
    theta[:, (2 + n) * units :] = bias
    return Solution(x, y, theta, Network(n, units, output_bias=True), error_x, bound, h)
