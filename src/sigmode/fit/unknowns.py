"""What is searched: parameters and initial values that are not fixed, in one vector."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Index, Real
from ..trial.archive import stored
from .data import Experiment, Parameters, names_of_y0

__all__ = ["Unknowns"]


@stored("parameters", "sets", "bounds_of_y0")
class Unknowns:
    """Free parameters, by their logarithm where that is wanted, then free initial values.

    Attributes
    ----------
    names : list of str; lower, upper : (N,), bounds of what is searched; log : (N,)
    free, free_y0 : which parameters are free, and which initial values of each set
    columns : for each set, which parameters of `fun` are free, and which of the unknowns they are
    """

    def __init__(self, parameters: Parameters, sets: list[Experiment], bounds_of_y0: tuple[Real, Real]) -> None:
        self.parameters, self.sets, self.bounds_of_y0 = parameters, sets, bounds_of_y0
        free = self.free = parameters.free
        self.free_y0 = [each.free for each in sets]
        self.names = [parameters.names[j] for j in free] + names_of_y0(sets)
        self.log = np.concatenate([parameters.log[free], np.zeros(len(self.names) - free.size, dtype=bool)])
        with np.errstate(divide="ignore"):
            self.lower = self.searched(np.concatenate([parameters.lower[free], bounds_of_y0[0]]))
            self.upper = self.searched(np.concatenate([parameters.upper[free], bounds_of_y0[1]]))
        counts = np.cumsum([free.size, *(each.size for each in self.free_y0)]).tolist()
        self._parts = [slice(lo, hi) for lo, hi in itertools.pairwise(counts)]
        self.columns = [self._columns(i) for i in range(len(sets))]

    def _columns(self, i: int) -> tuple[Index, Index]:
        """Which parameters of `fun` are free in set i, and which of the unknowns they are."""
        free, place = self.free, self.parameters.place[i]
        own = np.flatnonzero(np.isin(place, free))
        return own, np.searchsorted(free, place[own])

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.names)

    def searched(self, values: Real) -> Real:
        """From values to what is searched."""
        return np.where(self.log, np.log(np.where(self.log, values, 1.0)), values)

    def values(self, z: Real) -> Real:
        """From what is searched to values."""
        return np.where(self.log, np.exp(np.where(self.log, z, 0.0)), z)

    def factors(self, z: Real) -> Real:
        """Derivatives of the values by what is searched."""
        return np.where(self.log, np.exp(np.where(self.log, z, 0.0)), 1.0)

    def all(self, values: Real) -> Real:
        """All numbers that are parameters, fixed ones included."""
        every = self.parameters.start.copy()
        every[self.free] = values[: self.free.size]
        return every

    def p(self, values: Real, i: int) -> Real:
        """The parameters of set i."""
        return np.asarray(self.all(values)[self.parameters.place[i]])

    def args(self, p: Real, i: int) -> tuple[Any, ...]:
        """What `fun` gets behind t and y, given the parameters of set i."""
        return (*p.tolist(), *self.sets[i].constants)

    def y0(self, values: Real, i: int) -> tuple[Real, slice]:
        """Initial values of set i, and which of the unknowns its free ones are."""
        each, part = self.sets[i], self._parts[i]
        if callable(each.y0):
            return self.y0_by(each.y0, self.p(values, i), i), part
        y0 = each.y0.copy()
        y0[self.free_y0[i]] = values[part]
        return y0, part

    def y0_by(self, function: Callable[..., Any], p: Real, i: int) -> Real:
        """Initial values that are a function of the parameters."""
        return np.atleast_1d(np.asarray(function(*self.args(p, i)), dtype=float))
