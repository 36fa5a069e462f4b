"""How a boundary value solve ends: the statuses of a result, how Newton's iteration ended, and every text about it."""

from __future__ import annotations

import enum

__all__ = ["CONDITIONS", "CROWDED", "MESSAGES", "OK", "STOPPED", "UNSOLVED", "Newton", "not_finite", "useless"]

# `res.status`: SciPy's four, and that of a callback.
OK, CROWDED, UNSOLVED, CONDITIONS, STOPPED = range(5)

MESSAGES = {
    OK: "The algorithm converged to the desired accuracy.",
    CROWDED: "The maximum number of mesh nodes is exceeded.",
    CONDITIONS: "The solver was unable to satisfy boundary conditions tolerance on iteration 10.",
    STOPPED: "`callback` stopped the iteration.",
}

_UNSOLVABLE = "The collocation system could not be solved"


class Newton(enum.Enum):
    """How Newton's iteration on one mesh ended; the value is what a user should know of it."""

    CONVERGED = ""
    STALLED = f"{_UNSOLVABLE}: Newton's iteration does not converge. Does a solution exist? Try another guess."
    SINGULAR = (
        "A singular Jacobian encountered when solving the collocation system. Do the boundary conditions determine the "
        "solution?"
    )
    NOT_FINITE = f"{_UNSOLVABLE}: the derivatives of `fun` are not finite."


def not_finite(where: str) -> str:
    """`Newton.NOT_FINITE` where it is the residual, with the place."""
    return f"{_UNSOLVABLE}: non-finite residual{where}."


def useless() -> str:
    """Why `CROWDED` is reported before the limit is reached."""
    return "More nodes do not help: rounding, or `fun` is not smooth."
