"""Kinks at even distances, as of a table or of an input that is held: foreseen from those that were located."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["Foreseen"]

# Distances are even if they differ by so many floating-point numbers, and by what is uncertain about kinks, which may
# be these parts of them. Not tuned.
_ROUNDING = 250
_RESOLVED, _CERTAIN = 1e-4, 1e-2
# A march that is less than this part of the distance before a kink is behind it. Not tuned.
_PASSED = 1e-6
# Kinks closer than this part of the distance to where one was foreseen show that it was foreseen wrongly, so many of
# them that none of these is foreseen any more. Not tuned.
_BESIDE, _WRONG = 0.1, 4
# Kinks that are taken for granted before one is looked for, and how many times as many if that is found: where they
# have ceased, there are no more windows too many than kinks were foreseen. Not tuned.
_GRANTED, _MORE = 2, 2
# Even distances in a row from which on kinks are foreseen; twice as many each time that this was wrong. Not tuned.
_IN_A_ROW = 2
# Kinks that are remembered, and trains of them that are followed. Not tuned.
_REMEMBERED, _TRAINS = 24, 8


class _Located(NamedTuple):
    """A kink, how uncertain that is, and how far apart the times are between which f changes.

    t : where the march was that located it
    """

    at: float
    uncertain: float
    gap: float
    t: float

    @property
    def rounding(self) -> float:
        """How far it may be from where one is expected by rounding."""
        return _ROUNDING * math.ulp(max(abs(self.at), abs(self.t)))

    @property
    def slack(self) -> float:
        """How far it may be in all."""
        return self.uncertain + self.rounding


class _Train:
    """Kinks at even distances.

    looking : whether the next one is looked for, and not taken for granted; granted : how many are, once one was found;
    wrong : how many were not where they were foreseen, since then
    """

    def __init__(self, first: float, distance: float, gap: float) -> None:
        """first : one of them; distance : with sign; gap : as of one that was located."""
        self._first, self._distance, self.gap = first, distance, gap
        self.granted = self._left = _GRANTED
        self._next = 0  # the number of the one that is ahead
        self.looking = False
        self.wrong = 0

    def off(self, at: float) -> float:
        """How far a kink is from the closest one of these, in units of their distance."""
        number = (at - self._first) / self._distance
        return abs(number - round(number))

    def fits(self, kink: _Located) -> bool:
        """Whether it is one of them."""
        slack = kink.slack / abs(self._distance)
        return slack <= _CERTAIN and self.off(kink.at) <= slack

    def add(self, kink: _Located) -> None:
        """One of them was located."""
        number = round((kink.at - self._first) / self._distance)
        if number:
            self._distance = (kink.at - self._first) / number
        self.gap = max(self.gap, kink.gap)
        if self.looking:
            self.looking, self.wrong = False, 0
            self.granted *= _MORE
            self._left = self.granted
        else:
            self.wrong += 1

    def ahead(self, t: float) -> float:
        """The next one ahead of t; infinite if it is not taken for granted."""
        number = math.floor((t - self._first) / self._distance + _PASSED) + 1
        if number != self._next:
            if self.looking:  # nothing was found there
                self.granted, self._left = 1, 0
            self._next, self.looking = number, self._left == 0
            self._left -= not self.looking
        return math.inf if self.looking else self._first + number * self._distance


class Foreseen:
    """Where the next kink is to be expected, in a march in one direction."""

    def __init__(self) -> None:
        self._known: list[_Located] = []
        self._in_a_row = _IN_A_ROW
        self._trains: list[_Train] = []

    def add(self, at: float, uncertain: float, gap: float, t: float) -> None:
        """A kink was located, by a march that is at t; uncertain : how uncertain that is; gap : see `_Located`."""
        kink = _Located(at, uncertain, gap, t)
        if self._known and self._known[-1].t == t:  # once more the same one
            self._known.pop()
        self._known.append(kink)
        del self._known[:-_REMEMBERED]
        train = min(self._trains, key=lambda train: train.off(at), default=None)
        if train is not None and train.fits(kink):
            train.add(kink)
        else:
            if train is not None and train.off(at) <= _BESIDE and not train.looking:
                train.wrong += 1
            self._learn(kink)
        if train is not None and train.wrong == _WRONG:
            self._trains.remove(train)
            self._in_a_row *= 2

    def _learn(self, kink: _Located) -> None:
        """Follow a train that ends with this one, perhaps with others in between, if there is one."""
        for other in reversed(self._known[:-1]):
            distance = kink.at - other.at
            slack = kink.slack + 2.0 * other.slack
            if not (slack < _CERTAIN * abs(distance) and kink.rounding < _RESOLVED * abs(distance)):
                continue
            expected = [kink.at - i * distance for i in range(2, self._in_a_row + 1)]
            if all(any(abs(one.at - each) <= slack + one.slack for one in self._known) for each in expected):
                best = sorted(self._trains, key=lambda train: -train.granted)[: _TRAINS - 1]
                self._trains = [*best, _Train(kink.at - self._in_a_row * distance, distance, max(kink.gap, other.gap))]
                return

    def ahead(self, t: float) -> tuple[float, float]:
        """The next one ahead of t, or infinite, and its gap."""
        if not self._trains:
            return math.inf, 0.0
        next_ones = [(train.ahead(t), train.gap) for train in self._trains]
        return min(next_ones, key=lambda one: abs(one[0] - t))
