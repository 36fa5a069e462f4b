"""A fit without its functions, as files hold it: what was solved at the optimum stands in for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Real
from ..ivp.shots import Shot
from ..trial.archive import stored
from .model import Model
from .unknowns import Unknowns

__all__ = ["KeptModel", "kept_of"]

_AGAIN = "Fit again with p0=res.params, which starts at the optimum."


@stored("name")
class Missing:
    """In the place of a function of the user's: says so where it is called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any) -> Any:
        """Raises ValueError."""
        raise ValueError(f"`{self.name}` is needed, which files do not hold. {_AGAIN}")


@stored("p", "value", "by_p")
class Initial:
    """In the place of a function ``y0(*p)``: its tangent at the optimum, value (n,) + by_p (n, j) @ change."""

    def __init__(self, p: Real, value: Real, by_p: Real) -> None:
        self.p, self.value, self.by_p = p, value, by_p

    def __call__(self, *args: float) -> Real:
        """Initial values near the optimum."""
        return np.asarray(self.value + self.by_p @ (np.array(args[: self.p.size]) - self.p))


class KeptModel(Model):
    """The model at the optimum, within the times of the solutions that were found there."""

    def __init__(self, unknowns: Unknowns, observe: Any, solutions: list[Any]) -> None:
        super().__init__(Missing("fun"), unknowns, observe, {"rtol": np.nan})
        self._solutions = solutions

    def __call__(self, values: Real) -> Any:
        """Other parameters need `fun`."""
        return self.fun()

    def solve(self, values: Real, i: int, times: Real) -> Shot | None:
        """Set i at these times, by the solution that is there."""
        sol = self._solutions[i]
        if sol is None:
            return None
        if times[-1] > sol.y.span[1]:
            raise ValueError(
                f"`t` goes beyond the last measurement, {sol.y.span[1]:.6g}: there `fun` is needed, which files do not "
                f"hold. {_AGAIN}"
            )
        by_y0, by_p = sol.both(times)
        own = self.unknowns.columns[i][0]
        if by_p.shape[1] != own.size:  # by all numbers in `args`, where a compiled f has those that are free
            by_p = by_p[:, own]
        return Shot(sol(times), sol.y.error(times), by_y0, by_p, 0, len(sol.y.h), lambda: sol)


def kept_of(model: Model, unknowns: Unknowns, values: Real) -> tuple[Unknowns, Any]:
    """The same unknowns and `observe` without functions."""
    sets = [
        each._replace(y0=_initial(model, unknowns, values, i), constants=()) for i, each in enumerate(unknowns.sets)
    ]
    observe = Missing("observe") if callable(model.observe) else model.observe
    return Unknowns(unknowns.parameters, sets, unknowns.bounds_of_y0), observe


def _initial(model: Model, unknowns: Unknowns, values: Real, i: int) -> Any:
    y0 = unknowns.sets[i].y0
    if not callable(y0) or isinstance(y0, Initial):
        return y0
    p = unknowns.p(values, i)
    return Initial(p, unknowns.y0(values, i)[0], model.y0_by_p(i, p))
