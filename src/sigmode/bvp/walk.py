"""Points along a branch, one after the other in the parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from ..callback import tell
from .branch import DONE, STUCK, Branch
from .solve_bvp import solve_bvp
from .start import Combined

__all__ = ["Walk"]

# A solution is taken for one of another branch if it is this many steps from where the last two point to, and this part
# of its size. Not tuned.
_STEPS_AWAY, _PART_AWAY = 3.0, 0.1
# Points of the span where solutions are compared.
_PLACES = np.linspace(0.0, 1.0, 17)

# A step may be halved so often before the branch is given up. Not tuned.
HALVINGS = 12


class Walk:
    """The points found so far, and the way to one more."""

    def __init__(self, fun: Any, bc: Any, where: tuple[int, list[Any]], options: dict[str, Any], callback: Any) -> None:
        self.fun, self.bc, (self._place, self._own), self.options = fun, bc, where, options
        self._callback, self.bar = callback, None
        self.branch = Branch(value=[], value_error=[], results=[], slope=[], sheet=[], folds=[], nsolve=0)

    def args(self, value: Any) -> tuple[Any, ...]:
        """`args` with this value of the parameter."""
        return (*self._own[: self._place], value, *self._own[self._place + 1 :])

    def solved(self, value: float, guess: Any) -> OptimizeResult:
        """The solution at a value of the parameter."""
        self.branch.nsolve += 1
        start = dict(zip("xyp", guess, strict=False)) if isinstance(guess, tuple) else {"guess": guess}
        return solve_bvp(self.fun, self.bc, args=self.args(value), **start, **self.options)

    def begin(self, guess: Any, value: float) -> bool:
        """The first point."""
        first = self.solved(value, guess)
        if not first.success:
            self.end(STUCK, f"There is no first point at {value:.6g}: {first.message}")
            return False
        self.add(first, value)
        return True

    def add(self, res: OptimizeResult, value: float, error: float = 0.0, slope: float = np.nan) -> None:
        """One more point."""
        b = self.branch
        b.value.append(value)
        b.value_error.append(error)
        b.slope.append(slope)
        b.results.append(res)
        b.sheet.append(len(b.folds))
        if self.bar is not None:
            self.bar.update(abs(value - b.value[0]) - self.bar.n)
        tell(self._callback, value=value, number=len(b.value), result=res, folds=list(b.folds))

    def through(self, wanted: list[float]) -> None:
        """Through all of these values; a step that fails is halved."""
        at, last, before = self.branch.value[0], self.branch.results[0], None
        for goal in wanted:
            step, halvings = goal - at, 0
            while at != goal:
                following = goal if abs(goal - at) <= abs(step) * (1.0 + 1e-9) else at + step
                res = self._from(last, before, at, following)
                if res.success and not _jumped(
                    res, last, before, (following - at) / (at - before[1]) if before else 0.0
                ):
                    before, last, at = (last, at), res, following
                    halvings = max(halvings - 1, 0)
                    step *= 2.0
                    continue
                halvings += 1
                step /= 2.0
                if halvings > HALVINGS:
                    self.end(
                        STUCK,
                        f"No step from {at:.10g} towards {goal:.6g}, however short: {_said(res)} Is there a fold? Try "
                        "`arclength=True`.",
                    )
                    return
            self.add(last, goal)
        self.end(DONE, "All values were reached.")

    def _from(self, last: Any, before: Any, at: float, following: float) -> OptimizeResult:
        """The solution at `following`, from the last one or from the last two."""
        if before is None or before[1] == at:
            return self.solved(following, last)
        part = (following - at) / (at - before[1])
        return self.solved(following, Combined.of(last, 1.0 + part, before[0], -part))

    def end(self, status: int, message: str) -> None:
        """How it ended."""
        self.branch.status, self.branch.message, self.branch.success = status, message, status == DONE

    def finished(self) -> Branch:
        """The branch with arrays in place of lists."""
        b = self.branch
        for name in ("value", "value_error", "slope"):
            b[name] = np.array(b[name], dtype=float)
        b.sheet = np.array(b.sheet, dtype=int)
        b.sol = [res.sol for res in b.results]
        b.error = np.array([res.error for res in b.results])
        return b


def _jumped(res: OptimizeResult, last: OptimizeResult, before: Any, part: float) -> bool:
    """Whether a solution is far from where the last two, ``part`` of their distance further, point to."""
    if before is None:
        return False
    x = res.sol.x[0] + (res.sol.x[-1] - res.sol.x[0]) * _PLACES
    new, y, old = res.sol(x), last.sol(x), before[0].sol(x)
    away = abs(new - (y + part * (y - old))).max(axis=1)
    moved = abs(y - old).max(axis=1) * max(abs(part), 1.0)
    return bool((away > np.maximum(_STEPS_AWAY * moved, _PART_AWAY * (1.0 + abs(y).max(axis=1)))).any())


def _said(res: OptimizeResult) -> str:
    return "the only solution found is far away." if res.success else str(res.message)
