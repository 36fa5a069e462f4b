"""The derivatives of a marching solution by initial values and parameters, as a solution of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Real
from ..compiled.report import beside
from ..compiled.tangent import tangents
from ..trial.basis import Basis
from ..trial.solution import Solution, constant, with_error
from ..trial.windows import at_windows
from .partials import STEP, Derivatives, least_sizes
from .tables import bases_of, of_networks

__all__ = ["differentiated"]

# Entries of the systems that are solved at once: 64 MiB. Not tuned.
_AT_ONCE = 2**23
# Unknowns of a window's system up to which compiled code solves it: beyond that LAPACK pays. Not tuned.
_MOST_UNKNOWNS = 240


def differentiated(sol: Solution, of_f: Derivatives, estimate: bool) -> Solution:
    """The derivatives of a marching solution as a `Solution`, with an estimate of its error if that is wanted."""
    n, columns = sol.network.n, sol.network.n + of_f.k
    if not n or not sol.h.any():
        first = np.hstack([np.eye(n), np.zeros((n, of_f.k))])
        still = constant(float(sol.x[0]), float(sol.x[-1]), first.ravel())
        return with_error(still, still.x, np.zeros((first.size, 2)))
    bases = bases_of(sol.network.n_hidden + 1)
    own, wider = bases.own, bases.wider
    K, N = len(sol.h), n * columns
    values, _, slopes = _along(sol, own, of_f, None)
    places = np.column_stack([sol.x[:-1], sol.h, sol.x[1:]])
    V, bias, u, y = np.empty((K, N, own.s - 1)), np.empty((K, N)), np.empty((K, 0, N)), np.empty((K, N))
    start, end, h = np.empty((3, K))
    beside(places, values, slopes, *own.of_output, bases.transposed, V, bias, u, start, end, h, y)
    found = of_networks(sol.x, y, V, bias, bases, h)
    if not estimate:
        return found
    at_wider = y[:, None] + h[:, None, None] * (bases.reading @ slopes)
    ways = np.ones(K), np.where(np.arange(K) % 2, -1.0, 1.0)  # of one alone the effects may cancel
    off = np.maximum(*(abs(at_wider - _along(sol, wider, of_f, signs)[1]) for signs in ways))
    off = np.broadcast_to(_around(off.max(axis=1))[:, None], off.shape)
    x = np.append(sol.x[0], (sol.x[:-1, None] + sol.h[:, None] * wider.nodes).ravel())
    bound = np.vstack([np.zeros((1, N)), off.reshape(-1, N)])
    return with_error(found, x, np.ascontiguousarray(bound.T))


def _around(largest: Real) -> Real:
    """The largest of each window (K, N) and its neighbours: errors change their sign, and so do their estimates."""
    padded = np.concatenate([largest[:1], largest, largest[-1:]])
    return np.asarray(np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:]))


def _along(sol: Solution, used: Basis, of_f: Derivatives, signs: Real | None) -> tuple[Real, Real, Real]:
    """The derivatives at the start of windows, at the last node, and again (K, 3, N), at nodes (K, s, N), their slopes.

    signs : (K,), those with which y is moved by its estimated error in each window, if it is: then the difference says
    what that does to derivatives, too.
    """
    n = sol.network.n
    Y = at_windows(sol, used.nodes)
    t = sol.x[:-1, None] + sol.h[:, None] * used.nodes
    if signs is not None:
        off = sol.error(np.clip(t.ravel(), sol.t_min, sol.t_max)).T.reshape(Y.shape)
        Y = Y + signs[:, None, None] * np.where(np.isfinite(off), off, 0.0)
    code = of_f.machine_code if used.s * n <= _MOST_UNKNOWNS else None
    if code is not None:
        K, N = len(t), n * (n + of_f.k)
        found = np.empty((K, 3, N)), np.empty((K, used.s, N)), np.empty((K, used.s, N))
        least = least_sizes(Y.reshape(-1, n))
        calls = tangents(
            code.address, code.words, code.moved, code.runs, t, np.ascontiguousarray(Y), sol.h, used.A, least, STEP,
            *found,
        )  # fmt: skip
        if calls >= 0:
            of_f.nfev += calls
            return found
    return _along_by_arrays(t, Y, sol.h, used, of_f)


def _along_by_arrays(t: Real, Y: Real, h: Real, used: Basis, of_f: Derivatives) -> tuple[Real, Real, Real]:
    """As `_along`, given times (K, s) and y (K, s, n) at the nodes, for f that only Python can call."""
    n = Y.shape[2]
    S = np.hstack([np.eye(n), np.zeros((n, of_f.k))])
    values, nodes, slopes = [], [], []
    for part in _parts(len(t), used.s * n):
        K, s, _ = Y[part].shape
        points = t[part].ravel(), Y[part].reshape(-1, n)
        J, F = of_f.by_y(*points).reshape(K, s, n, n), of_f.by_p(*points).reshape(K, s, n, of_f.k)
        solved = _solved(used.A, h[part], J, F)
        each = np.empty((K, *S.shape))
        for k in range(K):
            each[k] = S
            S = solved[k, -1, :, :n] @ S
            S[:, n:] += solved[k, -1, :, n:]
        at_nodes = solved[..., :n] @ each[:, None]
        at_nodes[..., n:] += solved[..., n:]
        of_time = J @ at_nodes
        of_time[..., n:] += F
        last = at_nodes[:, -1]
        values.append(np.stack([each, last, last], axis=1).reshape(K, 3, -1))
        nodes.append(at_nodes.reshape(K, s, -1))
        slopes.append(of_time.reshape(K, s, -1))
    return np.concatenate(values), np.concatenate(nodes), np.concatenate(slopes)


def _parts(K: int, unknowns: int) -> Iterator[slice]:
    """Windows, as many as are dealt with at once."""
    size = max(1, _AT_ONCE // unknowns**2)
    return (slice(lo, lo + size) for lo in range(0, K, size))


def _solved(A: Real, h: Real, J: Real, F: Real) -> Real:
    """(I - h A x J)^-1 (1 x I | h A F) for each window, (K, s, n, n + k)."""
    K, s, n, _ = J.shape
    hA = h[:, None, None] * A
    M = (-hA[:, :, None, :, None] * J.transpose(0, 2, 1, 3)[:, None]).reshape(K, s * n, s * n)
    M[:, np.arange(s * n), np.arange(s * n)] += 1.0
    right = np.empty((K, s, n, n + F.shape[3]))
    right[..., :n] = np.eye(n)
    right[..., n:] = (hA @ F.reshape(K, s, -1)).reshape(F.shape)
    try:
        found = np.linalg.solve(M, right.reshape(K, s * n, -1))
    except np.linalg.LinAlgError:
        return np.full(right.shape, np.nan)
    return np.asarray(found.reshape(right.shape), dtype=float)
