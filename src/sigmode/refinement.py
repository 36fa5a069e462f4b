"""What a mesh of windows resolves and what it does not; where windows are split; the estimated error."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.special import ive

from . import kernels
from .basis import basis
from .boundary import BoundaryProblem
from .chain import Chain, Derivatives, Equations, Mesh, Trial

Array = NDArray[np.float64]

__all__ = ["Judgement", "Resolution", "judge", "refined", "resolution", "transferred", "unseen"]

# The estimate has this many more nodes than the trial solution, but no more than can be computed with.
_MORE, _MOST = 4, 25
# With a larger condition the equations and their boundary conditions are singular as far as anybody can tell.
_UNDETERMINED = 1e11
# Where a window is looked at for its variation.
_SAMPLES = np.linspace(0.0, 1.0, 65)
_PIECES = 4
# A window is unresolved if its coefficients fall by less than this factor while its excess is large. Otherwise it is
# cut in equal parts, two and more where the excess is larger than these: halving gains two digits and more.
_UNRESOLVED, _LARGE = 0.5, 1e3
_MORE_PIECES = (1e2, 1e4)
# A window has at least so many floating-point numbers in it, or its nodes would not be different ones.
_FEWEST = 4e3
_NEARLY = 0.3  # if any window is split, then those that nearly must be, too: another round costs more
# A layer is looked for where this part of the variation is in the first or the last eighth of a window.
_AT_AN_END = 0.25
# Rounding of `fun`: so many units of the largest of its terms.
_ROUNDING = 8.0 * float(np.finfo(float).eps)
_AT_START = (-1.0) ** np.arange(1, 64)  # Legendre's polynomials of degree 1 and more at the left end


class Resolution(NamedTuple):
    """How well windows show the solution, (K,) each.

    values : the first neglected coefficient of the values, relative to their size; slopes : that of the slopes,
    relative to 1 + the smallest slope in the window; decay : the factor by which coefficients fall.
    """

    values: Array
    slopes: Array
    decay: Array


def resolution(mesh: Mesh, trial: Trial) -> Resolution:
    """From the last four Legendre coefficients of the slopes, continued by their decay."""
    scale = np.maximum(trial.sizes(mesh), 1.0)
    return Resolution(*kernels.tails(trial.slopes, mesh.basis.to_legendre, mesh.h, scale))


class Judgement(NamedTuple):
    """What a trial solution is worth.

    error (n, K) : the largest estimated error in each window; worst : the largest one of a value or a parameter,
    relative to its size; residual (K,) : root mean square of the residual relative to 1 + |f|; peak (K,) : its
    largest value; rounding (K,) : what it cannot fall below; p (n_p,) : the estimated error of p.
    """

    error: Array
    worst: float
    residual: Array
    peak: Array
    rounding: Array
    p: Array


def judge(equations: Equations, trial: Trial, derivatives: Derivatives) -> Judgement:
    """The Newton step of a finer discretisation on the same windows: the estimated error, with its sign turned.

    derivatives : of the last Newton step, read between the nodes. Errors are infinite if the finer system is singular.
    Cost: one evaluation of `fun` on s + 4 nodes per window, twice where there are left nodes, and one factorisation.
    """
    coarse = equations.mesh
    fine = Mesh(coarse.x, basis(min(coarse.basis.s + _MORE, _MOST)))
    at, start = Equations(equations.problem, fine, equations.rows).evaluate_with_start(trial)
    finer = derivatives.on(fine.basis, coarse, equations.rows)
    found = kernels.residuals(at.right.slopes, at.right.f, at.right.y, finer.jac, fine.basis.A[-1])
    residual, peak, noise = np.sqrt(found[0]), np.sqrt(found[1]), _ROUNDING * found[2]
    peak[0] = max(peak[0], start)
    chain = Chain(fine, equations.rows, finer) if at.residual.finite else None
    if chain is None or chain.condition > _UNDETERMINED:
        return Judgement(np.full((len(trial.y), fine.windows), np.inf), np.inf, residual, peak, noise, trial.p + np.inf)
    step = chain.solve(at.residual)
    error = step.sizes(fine)
    worst = float((error / np.maximum(trial.sizes(coarse), 1.0)).max())
    if trial.p.size:
        worst = max(worst, float((abs(step.p) / np.maximum(abs(trial.p), 1.0)).max()))
    return Judgement(error, worst, residual, peak, noise, abs(step.p))


def unseen(problem: BoundaryProblem, mesh: Mesh, trial: Trial, probes: Array) -> Array:
    """The largest residual at the probes in each window, relative to 1 + |f| as ever; (K,), 0 where there is no probe.

    What is not finite is no news: the solution may be singular at a.
    """
    worst = np.zeros(mesh.windows)
    if probes.size:
        y, slopes = _read(mesh, trial, probes, "right")
        f = problem(probes, y, trial.p)
        residual = np.sqrt((((slopes - f) / (1.0 + abs(f))) ** 2).sum(axis=0))
        window = np.clip(np.searchsorted(mesh.x, probes, side="right") - 1, 0, mesh.windows - 1)
        np.maximum.at(worst, window, np.where(np.isfinite(residual), residual, 0.0))
    return worst


def refined(mesh: Mesh, trial: Trial, jac: Array, excess: Array, decay: Array, target: float) -> Array:
    """The abscissae of a mesh in which the windows whose excess (K,) is above 1 are split.

    excess : error or residual in units of what is allowed; decay : of `Resolution`; target : neglected coefficient.
    """
    if (excess <= 1.0).all():
        return mesh.x
    long = mesh.h > _FEWEST * np.spacing(np.maximum(abs(mesh.x[1:]), abs(mesh.x[:-1])))
    windows = np.flatnonzero(~(excess <= _NEARLY) & long)
    cuts = [mesh.x]
    unresolved = (decay[windows] > _UNRESOLVED) & (excess[windows] > _LARGE)
    share = _variation(mesh, trial, windows) if unresolved.any() else np.empty((windows.size, 0))
    for k, rough, part in zip(windows.tolist(), unresolved.tolist(), share, strict=True):
        if rough:
            xi = _rough_cuts(mesh, k, part, jac, target)
        else:
            pieces = 2 + int(np.searchsorted(_MORE_PIECES, excess[k]))
            xi = np.arange(1, pieces) / pieces
        cuts.append(mesh.x[k] + mesh.h[k] * xi)
    return np.unique(np.concatenate(cuts))


def _variation(mesh: Mesh, trial: Trial, windows: NDArray[np.intp]) -> Array:
    """How the total variation of the windows is distributed over the samples, (len(windows), 64), sum 1."""
    s = mesh.basis.s
    coefficients = trial.slopes[:, windows] @ mesh.basis.to_values.T
    series = legendre.legvander(2.0 * _SAMPLES - 1.0, s)[:, 1:]
    change = abs(np.diff(coefficients @ series.T, axis=2)) * mesh.h[windows, None]
    change /= np.maximum(abs(trial.y[:, windows]), 1.0)[:, :, None]
    total = change.sum(axis=0)
    return np.asarray(total / np.maximum(total.sum(axis=1, keepdims=True), np.finfo(float).tiny))


def _rough_cuts(mesh: Mesh, k: int, share: Array, jac: Array, target: float) -> Array:
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


def _layer(mesh: Mesh, k: int, side: int, df_dy: Array, target: float) -> Array:
    """Cuts that resolve an exponential layer at one end of window k, as fast as df/dy (n, n) says, or none."""
    if not np.isfinite(df_dy).all():
        return np.empty(0)
    rates = np.linalg.eigvals(df_dy).real
    rate = max(rates.max() if side else -rates.min(), 1.0 / mesh.h[k])
    xi = _exponential(mesh.basis.s, target, round(2.0 * np.log(rate))) / (rate * mesh.h[k])
    xi = xi[xi < 0.7]
    return np.asarray(1.0 - xi if side else xi)


@functools.cache
def _exponential(s: int, target: float, log_rate: int) -> Array:
    """The ends of the windows on which s functions show exp(-z), z >= 0, and its derivatives well enough.

    The second derivative, of size rate**2, is the slope of a component where the system comes from an equation of
    second order: what is neglected of it counts relative to 1 + its size at the far end. log_rate : twice ln(dz/dx).
    """
    ends, z = [], 0.0
    lengths = np.geomspace(0.5, 100.0, 200)
    # Legendre coefficient s of exp(-length xi): (2 s + 1) sqrt(pi / length) I_{s+1/2}(length / 2) exp(-length / 2)
    tail = (2 * s + 1) * np.sqrt(np.pi / lengths) * ive(s + 0.5, lengths / 2.0)
    size = float(np.exp(max(log_rate, 0)))
    while size > target:
        fits = lengths[size * tail < target * (1.0 + size * np.exp(-lengths))]
        z += (length := fits[-1] if fits.size else lengths[0])
        size *= np.exp(-length)
        ends.append(z)
    return np.array(ends)


def transferred(mesh: Mesh, trial: Trial, new: Mesh) -> Trial:
    """The trial solution read on another mesh: values at its ends, slopes at its nodes."""
    y, _ = _read(mesh, trial, new.x, "right")
    y[:, -1] = trial.y[:, -1]
    _, slopes = _read(mesh, trial, new.right.ravel(), "left")
    return Trial(np.ascontiguousarray(y), np.ascontiguousarray(slopes).reshape(len(y), new.windows, -1), trial.p)


def _read(mesh: Mesh, trial: Trial, x: Array, side: str) -> tuple[Array, Array]:
    """Values and slopes (n, m) at points x, by the Legendre series of the slopes; side: of what is at an end."""
    window = np.clip(np.searchsorted(mesh.x, x, side=side) - 1, 0, mesh.windows - 1)  # type: ignore[call-overload]
    xi = (x - mesh.x[window]) / mesh.h[window]
    series = legendre.legvander(2.0 * xi - 1.0, mesh.basis.s)
    coefficients = (trial.slopes @ mesh.basis.to_values.T)[:, window]
    rise: Array = mesh.h[window] * (coefficients * (series[:, 1:] - _AT_START[: mesh.basis.s])).sum(axis=2)
    slopes = ((trial.slopes @ mesh.basis.to_legendre.T)[:, window] * series[:, :-1]).sum(axis=2)
    return np.asarray(trial.y[:, window] + rise), slopes
