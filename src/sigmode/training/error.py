"""The global error of a trial solution, from its defect and the linearised error equation.

For a trial solution u with defect ``d = u' - f(x, u)`` the error ``e = u - y`` obeys ``e' = J e + d`` with
``J = df/dy`` to first order, ``e(x0) = 0``.  It is integrated by Radau collocation on windows that resolve d.
A second sweep, driven by what the linearisation left out, tells whether the first order is enough.

An equation of second order comes as the system of y and y'.  Where its conditions are the values at both ends, so
are those of the error: e = 0 for y there, a boundary value problem over the same windows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import solve_banded

from ..arguments import EPS
from ..arrays import Flags, Real
from ..trial.points import irregular, radau
from ..user.equation import RightHandSide
from ..user.growth import fastest

Trial = Callable[[Real], tuple[Real, Real]]

__all__ = ["UNIT_ROUNDOFF", "ErrorEstimate", "Noise", "global_error"]

# Radau nodes per window, order 9: between two collocation points the defect is close to a parabola. Not tuned.
_STAGES = 5
# Windows at most, and rounds of halving. Not tuned.
_MAX_WINDOWS, _MAX_ROUNDS = 2048, 12
# A window is split while the last two Legendre coefficients of the defect, integrated, exceed this part of the whole.
# Not tuned.
_RESOLVED = 0.01
# Probes of the whole span: docs/decisions.md, "The whole span is probed", has what they find.
_PROBES = irregular(1024)
# A defect is hidden if it is 4 times the largest one at the nodes of its window, and 1000 roundings of the slope. Not
# tuned.
_HIDDEN, _MORE_THAN_ROUNDING = 4.0, 1e3
# A component that is zero holds what is left of the others, whose relative residual means nothing: terms below this
# part of the largest one count as that much. With the sqrt(tol) that `verdict` asks for it is below tol down to 1e-12.
_AT_REST = 1e-6
# An error may grow by e**2 per window: Radau damps growth that is faster (docs/decisions.md, "Windows follow the
# growth").
_GROWTH = 2.0
# Entries of all window matrices, 256 MiB, and of one batch of them, 32 MiB. Not tuned.
_MAX_MATRICES, _MAX_ENTRIES = 2**25, 2**22
UNIT_ROUNDOFF = EPS / 2


def _radau_matrix(c: Real) -> Real:
    """A_ij: the integral from 0 to c_i of the j-th Lagrange polynomial on the nodes c."""
    powers = np.arange(len(c))
    return np.asarray((c[:, None] ** (powers + 1) / (powers + 1)) @ np.linalg.inv(c[:, None] ** powers))


_NODES = radau(_STAGES)
_INTEGRATE = _radau_matrix(_NODES)
_TO_LEGENDRE = np.linalg.inv(legendre.legvander(2.0 * _NODES - 1.0, _STAGES - 1)).T


class ErrorEstimate(NamedTuple):
    """What is known of the error of a trial solution.

    x : (K + 1,) abscissae; bound : (n, K + 1), the estimate's envelope, to be read linearly in between;
    second : (n,), the largest part of it that is beyond the linearisation: where it is not small, nothing is known;
    residual : the largest defect relative to the terms that it is the difference of;
    bad_x : where `fun` or `jac` was not finite, or None.
    """

    x: Real
    bound: Real
    second: Real
    residual: float
    bad_x: float | None = None


class _Samples(NamedTuple):
    """Windows lo to hi (K,), nodes x (K, q); u, f and defect d, all (n, K, q)."""

    lo: Real
    hi: Real
    x: Real
    u: Real
    f: Real
    d: Real


class Noise(NamedTuple):
    """Rounding errors of one value of u and of du/dx, (n,) each."""

    u: Real
    du: Real


def global_error(
    trial: Trial, rhs: RightHandSide, breaks: Real, noise: Noise, two_point: bool = False
) -> ErrorEstimate:
    """Estimate the error of a trial solution over a span.

    trial(x) -> (u, du/dx), both (n, m); breaks : (K + 1,), monotone, the ends of the first windows: dense enough to
    hit every feature of the trial solution at least once; two_point : the first half of u is exact at both ends, not
    all of it at the start.
    Cost: `fun` and `jac` at 5 points per window once, one linear system of size 5 n per window.
    """
    with np.errstate(all="ignore"):
        limit = _window_limit(len(noise.u))
        breaks = np.append(breaks[: -1 : -(-len(breaks) // limit)], breaks[-1])
        samples = _resolve(trial, rhs, _probed(trial, rhs, breaks), limit)
        samples, df_dy, grows = _follow_growth(trial, rhs, samples, limit)
        x = np.append(samples.lo, samples.hi[-1])
        bad = ~(np.isfinite(samples.d).all(axis=0) & np.isfinite(df_dy).all(axis=(0, 1)))
        if bad.any() or grows:
            unknown = np.full((len(noise.u), x.size), np.inf)
            return ErrorEstimate(x, unknown, unknown[:, 0], np.inf, float(samples.x[bad][0]) if bad.any() else None)
        windows = _Windows(samples.hi - samples.lo, df_dy, two_point)
        first = windows.integrate(samples.d)
        second = windows.integrate(_neglected(samples, df_dy, first, rhs))
        rounding = windows.integrate(_rounding(samples, df_dy, noise))
        bound = _envelope(abs(first) + abs(second) + abs(rounding)) + noise.u[:, None]
        bound[~np.isfinite(bound)] = np.inf
        return ErrorEstimate(x, bound, abs(second).max(axis=(1, 2)), _relative_residual(samples, df_dy))


def _sample(trial: Trial, rhs: RightHandSide, lo: Real, hi: Real) -> _Samples:
    x = lo[:, None] + (hi - lo)[:, None] * _NODES
    x[:, -1] = hi  # exactly: fun must not be called outside the span
    u, du = trial(x.ravel())
    f = rhs(x.ravel(), u)
    shape = (len(u), *x.shape)
    return _Samples(lo, hi, x, u.reshape(shape), f.reshape(shape), (du - f).reshape(shape))


def _probed(trial: Trial, rhs: RightHandSide, breaks: Real) -> _Samples:
    """The windows between the breaks, and more where a probe of the span finds a defect that the nodes do not show.

    What is narrower than the distance of two probes, a thousandth of the span, may still be missed.
    """
    x = breaks[0] + (breaks[-1] - breaks[0]) * _PROBES
    u, du = trial(x)
    d = abs(du - rhs(x, u))
    samples = _sample(trial, rhs, breaks[:-1], breaks[1:])
    seen = abs(samples.d).max(axis=2)
    rising = breaks[-1] > breaks[0]
    window = np.searchsorted(breaks if rising else -breaks, x if rising else -x, side="right") - 1
    window = np.clip(window, 0, seen.shape[1] - 1)
    floor = _MORE_THAN_ROUNDING * UNIT_ROUNDOFF * abs(du).max(axis=1)
    hidden = ~(d <= _HIDDEN * seen[:, window] + floor[:, None]).all(axis=0)  # true where it is NaN
    if not hidden.any():
        return samples
    hidden[1:-1] |= hidden[2:] | hidden[:-2]  # with its neighbours
    more = np.unique(np.concatenate([breaks, x[hidden]]))
    more = more if rising else more[::-1]
    return _sample(trial, rhs, more[:-1], more[1:])


def _window_limit(n: int) -> int:
    """Windows whose matrices of size 5 n fit into the memory that is allowed."""
    return min(_MAX_WINDOWS, max(16, _MAX_MATRICES // (_STAGES * n) ** 2))


def _follow_growth(trial: Trial, rhs: RightHandSide, samples: _Samples, limit: int) -> tuple[_Samples, Real, bool]:
    """Windows short enough for the fastest growing error, df/dy at their nodes, and whether there is still too much.

    Radau damps what is stiff, be it decay or growth: on a window with h lambda >> 1 an error that grows would vanish.
    """
    while True:
        df_dy = _at_nodes(samples, rhs.jacobian)
        pieces = np.ceil(_growth(samples.hi - samples.lo, df_dy) / _GROWTH).clip(1.0)
        if not np.isfinite(pieces).all() or pieces.sum() > limit:
            return samples, df_dy, bool(np.isfinite(df_dy).all())
        fast = pieces > 1.0
        if not fast.any():
            return samples, df_dy, False
        cuts = [np.linspace(a, b, int(k) + 1) for a, b, k in zip(*samples[:2], pieces, strict=True) if k > 1.0]
        lo, hi = (np.concatenate([c[part] for c in cuts]) for part in (slice(None, -1), slice(1, None)))
        samples = _merge(samples, ~fast, _sample(trial, rhs, lo, hi))


def _growth(h: Real, df_dy: Real) -> Real:
    """h times the largest real part of an eigenvalue of df/dy on each window, (K,); 0 where the norm is small."""
    n, _, K, q = df_dy.shape
    matrices = np.sign(h)[:, None, None, None] * df_dy.transpose(2, 3, 0, 1)
    growth = np.zeros(K)
    large = abs(h) * abs(matrices).sum(axis=3).max(axis=(1, 2)) > _GROWTH  # the norm bounds the eigenvalues
    if np.isfinite(matrices).all():
        real = fastest(matrices[large].reshape(-1, n, n)).reshape(-1, q)
        growth[large] = abs(h[large]) * real.max(axis=1, initial=0.0)
    return growth


def _resolve(trial: Trial, rhs: RightHandSide, samples: _Samples, most: int) -> _Samples:
    """Halve windows until each shows its defect, as judged by the tail of its Legendre series."""
    for _ in range(_MAX_ROUNDS):
        h = abs(samples.hi - samples.lo)
        weight = h * abs(samples.d).mean(axis=2)
        tail = h * abs(samples.d @ _TO_LEGENDRE)[..., -2:].max(axis=2)
        floor = 8 * UNIT_ROUNDOFF * abs(samples.u).max(axis=(1, 2)) if samples.u.size else np.zeros(len(weight))
        limit = np.maximum(_RESOLVED * weight.sum(axis=1), floor)
        rough = (tail > limit[:, None]).any(axis=0)
        middle = 0.5 * (samples.lo + samples.hi)
        rough &= (middle != samples.lo) & (middle != samples.hi)
        if not rough.any() or rough.size + rough.sum() > most:
            break
        lo = np.concatenate([samples.lo[rough], middle[rough]])
        hi = np.concatenate([middle[rough], samples.hi[rough]])
        samples = _merge(samples, ~rough, _sample(trial, rhs, lo, hi))
    return samples


def _merge(old: _Samples, keep: Flags, new: _Samples) -> _Samples:
    """The windows of `old` that are kept and all of `new`, in the order of integration."""
    lo = np.concatenate([old.lo[keep], new.lo])
    order = np.argsort(lo)
    if old.hi[0] < old.lo[0]:
        order = order[::-1]
    rows = [np.concatenate([a[keep], b])[order] for a, b in zip(old[1:3], new[1:3], strict=True)]
    blocks = [np.concatenate([a[:, keep], b], axis=1)[:, order] for a, b in zip(old[3:], new[3:], strict=True)]
    return _Samples(lo[order], rows[0], rows[1], blocks[0], blocks[1], blocks[2])


def _at_nodes(samples: _Samples, function: Callable[[Real, Real], Real]) -> Real:
    n, K, q = samples.u.shape
    value = function(samples.x.ravel(), samples.u.reshape(n, -1))
    return value.reshape(*value.shape[:-1], K, q)


def _neglected(samples: _Samples, df_dy: Real, e: Real, rhs: RightHandSide) -> Real:
    """The defect of the corrected solution u - e: f(u) - J e - f(u - e), second order in e."""
    corrected = samples._replace(u=samples.u - e[:, :, 1:])
    f = _at_nodes(corrected, rhs)
    return np.asarray(samples.f - (df_dy * e[None, :, :, 1:]).sum(axis=1) - f)


def _rounding(samples: _Samples, df_dy: Real, noise: Noise) -> Real:
    """Rounding errors of the defect with random signs (the same in every run): what no estimate can see below."""
    size = noise.du[:, None, None] + UNIT_ROUNDOFF * abs(samples.f) + np.einsum("klwj,l->kwj", abs(df_dy), noise.u)
    return np.asarray(np.random.default_rng(0).choice([-1.0, 1.0], size.shape) * size)


class _Windows:
    """The linear equation e' = J e + d over all windows, e = 0 at the start, or its first half at both ends.

    Per window, with e_i = e_start + h sum_j A_ij (J_j e_j + d_j), the map from e_start and d to the nodes is affine:
    the systems of all windows are solved at once, then chained.
    """

    def __init__(self, h: Real, df_dy: Real, two_point: bool) -> None:
        n, _, K, q = df_dy.shape
        self._h = h
        self._ends = _between if two_point else _chained
        self._solve = np.empty((K, q * n, q * n))
        batch = max(1, _MAX_ENTRIES // (q * n) ** 2)
        for lo in range(0, K, batch):
            part = slice(lo, lo + batch)
            matrix = -np.einsum("w,ij,klwj->wikjl", h[part], _INTEGRATE, df_dy[:, :, part]).reshape(-1, q * n, q * n)
            matrix += np.eye(q * n)
            try:
                self._solve[part] = np.linalg.inv(matrix)
            except np.linalg.LinAlgError:  # a window that the error cannot cross: no estimate
                self._solve[part] = np.inf

    def integrate(self, d: Real) -> Real:
        """e at the start and the nodes of each window, (n, K, q + 1), driven by d, (n, K, q)."""
        n, K, q = d.shape
        source = np.einsum("w,ij,kwj->wik", self._h, _INTEGRATE, d).reshape(K, q * n, 1)
        source = (self._solve @ source).reshape(K, q, n)
        propagate = self._solve.reshape(K, q, n, q, n).sum(axis=3)
        e = np.empty((K, q + 1, n))
        e[:, 0] = self._ends(propagate[:, -1], source[:, -1])
        e[:, 1:] = (propagate @ e[:, :1, :, None])[..., 0] + source
        return e.transpose(2, 0, 1)


def _chained(propagate: Real, source: Real) -> Real:
    """e at the start of each window, (K, n): ``e_k+1 = P_k e_k + q_k`` from e = 0."""
    e = np.zeros(source.shape)
    for k in range(len(e) - 1):
        e[k + 1] = propagate[k] @ e[k] + source[k]
    return e


def _between(propagate: Real, source: Real) -> Real:
    """As `_chained`, with the first half of e zero at the start and at the end, the rest free.

    All windows are one banded system, factorised with pivoting: shooting from the start would lose everything where
    solutions of the equation grow by more than 1e16. Rows: the conditions at the start, the windows, those at the end.
    """
    K, n = source.shape
    half = n // 2
    width = 3 * half - 1
    matrix = np.zeros((2 * width + 1, (K + 1) * n))
    window, i, j = n * np.arange(K)[:, None, None], np.arange(n)[:, None], np.arange(n)
    matrix[width + half + i - j, window + j] = -propagate
    matrix[width - half, n:] = 1.0  # e_k+1 in the rows of window k
    edge = np.arange(half)
    matrix[width, edge] = 1.0
    matrix[width + half, edge + K * n] = 1.0
    right = np.zeros((K + 1) * n)
    right[half:-half] = source.ravel()
    try:
        return np.asarray(solve_banded((width, width), matrix, right, check_finite=False).reshape(-1, n)[:-1])
    except np.linalg.LinAlgError:  # another solution is infinitely close: no estimate
        return np.full(source.shape, np.inf)


def _envelope(size: Real) -> Real:
    """A bound at the windows' ends whose linear interpolation is nowhere below the sizes (n, K, q + 1)."""
    largest = size.max(axis=2)
    bound = np.empty((largest.shape[0], largest.shape[1] + 1))
    bound[:, :-1] = largest
    bound[:, -1] = largest[:, -1]
    bound[:, 1:-1] = np.maximum(bound[:, 1:-1], largest[:, :-1])
    return bound


def _relative_residual(samples: _Samples, df_dy: Real) -> float:
    """The largest |d| over the size of what it is the difference of: |u|/span + |f| + |J||u|."""
    size = abs(samples.u).max(axis=(1, 2))
    span = abs(samples.hi[-1] - samples.lo[0])
    terms = (size / span)[:, None, None] + abs(samples.f) + np.einsum("klwj,l->kwj", abs(df_dy), size)
    floor = max(_AT_REST * float(terms.max()), np.finfo(float).tiny)
    return float((abs(samples.d) / np.maximum(terms, floor)).max())
