"""Windows between two ends, a trial solution on them, and how both are carried to a finer mesh."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.special import ive

from ..arrays import Index, Real
from ..compiled import chain, series
from ..trial.basis import Basis

__all__ = ["Mesh", "State", "read", "refined", "transferred"]

# Points of a window at which its variation is looked at. Not tuned.
_SAMPLES = np.linspace(0.0, 1.0, 65)
# Pieces of a window with a feature that is much shorter than itself. Not tuned.
_PIECES = 4
# A window has such a feature if its coefficients fall by less than this factor while its excess is above that one. Not
# tuned.
_UNRESOLVED, _LARGE_EXCESS = 0.5, 1e3
# Another window is cut in 2 pieces, in 3 if its excess is above 100, in 4 above 10**4: halving gains two digits and
# more. Not tuned.
_MORE_PIECES = (1e2, 1e4)
# A window is this many floating-point numbers long at least, or its nodes would not be different ones.
# Not tuned.
_SHORTEST = 4e3
# If any window is split, those with an excess above this are split, too: cheaper than one more mesh. Not tuned.
_NEARLY = 0.3
# A layer is looked for where this part of the variation is in the first or the last eighth of a window, and resolved
# over this part of the window. Not tuned.
_AT_AN_END, _LAYER_PART = 0.25, 0.7
# A rate beyond the root of the largest number is no layer, but an iterate that diverges.
_MOST_LOG_RATE = 700


class Mesh:
    """Windows between the abscissae x (K + 1,), increasing, and the points of a basis in them."""

    def __init__(self, x: Real, basis: Basis) -> None:
        self.x, self.basis = x, basis
        self.h = np.diff(x)
        self.right = x[:-1, None] + self.h[:, None] * basis.nodes
        self.right[:, -1] = x[1:]

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return self.h.size

    def window_of(self, x: Real, side: str = "right") -> Index:
        """The window of each point, (m,); side: where a point at an end belongs to."""
        return np.asarray(np.minimum(np.searchsorted(self.x[1:], x, side=side), self.windows - 1))  # type: ignore[call-overload]

    def left(self, windows: Index) -> Real:
        """The left nodes of these windows, (len(windows), s)."""
        return self.x[windows, None] + self.h[windows, None] * self.basis.left


class State(NamedTuple):
    """A trial solution or a step between two: values y (n, K + 1) at the ends, slopes (n, K, s) at right nodes, p."""

    y: Real
    slopes: Real
    p: Real

    def sizes(self, mesh: Mesh) -> Real:
        """The largest value of each component in each window, (n, K)."""
        return chain.largest_values(self.y, self.slopes, mesh.h, mesh.basis.A)

    def moved(self, step: State, part: float = 1.0) -> State:
        """The trial solution a part of the step further."""
        return State(self.y + part * step.y, self.slopes + part * step.slopes, self.p + part * step.p)


def refined(mesh: Mesh, state: State, jac: Real, excess: Real, decay: Real, target: float) -> Real:
    """The abscissae of a mesh in which the windows whose excess (K,) is above 1 are split.

    excess : error or residual in units of what is allowed; decay : the factor by which coefficients fall; target : what
    the first neglected coefficient should be.
    """
    if (excess <= 1.0).all():
        return mesh.x
    long = mesh.h > _SHORTEST * np.spacing(np.maximum(abs(mesh.x[1:]), abs(mesh.x[:-1])))
    windows = np.flatnonzero(~(excess <= _NEARLY) & long)
    cuts = [mesh.x]
    unresolved = (decay[windows] > _UNRESOLVED) & (excess[windows] > _LARGE_EXCESS)
    share = _variation(mesh, state, windows) if unresolved.any() else np.empty((windows.size, 0))
    for k, rough, part in zip(windows.tolist(), unresolved.tolist(), share, strict=True):
        if rough:
            xi = _rough_cuts(mesh, k, part, jac, target)
        else:
            pieces = 2 + int(np.searchsorted(_MORE_PIECES, excess[k]))
            xi = np.arange(1, pieces) / pieces
        cuts.append(mesh.x[k] + mesh.h[k] * xi)
    return np.unique(np.concatenate(cuts))


def _variation(mesh: Mesh, state: State, windows: Index) -> Real:
    """How the total variation of the windows is distributed over the samples, (len(windows), 64), sum 1."""
    s = mesh.basis.s
    coefficients = state.slopes[:, windows] @ mesh.basis.to_values.T
    polynomials = legendre.legvander(2.0 * _SAMPLES - 1.0, s)[:, 1:]
    change = abs(np.diff(coefficients @ polynomials.T, axis=2)) * mesh.h[windows, None]
    change /= np.maximum(abs(state.y[:, windows]), 1.0)[:, :, None]
    total = change.sum(axis=0)
    return np.asarray(total / np.maximum(total.sum(axis=1, keepdims=True), np.finfo(float).tiny))


def _rough_cuts(mesh: Mesh, k: int, share: Real, jac: Real, target: float) -> Real:
    """Where to cut window k, in (0, 1), whose solution has a feature that is much shorter than the window."""
    cell = len(share) // 8
    for side, part in ((0, share[:cell].sum()), (1, share[-cell:].sum())):
        if part > _AT_AN_END:
            at = k * mesh.basis.s + (mesh.basis.s - 1 if side else 0)
            layer = _layer(mesh, k, side, jac[:, : len(jac), at], target)
            if layer.size:
                return layer
    cumulated = np.concatenate([[0.0], np.cumsum(0.5 * share + 0.5 / share.size)])
    return np.asarray(np.interp(np.arange(1, _PIECES) / _PIECES, cumulated, _SAMPLES))


def _layer(mesh: Mesh, k: int, side: int, df_dy: Real, target: float) -> Real:
    """Cuts that resolve an exponential layer at one end of window k, as fast as df/dy (n, n) says, or none."""
    if not np.isfinite(df_dy).all():
        return np.empty(0)
    rates = np.linalg.eigvals(df_dy).real
    rate = max(rates.max() if side else -rates.min(), 1.0 / mesh.h[k])
    xi = _exponential(mesh.basis.s, target, round(2.0 * np.log(rate))) / (rate * mesh.h[k])
    xi = xi[xi < _LAYER_PART]
    return np.asarray(1.0 - xi if side else xi)


@functools.cache
def _exponential(s: int, target: float, log_rate: int) -> Real:
    """The ends of the windows on which s functions show exp(-z), z >= 0, and its derivatives well enough.

    The second derivative, of size rate**2, is the slope of a component where the system comes from an equation of
    second order: what is neglected of it counts relative to 1 + its size at the far end. log_rate : twice ln(dz/dx).
    """
    ends, z = [], 0.0
    lengths = np.geomspace(0.5, 100.0, 200)
    # Legendre coefficient s of exp(-length xi): (2 s + 1) sqrt(pi / length) I_{s+1/2}(length / 2) exp(-length / 2)
    tail = (2 * s + 1) * np.sqrt(np.pi / lengths) * ive(s + 0.5, lengths / 2.0)
    size = float(np.exp(np.clip(log_rate, 0, _MOST_LOG_RATE)))
    while size > target:
        fits = lengths[size * tail < target * (1.0 + size * np.exp(-lengths))]
        z += (length := fits[-1] if fits.size else lengths[0])
        size *= np.exp(-length)
        ends.append(z)
    return np.array(ends)


def transferred(mesh: Mesh, state: State, new: Mesh) -> State:
    """The trial solution read on another mesh: values at its ends, slopes at its nodes."""
    y, _ = read(mesh, state, new.x, "right")
    y[:, -1] = state.y[:, -1]
    _, slopes = read(mesh, state, new.right.ravel(), "left")
    return State(np.ascontiguousarray(y), np.ascontiguousarray(slopes).reshape(len(y), new.windows, -1), state.p)


def read(mesh: Mesh, state: State, x: Real, side: str) -> tuple[Real, Real]:
    """Values and slopes (n, m) at points x, by the Legendre series of the slopes; side: of what is at an end."""
    window = mesh.window_of(x, side)
    xi = (x - mesh.x[window]) / mesh.h[window]
    of_values, of_slopes = state.slopes @ mesh.basis.to_values.T, state.slopes @ mesh.basis.to_legendre.T
    return series.read_windows(window, xi, mesh.h, state.y, of_values, of_slopes)
