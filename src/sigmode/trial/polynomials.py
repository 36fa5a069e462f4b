"""Solutions as piecewise polynomials, within an error that is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial, chebyshev
from numpy.typing import ArrayLike
from scipy.interpolate import PPoly

from ..arguments import EPS, finite, numbers
from ..arrays import Number, Real
from .pieces import edges, last_xi
from .piecewise import Piecewise
from .windows import magnitudes

__all__ = ["DEGREE", "ppoly"]

# A polynomial of this degree through Chebyshev points with both ends: powers of x lose two digits, what higher degrees
# gain in fewer pieces they lose in digits. Not tuned.
DEGREE = 7
_NODES = 0.5 - 0.5 * np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
_NODES[[0, -1]] = 0.0, 1.0
# From values at the nodes to Chebyshev's polynomials on [0, 1], and from these, exactly, to powers, the highest first.
# In one step rounding errors would be 1e-12.
_TO_CHEBYSHEV = np.linalg.inv(chebyshev.chebvander(2.0 * _NODES - 1.0, DEGREE)).T
_TO_POWERS = np.array(
    [np.pad(Chebyshev.basis(j, domain=[0, 1]).convert(kind=Polynomial).coef, (0, DEGREE - j))
     for j in range(DEGREE + 1)]
)[:, ::-1]  # fmt: skip
# Where the error is looked at, twice between neighbouring nodes, and what it may be there, in units of what is asked
# for: it is largest in the middle between two nodes. Not tuned.
_BETWEEN = np.sort(np.concatenate([part * _NODES[1:] + (1.0 - part) * _NODES[:-1] for part in (0.35, 0.65)]))
_MAY_BE = 0.7
_POWERS = np.vander(_BETWEEN, DEGREE + 1).T
# Pieces of a span, at most, and what is not asked for, in units of the rounding errors that are expected. Not tuned.
_MOST_PIECES = 200_000
_LEAST = 4.0 * EPS


def ppoly(sol: Piecewise, error: ArrayLike) -> PPoly:
    """See `Solution.to_ppoly`."""
    limit = _checked(error, sol.n)
    if sol.x[0] == sol.x[-1]:
        raise ValueError("A span of no length has no polynomial pieces.")
    least = _LEAST * magnitudes(sol, 0).max(axis=0)
    for k in np.flatnonzero(~(limit >= least)).tolist():
        raise ValueError(
            f"`error` must be above the rounding errors of component {k}, {least[k]:.1e}, got {limit[k]:.1e}."
        )
    start, end = _first_pieces(sol)
    known = np.array([sol(start), sol(end)])  # (2, n, pieces)
    done: list[tuple[Real, Number]] = []
    pieces = 0
    while pieces + start.size <= _MOST_PIECES:
        h = end - start
        values = np.asarray(sol(start[:, None] + h[:, None] * _NODES, extrapolate=True))
        values[..., 0], values[..., -1] = known
        c = (values @ _TO_CHEBYSHEV) @ _TO_POWERS
        c[..., -1] = known[0]  # (n, pieces, powers)
        off = abs(c @ _POWERS - sol(start[:, None] + h[:, None] * _BETWEEN, extrapolate=True)).max(axis=2)
        good = (off <= _MAY_BE * limit[:, None]).all(axis=0)
        done.append((np.array([start[good], h[good]]), c[:, good]))
        if good.all():
            return _joined(sol, done)
        pieces += int(good.sum())
        middle = 0.5 * (start + end)[~good]
        at_middle = sol(middle)
        known = np.array([np.hstack([known[0][:, ~good], at_middle]), np.hstack([at_middle, known[1][:, ~good]])])
        start, end = np.hstack([start[~good], middle]), np.hstack([middle, end[~good]])
    raise ValueError(f"`error` would need more than {_MOST_PIECES} pieces, got {error!r}.{_steep(sol, start, limit)}")


def _steep(sol: Piecewise, x: Real, limit: Real) -> str:
    """What the rounding of x does there, if it is as much as the limit."""
    moved = EPS * abs(x) * abs(sol(x, 1))  # (n, points)
    k, j = np.unravel_index(np.argmax(moved / limit[:, None]), moved.shape)
    if moved[k, j] < 0.1 * limit[k]:
        return ""
    return (
        f" Component {k} is steep at x = {x[j]:g}, the rounding of x alone moves it by {moved[k, j]:.1e}: `error` may "
        "have a value for each component."
    )


def _checked(error: ArrayLike, n: int) -> Real:
    limit = numbers(error, "error", f"() or ({n},)", real=True)
    if limit.shape not in ((), (n,)):
        raise ValueError(f"`error` has wrong shape: expected () or ({n},), got {limit.shape}.")
    finite(limit, "`error`")
    if not (limit > 0.0).all():
        raise ValueError(f"`error` must be positive, got {error!r}.")
    return limit * np.ones(n)


def _first_pieces(sol: Piecewise) -> tuple[Real, Real]:
    """Starts and ends, (pieces,) each, in the order of the span: none reaches across the border of two windows."""
    ends = [
        sol.x[k] + sol.h[k] * edges(sol, k, 0.0, last_xi(sol, k))[:-1] if sol.h[k] else sol.x[k : k + 1]
        for k in range(len(sol.y))
    ]
    x = np.append(np.concatenate(ends), sol.x[-1])
    return x[:-1], x[1:]


def _joined(sol: Piecewise, done: list[tuple[Real, Number]]) -> Any:
    (start, h), c = np.concatenate([part[0] for part in done], axis=1), np.concatenate([p[1] for p in done], axis=1)
    order = np.argsort(start if sol.x[-1] > sol.x[0] else -start)
    scaled = c[:, order] / h[order, None] ** np.arange(DEGREE, -1, -1)
    x = np.append(start[order], sol.x[-1])
    return PPoly(scaled.transpose(0, 2, 1), x, extrapolate=sol.extrapolate, axis=1)
