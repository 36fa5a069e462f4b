"""Points along the arc of a branch, around its folds: the parameter is one more unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, brentq

from ..arrays import Real
from .branch import DONE, LONG, STUCK, Fold
from .report import BvpResult
from .solve_bvp import solve_bvp
from .start import Combined
from .walk import HALVINGS, Walk

__all__ = ["LONGEST_STEP", "Arc"]

# The first step in parts of the range of the parameter, its growth after an easy point and its limit; a step is easy if
# the direction turned by less than 15 degrees, and is made again, half as long, if it turned by more than 45. Not
# tuned.
_FIRST_STEP, _GROWTH, LONGEST_STEP = 0.05, 1.5, 0.25
_EASY, _TOO_MUCH = np.cos(np.pi / 12), np.cos(np.pi / 4)
# Folds are located with the tolerance of the branch, or this one if it is less and can be met; roots along the arc to
# this part of a step. Not tuned.
_FOLD_TOL, _PART = 1e-10, 1e-10


class _Lost(Exception):
    """A point between two others could not be solved."""


class Arc:
    """Steps along the arc of a branch.

    A point has a vector v = (values at both ends, p, value), weights that make its entries comparable, and the
    direction t of the branch there, of length 1 in weighted entries.
    """

    def __init__(self, walk: Walk, start: float, goal: float, most: int, longest: float) -> None:
        self._walk, self._most, self._longest = walk, most, longest
        self._low, self._high = sorted((start, goal))
        self._sign = np.sign(goal - start)
        first = walk.branch.results[0]
        if first.y.dtype.kind == "c":
            raise ValueError("`arclength=True` needs real functions, but those of `guess` are complex.")
        self._k = 0 if first.p is None else first.p.size

    def run(self) -> None:
        """From the first point out of the range, or as far as it goes."""
        walk = self._walk
        point = self._first(walk.branch.results[0], walk.branch.value[0])
        if not point.success:
            return walk.end(STUCK, f"There is no direction of the branch at its first point: {point.message}")
        walk.branch.slope[0] = float(point.t[-1])
        ds, halvings = min(_FIRST_STEP, self._longest), 0
        while len(walk.branch.value) < self._most:
            new = self._at(point, ds, walk.options)
            turned = float(new.t @ point.t) if new.success else -1.0
            if turned < _TOO_MUCH:
                ds, halvings = 0.5 * ds, halvings + 1
                if halvings > HALVINGS:
                    return walk.end(STUCK, f"No step along the arc at {point.value:.10g}, however short: {new.message}")
                continue
            turn = self._fold(point, ds) if new.t[-1] * point.t[-1] < 0.0 else None
            if turn is not None and not turn.success:
                return walk.end(STUCK, f"The fold near {point.value:.10g} could not be located: {turn.message}")
            before = 0.0
            for s, reached in ((turn.s, turn), (ds, new)) if turn is not None else ((ds, new),):
                if not self._low <= reached.value <= self._high:
                    return self._leave(point, (before, s), reached)
                before = s
                if reached is turn:
                    found = {"value": turn.value, "value_error": turn.value_error, "index": len(walk.branch.value)}
                    walk.branch.folds.append(Fold(**found, sol=turn.plain.sol, result=turn.plain))
            walk.add(new.plain, new.value, new.value_error, float(new.t[-1]))
            point, halvings = new, 0
            ds = min(ds * (_GROWTH if turned > _EASY else 1.0), self._longest)
        return walk.end(LONG, f"`max_points` = {self._most} points were reached.")

    def _first(self, res: OptimizeResult, value: float) -> OptimizeResult:
        """The first point with its direction, towards the goal: that of the solution by the parameter alone."""
        base = self._base(res, value)
        base.t = np.zeros(base.v.size)
        base.t[-1] = self._sign
        base.rate, base.q_rate = res.sol, np.zeros(self._k + 1)
        return self._at(base, 0.0, self._walk.options, still=True)

    def _base(self, res: OptimizeResult, value: float) -> OptimizeResult:
        p = np.empty(0) if res.p is None else res.p[: self._k]
        v = np.concatenate([res.y[:, 0], res.y[:, -1], p, [value]])
        weights = 1.0 / np.maximum(abs(v), 1.0)
        weights[-1] = 1.0 / (self._high - self._low)
        return OptimizeResult(sol=res.sol, v=v, weights=weights, q=np.append(p, value), value=value)

    def _at(self, base: OptimizeResult, s: float, options: dict[str, Any], still: bool = False) -> OptimizeResult:
        """The point at the length s from a base, with its direction; still: guess that nothing moves."""
        walk, k = self._walk, self._k

        def fun(x: Real, y: Real, q: Real, s: float) -> Any:
            return walk.fun(x, y, *([q[:k]] if k else []), *walk.args(q[k]))

        def bc(ya: Real, yb: Real, q: Real, s: float) -> Real:
            asked = walk.bc(ya, yb, *([q[:k]] if k else []), *walk.args(q[k]))
            along = base.t @ (base.weights * (np.concatenate([ya, yb, q]) - base.v))
            return np.append(asked, along - s)

        moved = base.sol if still else Combined(base.sol, 1.0, base.rate, s)
        guess = OptimizeResult(sol=moved, p=base.q if still else base.q + s * base.q_rate)
        walk.branch.nsolve += 1
        res = solve_bvp(fun, bc, guess=guess, args=(s,), sensitivity=True, **options)
        if not res.success:
            return OptimizeResult(success=False, message=res.message)
        return self._point(res)

    def _point(self, res: OptimizeResult) -> OptimizeResult:
        """A point out of the result of the extended problem."""
        point = self._base(res, float(res.p[-1]))
        v_rate = np.concatenate([res.dy_dargs[:, 0, 0], res.dy_dargs[:, 0, -1], res.dp_dargs[:, 0]])
        length = float(np.linalg.norm(point.weights * v_rate))
        point.update(success=bool(np.isfinite(length)), message="The direction is not finite.")
        point.t = point.weights * v_rate / length
        point.rate = Combined(res.sol_dargs[0], 1.0 / length, res.sol_dargs[0], 0.0)
        point.q_rate = res.dp_dargs[:, 0] / length
        point.value_error = float(res.p_error[-1])
        plain = BvpResult({name: res[name] for name in res if "dargs" not in name})
        plain.p, plain.p_error = (res.p[:-1], res.p_error[:-1]) if self._k else (None, None)
        point.plain = plain
        return point

    def _fold(self, base: OptimizeResult, ds: float) -> OptimizeResult:
        """The fold between a base and the point at the length ds from it, with its length s."""
        own = self._walk.options
        for options in (own | {"tol": min(own["tol"], _FOLD_TOL)}, own):
            found = self._where(base, (0.0, ds), options, lambda point: float(point.t[-1]))
            if found.success:
                break
        return found

    def _leave(self, base: OptimizeResult, between: tuple[float, float], reached: OptimizeResult) -> None:
        """The last point: where the branch leaves the range, between two lengths."""
        end = self._high if reached.value > self._high else self._low
        last = self._where(base, between, self._walk.options, lambda point: point.value - end)
        if not last.success:
            return self._walk.end(STUCK, f"The last point at {end:.6g} could not be solved: {last.message}")
        self._walk.add(last.plain, end, last.value_error, float(last.t[-1]))
        return self._walk.end(DONE, f"The branch was followed until it left the range at {end:.6g}.")

    def _where(
        self, base: OptimizeResult, between: tuple[float, float], options: dict[str, Any], of: Any
    ) -> OptimizeResult:
        """The point between two lengths from a base where a number of the point is zero, with its length."""

        def number(part: float) -> float:
            point = self._at(base, part, options)
            if not point.success:
                raise _Lost(point.message)
            return float(of(point))

        try:
            root = brentq(number, *between, xtol=_PART * between[1])
            found = self._at(base, root, options)
        except (_Lost, ValueError) as error:
            return OptimizeResult(success=False, message=str(error))
        found.s = root
        return found
