"""The global error of a marching solution: a second, wider one on the same windows."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import eye_array, issparse
from scipy.sparse.linalg import spsolve

from ..arguments import EPS
from ..arrays import Number, Real
from ..callback import Callback, tell
from ..compiled.across import across
from ..compiled.asking import LITTLE, LONG_STEP
from ..compiled.between import is_mild
from ..compiled.compare import compare
from ..compiled.control import CHEAP_JACOBIAN
from ..compiled.probes import BESIDE_KINKS, PROBES, STANDS_OUT, apart
from ..compiled.python import Asked
from ..compiled.window import last_places, rounding
from ..trial.basis import Basis, basis
from ..trial.points import irregular
from ..trial.solution import Solution
from ..trial.windows import at_windows, values_and_slopes
from ..user.field import VectorField
from ..user.growth import fastest
from .march import MOST_COMPILED
from .noise import down_to_noise
from .together import at_starts, together
from .window import OneSystem, make_window, one_system

__all__ = [
    "FOLLOWED", "MAY_REMAIN", "ROUNDING", "SOLVED_TO", "GlobalError", "at_once", "fastest_growth",
    "followed", "global_error", "one_by_one", "unseen", "weights", "wider",
]  # fmt: skip

# The comparison march has this many functions more than the solution, up to a largest number
# (docs/decisions.md, "The global error is the difference to a wider solution").
_MORE_FUNCTIONS, _MOST_FUNCTIONS = 3, 24
# It is solved to this part of the tolerance, since true errors are often 1e-2 of it. Not tuned.
SOLVED_TO = 1e-3
# What Newton's method may leave, in units of that, where rounding stops it earlier. Not tuned.
MAY_REMAIN = 300.0
# Rounding errors of a value, relative to it. Not tuned.
ROUNDING = 16 * EPS
# Equations up to which growth is looked for: beyond that the eigenvalues cost more than the march. Not tuned.
_MOST_EQUATIONS_FOR_GROWTH = 50
# Defects between the nodes that are looked at for the error that they leave; one more counts as missed. Not tuned.
_MOST_LOOKED_AT = 64
_TINY = float(np.finfo(float).tiny)
# Growth by e**(s/2) in a window is still followed; faster growth is damped as decay is (docs/decisions.md, "Growth
# limits the windows").
FOLLOWED = 0.5
# Relative step of differences that noise of f hardly reaches. Not tuned.
_COARSE_STEP = 1e-3
# How much df/dy by differences to both sides may differ, relative to its size, where f is smooth. Not tuned.
_SMOOTH = 1e-4


# At most so many are probes of one window, and a window has always the same.
_irregular = functools.lru_cache(maxsize=PROBES)(irregular)


class GlobalError(NamedTuple):
    """x : (L,) abscissae, in the order of integration; error : (n, L), estimated, not negative; nfev, njev, nlu.

    size : (n, L), |y| there;
    gap : (n,), the solution minus the better one at its end, NaN where that was not found;
    per_window : how many of x, after the first, belong to each window;
    longest : how long windows may be so that they follow a growing error, where one was longer; else infinite.
    """

    x: Number
    error: Number
    size: Number
    nfev: int
    njev: int
    nlu: int
    gap: Number
    longest: float = np.inf
    per_window: int = 1


def global_error(
    solution: Solution,
    field: VectorField,
    atol: Real,
    rtol: Real,
    small: Real,
    watch: Callback | None = None,
    carried: Number | None = None,
) -> GlobalError:
    """Estimate the error of a marching solution u by a better one z, ``e = u - z``.

    On each window z has three basis functions more than u and starts from where z, not u, was at the end of the
    window before. So e is made of the defects of u and of what the equation makes of them from then on, growth and
    decay included, and it is not restricted to first order. Newton's method starts from u and needs two or three
    sweeps: the cost is about half of the solution's.

    atol, rtol : (n,), the tolerance that errors are to be compared with. small : (n,), as in `VectorField.jacobian`.
    watch : told of each window, with ``t`` and ``y``.
    carried : (n,), the `gap` of the solution that this one continues.
    Infinite from the first window on where z cannot be found.

    An implicit method damps what grows by more than exp(s) in a window, in u as in z: such windows are reported.
    """
    second = basis(wider(solution.network.n_hidden + 1))
    solved_to = weights(atol, rtol)
    least = followed(solution.h, solution.network.n_hidden + 1)
    before = field.nfev, field.njev
    carried = np.zeros_like(solution.y[0]) if carried is None else carried
    end = np.array([_end(solution, k) for k in range(len(solution.h))])
    windows = solution.x[:-1], end, solution.h, solution.y
    with np.errstate(all="ignore"):
        u = at_windows(solution, second.nodes)
        solved_to = down_to_noise(solved_to, field, u, solution.y)
        found = _compiled(field, second, windows, u, solved_to, small, carried) if field.n <= MOST_COMPILED else None
        if found is None:
            field.nfev, field.njev = before
            first = solution.y[0] - carried
            if watch is None and field.at_once and field.differences and one_system(second, field):
                found = at_once(field, second, windows, u, first, solved_to, small)
            found = found or one_by_one(field, second, windows, u, first, solved_to, small, watch)
    growing = fastest_growth(field, small, (solution.x[:-1], solution.y, solution.h), found.df_dy, least)
    longest = FOLLOWED * (solution.network.n_hidden + 1) / growing if growing else np.inf
    calls = field.nfev - before[0], field.njev - before[1], found.nlu
    return GlobalError(*_errors(solution, found, solved_to, carried), *calls, _gap(found), longest, second.s)


def _errors(
    solution: Solution, found: _Found, solved_to: tuple[Real, Real], carried: Number
) -> tuple[Number, Number, Number]:
    """x (L,), errors (n, L) and |y| there, see `GlobalError`."""
    u, t, z, left, done = found[:5]
    n = u.shape[2]
    atol, rtol = solved_to
    size = abs(np.concatenate([solution.y[:1], u[: done + 1].reshape(-1, n)]))
    uncertain = np.repeat(left[:done], u.shape[1])[:, None] * (atol + rtol * size[1 : 1 + done * u.shape[1]])
    error = abs(u - z)[:done].reshape(-1, n) + uncertain + ROUNDING * size[1 : 1 + done * u.shape[1]]
    x, errors = [solution.x[:1], t[: done + 1].ravel()], [abs(carried)[None], error]
    if done < len(u):
        x.append(solution.x[-1:])
        errors.append(np.full((u.shape[1] + 1, n), np.inf))
        size = np.concatenate([size, abs(u[-1, -1:])])
    return np.concatenate(x), np.concatenate(errors).T, size.T


def _gap(found: _Found) -> Number:
    """The solution minus the better one at its end."""
    if found.done < len(found.u):
        return np.full(found.u.shape[2], np.nan)
    return np.asarray(found.u[-1, -1] - found.z[-1, -1])


def _end(solution: Solution, k: int) -> float:
    """Where the nodes of a window end: where the next one starts, or before that where it was cut off before a kink."""
    start = solution.x[k]
    end, following = start + solution.h[k], solution.x[k + 1]
    same = k + 1 < len(solution.h) and abs(end - following) <= 2.0 * np.spacing(max(abs(start), abs(following)))
    return float(following if same else end)


class _Found(NamedTuple):
    """A second march beside a first one, u (K, s, n).

    t (K, s), z (K, s, n), left (K,) : as of `compare.compare`; done : windows that are solved; df_dy : at the start of
    each window, or None where that is the one before; nlu : matrices.
    """

    u: Number
    t: Real
    z: Number
    left: Real
    done: int
    df_dy: Iterable[Any]
    nlu: int


def wider(s: int) -> int:
    """Functions of the second march beside one with s."""
    return min(s + _MORE_FUNCTIONS, _MOST_FUNCTIONS)


def weights(atol: Real, rtol: Real) -> tuple[Real, Real]:
    """atol and rtol that the second march is solved to, given those that errors are to be compared with."""
    return SOLVED_TO * atol, np.maximum(SOLVED_TO * rtol, ROUNDING)


def followed(h: Real, s: int) -> Real:
    """The growth that is followed in windows of s functions and lengths h, (K,), and in those before them."""
    lengths = abs(h)
    return np.asarray(FOLLOWED * s / np.maximum(lengths, np.append(0.0, lengths[:-1])))


_Windows = tuple[Real, Real, Real, Number]  # where their nodes begin and end, (K,), their lengths (K,), and y (K, n)


def _compiled(
    field: VectorField,
    second: Basis,
    windows: _Windows,
    u: Number,
    solved_to: tuple[Real, Real],
    small: Real,
    carried: Number,
) -> _Found | None:
    """The second march in compiled code; None where f has to be called from Python."""
    words = field.compiled.words() if field.compiled and field.differences else None
    if words is None or field.compiled is None:
        return None
    start, end, h, y = windows
    K, s, n = u.shape
    t, z, left, df_dy = np.empty((K, s)), np.empty_like(u), np.zeros(K), np.empty((K, n, n))
    # Moved as a whole, since the second march starts each window at u + (z - y), which starts at z = y.
    done, calls = compare(
        field.compiled.address, words, start, end, h, y - carried, u - carried, second.nodes, second.A,
        second.transposed, *second.split, *solved_to, np.ascontiguousarray(small, dtype=float), MAY_REMAIN, t, z, left,
        df_dy,
    )  # fmt: skip
    if calls < 0:
        return None
    field.nfev += calls
    field.njev += min(done + 1, K)
    return _Found(u, t, z, left, done, df_dy[: min(done + 1, K)], 0)


def _off(first: Number, u: Number) -> Number:
    """Where the second march starts: a rounding error off, but for what does not move."""
    return np.asarray(first + (u[0, -1] != first) * last_places(0, np.arange(first.size), first))


def _nodes(second: Basis, windows: _Windows) -> Real:
    """The nodes of windows, (K, s), none of them outside."""
    start, end, h, _ = windows
    t = start[:, None] + h[:, None] * second.nodes
    t[:, -1] = end
    return np.minimum(np.maximum(t, np.minimum(start, end)[:, None]), np.maximum(start, end)[:, None])


def at_once(
    field: VectorField,
    second: Basis,
    windows: _Windows,
    u: Real,
    first: Real,
    solved_to: tuple[Real, Real],
    small: Real,
) -> _Found | None:
    """The second march from `first` on by `together`; None where it is not found that way.

    Not tried where f scatters: from window to window that adds up, and steps do not become small.
    """
    if field.precision.coarse:
        return None
    start, end, h, y = windows
    t = _nodes(second, windows)
    found = together(field, second, (start, y, h), u, t, _off(first, u), solved_to, small)
    if found is None:
        return None
    z, df_dy, left = found
    asked: Asked | None = None
    for k in np.flatnonzero(end[:-1] != start[1:]).tolist():
        now, straight = z[k, -1].copy(), z[k, -1] + (y[k + 1] - u[k, -1])
        asked = _go_across(field, asked, windows, k, u[k, -1], now, solved_to)
        if (now != straight).any():  # a jump that hangs on y
            return None
    return _Found(u, t, z, left, len(u), df_dy, len(u))


def one_by_one(
    field: VectorField,
    second: Basis,
    windows: _Windows,
    u: Number,
    first: Number,
    solved_to: tuple[Real, Real],
    small: Real,
    watch: Callback | None = None,
) -> _Found:
    """The second march from `first` on, window by window."""
    start, end, h, y = windows
    window = make_window(second, field, *solved_to)
    if isinstance(window, OneSystem) and field.differences and not field.at_once and watch is None:
        return _in_one_call(field, window, windows, u, first, small)
    t, z, left = _nodes(second, windows), np.empty_like(u), np.zeros(len(u))
    now, done = _off(first, u), len(u)
    df_dy: Any = None
    each, few = np.arange(field.n), isinstance(window, OneSystem)
    matrices: list[Any] = []
    asked: Asked | None = None
    all_at_once = field.at_once and field.differences and one_system(second, field)
    known = at_starts(field, start, y, h, small) if all_at_once else None

    def made(k: int, slope: Number, relative: float | None = None) -> Any:
        still = (now == 0.0) & (slope == 0.0)
        if k and end[k - 1] != start[k] and field.differences:  # behind a kink
            ahead, first = float(t[k, 0]), window.Y[0]
            return field.jacobian(ahead, first, field(ahead, first), h[k] * slope, small, still, relative)
        return field.jacobian(float(start[k]), now, slope, h[k] * slope, small, still, relative)

    for k in range(len(u)):
        length = float(h[k])
        window.Y[:] = u[k] + (now - y[k])
        slope = None if known is not None or df_dy is not None else field(float(start[k]), now)
        if slope is not None:
            df_dy = made(k, slope)
        elif known is not None:
            df_dy = known[k]
        matrices.append(df_dy if slope is not None or known is not None else None)
        left[k] = 0.0 if window.solve(t[k], now, length, df_dy) else window.step
        z[k] = window.Y
        if not left[k] < LITTLE * MAY_REMAIN and np.isfinite(window.Y).all():
            # Secants may have led astray, or noise of f: once more from where they led.
            if slope is not None and few and is_mild(length, df_dy):
                df_dy = made(k, slope, max(field.precision.step, LONG_STEP))
            size = 0.0 if window.solve(t[k], now, length, df_dy) else window.step
            if size < left[k]:
                left[k], z[k] = size, window.Y
        if not left[k] < MAY_REMAIN:
            done = k
            break
        now = z[k, -1] + rounding(k, each, now, z[k, -1])
        if k + 1 < len(u) and end[k] != start[k + 1]:  # a kink
            asked = _go_across(field, asked, windows, k, u[k, -1], now, solved_to)
        tell(watch, t=float(end[k]), y=now.copy(), nfev=field.nfev, t0=float(start[0]), t_bound=float(end[-1]))
        if field.n <= CHEAP_JACOBIAN or window.sweeps > 3:
            df_dy = None
    return _Found(u, t, z, left, done, matrices, window.nlu)


def _go_across(
    field: VectorField,
    asked: Asked | None,
    windows: _Windows,
    k: int,
    u: Number,
    now: Number,
    solved_to: tuple[Real, Real],
) -> Asked | None:
    """Bring the second march, `now`, from the end of window k, where the first one is at u, to the next one's start.

    asked : f as compiled code calls it, made where it is needed first, and returned.
    """
    start, end, h, y = windows
    if field.dtype.kind == "c":  # where a jump hangs on y nothing is known of both sides
        now += y[k + 1] - u
        return None
    asked = asked or Asked(field.nodes, field.n)
    if across(asked.address, asked.words, end[k], start[k + 1], h[k + 1], u, y[k + 1], now, *solved_to) < 0:
        raise asked.failed.pop()
    return asked


def _in_one_call(field: VectorField, window: OneSystem, windows: _Windows, u: Real, first: Real, small: Real) -> _Found:
    """The same in compiled code that asks Python for f alone."""
    t = _nodes(window.basis, windows)
    z, left, df_dy, done = window.march_beside(windows, u, t, _off(first, u), small, MAY_REMAIN)
    return _Found(u, t, z, left, done, df_dy[: done + 1], window.nlu)


def fastest_growth(
    field: VectorField, small: Real, starts: tuple[Real, Number, Real], df_dy: Iterable[Any], least: Real
) -> float:
    """The fastest growth that df/dy allows in a window, if that is more than can be followed there, else 0.

    starts : t (K,), y (K, n) and length h (K,) of windows; df_dy, least : of the first of them, what is not looked at
    is None. Looked at again by coarse differences: noise of f may pass for growth.
    """
    found = 0.0
    if isinstance(df_dy, np.ndarray):
        df_dy = _that_may_grow(df_dy, least, starts[2])
    for k, matrix in enumerate(df_dy):
        growth = _growth(matrix, least[k], starts[2][k]) if matrix is not None else 0.0
        if growth and field.differences:
            t, y = float(starts[0][k]), starts[1][k]
            slope, rest = field(t, y), np.zeros(field.n)
            coarse = field.jacobian(t, y, slope, rest, small, relative=_COARSE_STEP)
            growth = min(growth, _growth(coarse, least[k], starts[2][k]))
            if growth:
                growth = min(growth, _growth(_to_both_sides(field, t, y, slope, small), least[k], starts[2][k]))
        found = max(found, growth)
    return found


def _to_both_sides(field: VectorField, t: float, y: Number, slope: Number, small: Real) -> Any:
    """df/dy by differences to both sides; to that to which y goes where the two differ, as at a kink, or f fails."""
    rest = np.zeros(field.n)
    ahead = field.jacobian(t, y, slope, rest, small)
    try:
        with np.errstate(all="ignore"):
            behind = field.jacobian(t, y, slope, rest, small, relative=-field.precision.step)
    except Exception:  # of f, which nobody would have called there
        return ahead
    smooth = abs(ahead - behind).sum() <= _SMOOTH * abs(ahead).sum()  # which NaN is not
    return 0.5 * (ahead + behind) if smooth else ahead


def _that_may_grow(df_dy: Real, least: Real, h: Real) -> list[Any]:
    """df/dy of the windows in which an eigenvalue allows too much growth, of the others None."""
    found: list[Any] = [None] * len(df_dy)
    if df_dy.shape[1] > _MOST_EQUATIONS_FOR_GROWTH:
        return found
    at = np.flatnonzero(abs(df_dy).sum(axis=2).max(axis=1, initial=0.0) > least[: len(df_dy)])
    at = at[np.isfinite(df_dy[at]).all(axis=(1, 2))]
    if at.size:
        growth = fastest(df_dy[at] * np.sign(h[at, None, None]))
        for k in at[growth > least[at]].tolist():
            found[k] = df_dy[k]
    return found


def _growth(df_dy: Any, least: float, h: float) -> float:
    """The fastest growth that df/dy allows, if it is more than `least`, else 0. Small dense df/dy only."""
    if (
        issparse(df_dy)
        or len(df_dy) > _MOST_EQUATIONS_FOR_GROWTH
        or not abs(df_dy).sum(axis=1).max(initial=0.0) > least
    ):
        return 0.0
    if not np.isfinite(df_dy).all():
        return 0.0
    growth = float(fastest((df_dy if h > 0.0 else -df_dy)[None])[0])
    return growth if growth > least else 0.0


def unseen(solution: Solution, field: VectorField, atol: Real, rtol: Real) -> float | None:
    """Where f does something between the nodes of a long window that neither solution has seen, or None.

    Windows longer than the nodes can watch over are probed at irregular points, for a defect u' - f(t, u) that stands
    out from its window and matters at the tolerance; those beside kinks in any case. What is narrower than 1/256 of the
    span, or than a tenth of a window, may still be missed.
    """
    span = float(abs(solution.x[-1] - solution.x[0])) or 1.0
    lengths = np.diff(solution.x)
    counts = np.ceil(PROBES * abs(lengths) / span).astype(int)
    watched = solution.network.n_hidden + 1 + _MORE_FUNCTIONS
    kinks = np.array([apart(_end(solution, k), solution.x[k + 1]) for k in range(len(lengths) - 1)], dtype=bool)
    beside_kink = np.append(kinks, False) | np.append(False, kinks)
    counts[beside_kink] = np.maximum(counts[beside_kink], math.ceil(BESIDE_KINKS * watched))
    long = np.flatnonzero(counts > watched).tolist()
    if not long:
        return None
    points = np.concatenate([_irregular(int(counts[k])) for k in long])
    of_window = np.repeat(long, counts[long])
    t = solution.x[of_window] + lengths[of_window] * points
    u, du_dt = values_and_slopes(solution, t)
    f = np.empty_like(u)
    with np.errstate(all="ignore"):
        field.nodes(t, u, f)
        d = abs(du_dt - f)
    per_point = (abs(lengths) / counts)[of_window, None]
    matters = ~(d * per_point <= atol + rtol * abs(u))
    if not matters.any():
        return None
    parts = np.split(d, np.cumsum(counts[long])[:-1])
    typical = [np.partition(part, len(part) // 2, axis=0)[len(part) // 2] for part in parts]
    stands_out = d > STANDS_OUT * np.repeat(typical, counts[long], axis=0)
    found = np.flatnonzero((stands_out & matters).any(axis=1))
    for number, i in enumerate(found.tolist()):
        tolerance = atol + rtol * abs(u[i])
        width = float(per_point[i, 0]) * np.sign(lengths[0])
        small = tolerance / np.maximum(rtol, _TINY)
        if number == _MOST_LOOKED_AT or _leaves(
            field, float(t[i]), u[i], f[i], width, du_dt[i] - f[i], small, tolerance
        ):
            return float(t[i])
    return None


def _leaves(
    field: VectorField, t: float, y: Number, slope: Number, width: float, defect: Number, small: Real, tolerance: Real
) -> bool:
    """Whether a defect over such a width leaves an error above the tolerance: (I - width df/dy) e = width defect.

    Where the equation is stiff the error is far smaller than width times the defect.
    """
    df_dy = field.jacobian(t, y, slope, width * slope, small)
    with np.errstate(all="ignore"):
        try:
            if issparse(df_dy):
                e = spsolve((eye_array(field.n) - width * df_dy).tocsc(), width * defect)
            else:
                e = np.linalg.solve(np.eye(field.n) - width * df_dy, width * defect)
        except np.linalg.LinAlgError:
            return True
    return not bool((abs(e) <= tolerance).all())
