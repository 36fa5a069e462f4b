"""df/dy and df/dp of a user's function at many points, and which numbers among its arguments p are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arguments import EPS
from ..arrays import Index, Number, Real
from ..compiled.functions import Called
from ..compiled.tangent import partials
from ..user.differences import alternating, disagreement, replaced
from ..user.field import VectorField, WithArgs, compiled_on_nodes
from ..user.parameters import parameters_of
from ..user.results import checked

__all__ = ["FLOOR", "STEP", "Derivatives", "count_of", "least_sizes"]

# Relative step of central differences, and the part of the largest value of a component that counts as its size. Not
# tuned.
STEP, FLOOR = EPS ** (1.0 / 3.0), 1e-3
# Points at which the user's derivatives are compared with differences. Not tuned.
_COMPARED = 8


def least_sizes(Y: Real) -> Real:
    """What counts as the size of a component of Y (m, n) at least, in differences, (n,)."""
    largest = abs(Y).max(axis=0, initial=0.0)
    return np.where(largest > 0.0, FLOOR * largest, 1.0)


def count_of(args: tuple[Any, ...]) -> int:
    """How many numbers there are in `args`."""
    return len(parameters_of(args)[1])


class MachineCode(NamedTuple):
    """What compiled code makes differences of f by, see `compiled.tangent.tangents`; kept : what words point to."""

    address: int
    words: Index
    moved: Index
    runs: Real
    kept: list[Any]


class Derivatives:
    """df/dy and df/dp at many points."""

    def __init__(
        self,
        fun: Callable[..., Any],
        args: tuple[Any, ...],
        numbers: list[tuple[int, Any]],
        n: int,
        jac: Any,
        df_dp: Callable[..., Any] | None,
    ) -> None:
        self._fun, self._args, self._numbers, self._n = fun, args, numbers, n
        self._jac, self._df_dp = jac, df_dp
        self._sides: list[tuple[float, VectorField, VectorField]] = []
        self.nfev = 0

    @property
    def k(self) -> int:
        """How many parameters there are."""
        return len(self._numbers)

    @functools.cached_property
    def _field(self) -> VectorField:
        return self._of(self._args)

    def _of(self, args: tuple[Any, ...]) -> VectorField:
        return VectorField(WithArgs(self._fun, args) if args else self._fun, self._n, float, False, said=True)

    def _with(self, args: tuple[Any, ...]) -> VectorField:
        return self._of(args).as_sure_as(self._field)

    @functools.cached_property
    def machine_code(self) -> MachineCode | None:
        """For compiled code that makes the differences itself; None where f or its derivatives are Python's."""
        if self._jac is not None or self._df_dp is not None:
            return None
        code = compiled_on_nodes(WithArgs(self._fun, self._args) if self._args else self._fun, self._field.n)
        words = code.words() if isinstance(code, Called) else None
        if not isinstance(code, Called) or words is None:
            return None
        runs, moved = np.empty(self.k), np.repeat(words[None], 2 * self.k, axis=0)
        kept = []
        for j, (i, index) in enumerate(self._numbers):
            step, runs[j] = self._step_of(j)
            for row, way in ((2 * j, step), (2 * j + 1, -step)):
                if index is None and words.size == len(self._args):  # numbers only, one word each
                    moved[row, i] = np.float64(self._args[i] + way).view(np.int64)
                    continue
                args = self._moved({j: way})
                kept.append(args)
                own = code.with_args(args)
                if own is None:
                    return None
                moved[row] = own
        return MachineCode(code.address, words, moved, runs, kept)

    def _step_of(self, j: int) -> tuple[float, float]:
        """How far parameter j is moved, and how far apart its two values are."""
        i, index = self._numbers[j]
        value = float(self._args[i] if index is None else self._args[i][index])
        step = STEP * (abs(value) or 1.0)
        return step, (value + step) - (value - step)

    def _values(self, field: VectorField, t: Real, Y: Real) -> Real:
        values = np.empty(Y.shape)  # in C order, whatever the order of Y
        with np.errstate(all="ignore"):
            field.nodes(t, np.ascontiguousarray(Y), values)
        self.nfev += t.size
        return values

    def at(self, t: Real, Y: Real) -> Real:
        """f at the points (t_i, Y_i), (m, n)."""
        return self._values(self._field, t, np.ascontiguousarray(Y))

    def by_y(self, t: Real, Y: Real) -> Real:
        """df/dy at the points (t_i, Y_i), t (m,), Y (m, n), (m, n, n)."""
        if self._jac is not None:
            if self._right(t, Y, self._jac, "jac", self._along_y):
                return self._called(self._jac, "jac", t, Y, self._n)
            replaced("jac", "fun")
            self._jac = None
        least = least_sizes(Y)
        found = np.empty((t.size, self._n, self._n))
        for j in range(self._n):
            step = STEP * np.maximum(abs(Y[:, j]), least[j])
            found[:, :, j] = self._central(Y, j, step, lambda moved: self._values(self._field, t, moved))
        return found

    @staticmethod
    def _central(Y: Real, j: int, step: Real, f: Callable[[Real], Real]) -> Real:
        ahead, back = Y.copy(), Y.copy()
        ahead[:, j] += step
        back[:, j] -= step
        run = (ahead[:, j] - back[:, j])[:, None]
        return np.asarray((f(ahead) - f(back)) / run)

    def both(self, t: Real, Y: Real) -> tuple[Real, Real]:
        """df/dy and df/dp at the points."""
        code = self.machine_code
        if code is not None:
            J, F = np.empty((t.size, self._n, self._n)), np.empty((t.size, self._n, self.k))
            points = np.ascontiguousarray(t), np.ascontiguousarray(Y)
            if partials(code.address, code.words, code.moved, code.runs, *points, least_sizes(Y), STEP, J, F):
                self.nfev += 2 * t.size * (self._n + self.k)
                return J, F
        return self.by_y(t, Y), self.by_p(t, Y)

    def by_p(self, t: Real, Y: Real) -> Real:
        """df/dp at the points, (m, n, k)."""
        if self._df_dp is not None and self.k:
            if self._right(t, Y, self._df_dp, "df_dp", self._along_p):
                return self._called(self._df_dp, "df_dp", t, Y, self.k)
            replaced("df_dp", "fun")
            self._df_dp = None
        found = np.empty((t.size, self._n, self.k))
        for j, (run, ahead, back) in enumerate(self._both_sides()):
            found[:, :, j] = (self._values(ahead, t, Y) - self._values(back, t, Y)) / run
        return found

    def _both_sides(self) -> list[tuple[float, VectorField, VectorField]]:
        """For each parameter the distance of two values of it, and f with each of them; made once."""
        if not self._sides:
            for j in range(self.k):
                step, run = self._step_of(j)
                self._sides.append((run, self._with(self._moved({j: step})), self._with(self._moved({j: -step}))))
        return self._sides

    def _moved(self, steps: dict[int, float]) -> tuple[Any, ...]:
        """`args` with some of their numbers moved."""
        args = list(self._args)
        for j, step in steps.items():
            i, index = self._numbers[j]
            if index is None:
                args[i] = args[i] + step
            else:
                args[i] = args[i].copy() if args[i] is self._args[i] else args[i]
                args[i][index] += step
        return tuple(args)

    def _called(self, function: Callable[..., Any], name: str, t: Real, Y: Real, columns: int) -> Real:
        found = np.empty((t.size, self._n, columns))
        for i, (moment, y) in enumerate(zip(t.tolist(), Y, strict=True)):
            found[i] = checked(function(moment, y.copy(), *self._args), (self._n, columns), name)
        return found

    def _right(self, t: Real, Y: Real, function: Callable[..., Any], name: str, along: Callable[..., Any]) -> bool:
        """Whether the user's derivative agrees with differences, at some points in one direction."""
        columns = self._n if name == "jac" else self.k
        for i in np.unique(np.linspace(0, t.size - 1, _COMPARED).astype(int)).tolist():
            moment, y = float(t[i]), Y[i]
            said = self._called(function, name, t[i : i + 1], Y[i : i + 1], columns)[0]
            direction, moved = along(moment, y)
            value = self._field(moment, y)
            if disagreement(moved, said @ direction, abs(said) @ abs(direction), value).any():
                return False
        return True

    def _along_y(self, t: float, y: Real) -> tuple[Real, Callable[[float], Number]]:
        direction = alternating(np.where(y != 0.0, abs(y), 1.0))
        return direction, lambda part: self._field(t, y + part * direction)

    def _along_p(self, t: float, y: Real) -> tuple[Real, Callable[[float], Number]]:
        sizes = [abs(self._args[i] if index is None else self._args[i][index]) or 1.0 for i, index in self._numbers]
        direction = alternating(np.array(sizes))
        return direction, lambda part: self._with(self._moved(dict(enumerate((part * direction).tolist()))))(t, y)
