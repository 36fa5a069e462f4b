"""The global error of a marching solution: a second, wider one on the same windows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from .basis import basis
from .field import VectorField
from .solution import Solution
from .windows import CHEAP_JACOBIAN, make_window

Array = NDArray[Any]

__all__ = ["GlobalError", "global_error", "unseen"]

_WIDER, _WIDEST = 3, 24  # basis functions more than the solution has, and the most
# What Newton's method and the weights leave undecided, in parts of the tolerance. Errors are often 1e-2 of it.
_RESOLUTION = 1e-3
_UNDECIDED = 0.3  # what may be left where rounding stops it earlier
_ROUNDING = 16 * float(np.finfo(float).eps)
_EIGENVALUES = 50  # equations up to which growth is looked for
# Long windows are probed at so many points per span. A defect so many times the median of its window is news.
_PROBES = 256
_NEWS = 50.0
_GOLDEN = 0.6180339887498949


class GlobalError(NamedTuple):
    """x : (L,) abscissae, in the order of integration; error : (n, L), estimated, not negative; nfev, njev, nlu.

    longest : how long windows may be so that they follow a growing error, where one was longer; else infinite.
    """

    x: Array
    error: Array
    nfev: int
    njev: int
    nlu: int
    longest: float = np.inf


def global_error(solution: Solution, field: VectorField, atol: Array, rtol: Array, small: Array) -> GlobalError:
    """Estimate the error of a marching solution u by a better one z, ``e = u - z``.

    On each window z has three basis functions more than u and starts from where z, not u, was at the end of the
    window before. So e is made of the defects of u and of what the equation makes of them from then on, growth and
    decay included, and it is not restricted to first order. Newton's method starts from u and needs two or three
    sweeps: the cost is about half of the solution's.

    atol, rtol : (n,), the tolerance that errors are to be compared with. small : (n,), as in `VectorField.jacobian`.
    Infinite from the first window on where z cannot be found.

    An implicit method damps what grows by more than exp(s) in a window, in u as in z: such windows are reported.
    """
    n = field.n
    wider = basis(min(solution.network.n_hidden + 1 + _WIDER, _WIDEST))
    window = make_window(wider, field, _RESOLUTION * atol, np.maximum(_RESOLUTION * rtol, _ROUNDING))
    counts = np.array([field.nfev, field.njev])
    pieces, errors = [solution.x[:1]], [np.zeros((1, n))]
    z = solution.y[0].copy()
    df_dy = None
    previous, fastest, follows = 0.0, 0.0, 0.5 * (solution.network.n_hidden + 1)
    for k, start in enumerate(solution.x[:-1]):
        h = float(solution.h[k])
        end = solution.x[k + 1] if k + 1 < len(solution.h) else start + h
        t = start + h * wider.nodes
        t[-1] = end
        t = np.clip(t, min(start, end), max(start, end))
        u = solution.window_values(k, wider.nodes).T
        with np.errstate(all="ignore"):
            if df_dy is None:
                slope = field(float(start), z)
                df_dy = field.jacobian(float(start), z, slope, h * slope, small)
                growth = _growth(df_dy, follows / max(abs(h), previous), h)
                fastest = max(fastest, growth)
            previous = abs(h)
            window.Y[:] = u + (z - solution.y[k])
            left = 0.0 if window.solve(t, z, h, df_dy) else window.step
        pieces.append(t)
        if not left * _RESOLUTION < _UNDECIDED:
            pieces.append(solution.x[-1:])
            errors.append(np.full((t.size + 1, n), np.inf))
            break
        uncertain = left * (window.atol + window.rtol * abs(u)) + _ROUNDING * abs(u)
        errors.append(abs(u - window.Y) + uncertain)
        z = window.Y[-1].copy()
        if n <= CHEAP_JACOBIAN or window.sweeps > 3:
            df_dy = None
    nfev, njev = np.array([field.nfev, field.njev]) - counts
    longest = follows / fastest if fastest else np.inf
    return GlobalError(np.concatenate(pieces), np.concatenate(errors).T, int(nfev), int(njev), window.nlu, longest)


def _growth(df_dy: Any, least: float, h: float) -> float:
    """The fastest growth that df/dy allows, if it is more than `least`, else 0. Small dense df/dy only."""
    if issparse(df_dy) or len(df_dy) > _EIGENVALUES or not abs(df_dy).sum(axis=1).max(initial=0.0) > least:
        return 0.0
    if not np.isfinite(df_dy).all():
        return 0.0
    growth = float(np.linalg.eigvals(df_dy if h > 0.0 else -df_dy).real.max())
    return growth if growth > least else 0.0


def unseen(solution: Solution, field: VectorField, atol: Array, rtol: Array) -> float | None:
    """Where f does something between the nodes of a long window that neither solution has seen, or None.

    Windows longer than the nodes can watch over are probed at irregular points, for a defect u' - f(t, u) that stands
    out from its window and matters at the tolerance. What is narrower than 1/256 of the span may still be missed.
    """
    span = float(abs(solution.x[-1] - solution.x[0])) or 1.0
    for k, start in enumerate(solution.x[:-1]):
        h = float(solution.x[k + 1] - start)
        count = int(np.ceil(_PROBES * abs(h) / span))
        if count <= solution.network.n_hidden + 1 + _WIDER:
            continue
        t = np.sort(start + h * ((np.arange(1, count + 1) * _GOLDEN) % 1.0))
        u, f = solution(t).T, np.empty((count, field.n), dtype=field.dtype)
        with np.errstate(all="ignore"):
            field.nodes(t, u, f)
            d = abs(solution(t, nu=1).T - f)
        stands_out = d > _NEWS * np.median(d, axis=0)
        matters = ~(d * abs(h) / count <= atol + rtol * abs(u))
        if (stands_out & matters).any():
            return float(t[int(np.argmax((stands_out & matters).any(axis=1)))])
    return None
