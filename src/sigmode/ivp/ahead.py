"""Windows of a compiled f that are marched on by many at a time, with all that is read off them, for SciPy's loop."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any

import numpy as np
from scipy.special import expit

from ..arrays import Flags, Number, Real
from ..compiled.report import beside
from ..trial.basis import Basis
from .march import Accepted, March
from .solved import SolvedWindow
from .tables import bases_of

__all__ = ["Ahead", "solved_at_once", "steps_of"]

# Windows that are fetched at once: as many as have been used so far, up to these: an event may end it all. Not tuned.
_MOST = 16
# A window shorter than this many floating-point numbers is one step. Not tuned.
_SHORT_WINDOW = 1000

Steps = list[tuple[float, Number]]


def _one_step(h: Any, end: Any, K: Number) -> Flags:
    """Which windows are one step: short ones, and those in which something starts to move; K (windows, s, n)."""
    starts_to_move = ((K == 0.0).any(axis=1) & K.any(axis=1)).any(axis=1)
    return np.asarray(starts_to_move | (abs(h) < _SHORT_WINDOW * np.spacing(abs(end))))


def steps_of(window: SolvedWindow, substeps: int) -> Steps:
    """Where the steps of a window end, with the values there; nothing if it is one step."""
    if substeps == 1 or _one_step(window.h, window.end, window.K[None])[0]:
        return []
    xi = np.arange(1, substeps) / substeps
    values = window.values(xi).T
    return [*zip((window.start + window.h * xi).tolist(), values, strict=True), (window.end, window.y_end)]


def solved_at_once(arrays: tuple[Real, Real, Real], basis: Basis) -> tuple[list[SolvedWindow], Real, Real]:
    """The windows that `March.stacked` returns, and their output weights, V (K, n, s - 1) and bias (K, n)."""
    places, values, slopes = arrays
    K, s, n = slopes.shape
    V, bias, u, y = np.empty((K, n, s - 1)), np.empty((K, n)), np.empty((K, 0, n)), np.empty((K, n))
    start, end, h = np.empty((3, K))
    beside(places, values, slopes, *basis.of_output, bases_of(s).transposed, V, bias, u, start, end, h, y)
    windows = [
        SolvedWindow(Accepted(place[0], place[1], place[2], three[0], three[1], three[2], K), basis, output)
        for place, three, K, output in zip(places.tolist(), values, slopes, zip(V, bias, strict=True), strict=True)
    ]
    return windows, V, bias


class Ahead:
    """A march of compiled f that is some windows ahead of where it is used."""

    def __init__(self, march: March, basis: Basis, substeps: int) -> None:
        self._march, self._basis, self._substeps = march, basis, substeps
        self._waiting: deque[tuple[SolvedWindow, Steps]] = deque()
        self._why: str | Exception | None = None
        self._many = 1

    @property
    def empty(self) -> bool:
        """Whether the march is where it is used."""
        return not self._waiting

    def next(self) -> tuple[SolvedWindow, Steps] | str:
        """The next window, and its steps as of `steps_of`; or why there is none. What f raises comes in its turn."""
        if not self._waiting and self._why is None:
            arrays, self._why = self._march.stacked(self._many)
            self._many = min(2 * self._many, _MOST)
            if len(arrays[0]):
                self._waiting.extend(self._with_steps(arrays))
        if self._waiting:
            return self._waiting.popleft()
        if isinstance(self._why, Exception):
            raise self._why
        assert self._why is not None
        return self._why

    def _with_steps(self, arrays: tuple[Real, Real, Real]) -> list[tuple[SolvedWindow, Steps]]:
        """The windows, each with its steps."""
        windows, V, bias = solved_at_once(arrays, self._basis)
        places, values, slopes = arrays
        xi, hidden = self._ends_of_steps
        times = (places[:, :1] + places[:, 1:2] * xi).tolist()
        between = (values[:, 0, :, None] + xi * (V @ hidden + bias[:, :, None])).transpose(0, 2, 1)
        alone = (self._substeps == 1) | _one_step(places[:, 1], places[:, 2], slopes)
        return [
            (window, [] if one else [*zip(moments, own, strict=True), (window.end, window.y_end)])
            for window, one, moments, own in zip(windows, alone.tolist(), times, between, strict=True)
        ]

    @functools.cached_property
    def _ends_of_steps(self) -> tuple[Real, Real]:
        """Where the steps of a window end but for the last, in units of its length, and the hidden layer there."""
        xi = np.arange(1, self._substeps) / self._substeps
        w, b = np.split(self._basis.hidden[:, None], 2)
        return xi, expit(w * xi + b)
