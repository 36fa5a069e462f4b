"""All at once: parameters and the trial solution of all windows in one least-squares problem.

The equation need not hold exactly at first: what is missed of it is weighed, little at first, then more. So the data
hold the solution where it belongs while the parameters are still wrong, and an oscillation cannot slip by a period.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..arrays import Real
from ..blas import one_thread
from ..ivp.partials import Derivatives
from ..trial.basis import Basis, basis
from ..user.parameters import parameters_of
from .data import Experiment
from .model import Model
from .unknowns import Unknowns

__all__ = ["start_values"]

# Functions per window, and windows per set at least and at most. Not tuned.
_FUNCTIONS, _FEWEST, _MOST = 5, 16, 40
# Weights of the equation in turn, and steps with each at most. Not tuned.
_WEIGHTS, _STEPS = (0.3, 1.0, 10.0, 100.0), 25
# What counts as noise where nothing is known: this part of the spread of the data. Not tuned.
_NOISE = 0.1
# A step that gains less than this part of the sum of squares is the last one with a weight. Not tuned.
_GAIN = 1e-4
# Rows of initial values that are known. Not tuned.
_KNOWN = 1e3


class _Mesh:
    """Windows of one set: y at nodes and at measured times is linear in the start value and in the slopes at nodes."""

    def __init__(self, each: Experiment, used: Basis) -> None:
        marks = np.unique(np.append(each.t0, each.times))
        count = int(np.clip(marks.size - 1, _FEWEST, _MOST))
        self.edges = np.interp(np.linspace(0, marks.size - 1, count + 1), np.arange(marks.size), marks)
        h = np.diff(self.edges)
        s = used.s
        self.t = (self.edges[:-1, None] + h[:, None] * used.nodes).ravel()
        self.weight = np.repeat(h / np.sqrt(s), s)
        before = np.kron(np.tril(np.ones((count, count)), -1) * h, used.A[-1:])
        self.to_nodes = np.repeat(before, s, axis=0)
        window = np.clip(np.searchsorted(self.edges, each.times, side="right") - 1, 0, count - 1)
        self.to_data = before[window]
        read = used.read((each.times - self.edges[window]) / h[window])[0]
        for k in range(count):
            own = slice(k * s, (k + 1) * s)
            self.to_nodes[own, own] += h[k] * used.A
            self.to_data[window == k, own] += h[k] * read[window == k]


class _Problem:
    """The unknowns z, and for each set the start value (n,) and the slopes at the nodes (Q, n)."""

    def __init__(self, model: Model, unknowns: Unknowns, z: Real) -> None:
        self._model, self._unknowns = model, unknowns
        self._meshes = [_Mesh(each, basis(_FUNCTIONS)) for each in unknowns.sets]
        self.z = z
        values = unknowns.values(z)
        self.curves = [self._from_data(values, i) for i in range(len(unknowns.sets))]
        self._noise = [self._noise_of(each) for each in unknowns.sets]
        self._scales = [self._scale_of(i) for i in range(len(unknowns.sets))]

    def _direct(self, each: Experiment, n: int) -> dict[int, int]:
        """Components that are measured as such, and their rows of y."""
        observe = self._model.observe
        if callable(observe):
            return {}
        components = range(n) if observe is None else np.atleast_1d(observe).tolist()
        return {component: row for row, component in enumerate(components) if each.measured[row].any()}

    def _from_data(self, values: Real, i: int) -> tuple[Real, Real]:
        """A start: straight lines through the data, constants where there are none."""
        each, mesh = self._unknowns.sets[i], self._meshes[i]
        y0, _ = self._unknowns.y0(values, i)
        slopes = np.zeros((mesh.t.size, y0.size))
        start = y0.copy()
        for component, row in self._direct(each, y0.size).items():
            at = each.measured[row]
            times = each.times[each.column[at]]
            unique, which = np.unique(times, return_inverse=True)
            means = np.bincount(which, each.y[row, at]) / np.bincount(which)
            if each.t0 < unique[0] and not (callable(each.y0) is False and np.isnan(each.y0[component])):
                unique, means = np.append(each.t0, unique), np.append(y0[component], means)
            line = np.interp(mesh.edges, unique, means)
            slopes[:, component] = np.repeat(np.diff(line) / np.diff(mesh.edges), _FUNCTIONS)
            start[component] = line[0]
        return start, slopes

    @staticmethod
    def _noise_of(each: Experiment) -> Real:
        """Of each measurement, as a start: as given, or a part of the spread of its row."""
        if not (each.sigma == 1.0).all():
            return each.sigma
        spread = np.array(
            [np.std(row[at]) if at.sum() > 1 else 0.0 for row, at in zip(each.y, each.measured, strict=True)]
        )
        spread = np.where(spread > 0.0, spread, spread.max(initial=0.0) or 1.0)
        return np.broadcast_to(_NOISE * spread[:, None], each.y.shape)

    def _scale_of(self, i: int) -> Real:
        """Of what is missed of the equation, for each component."""
        each, (start, slopes) = self._unknowns.sets[i], self.curves[i]
        size = np.maximum(abs(start), np.ptp(start + self._meshes[i].to_nodes @ slopes, axis=0))
        scale = _NOISE * np.where(size > 0.0, size, 1.0)
        for component, row in self._direct(each, start.size).items():
            scale[component] = np.median(self._noise[i][row][each.measured[row]])
        return scale

    @property
    def size(self) -> int:
        """How many unknowns there are."""
        return int(self.z.size + sum(start.size + slopes.size for start, slopes in self.curves))

    def rows(
        self, weight: float, z: Real, curves: list[tuple[Real, Real]], derivatives: bool
    ) -> tuple[Real, Real | None]:
        """Residuals, and their derivatives by z and by the curves."""
        residuals: list[Real] = []
        blocks: list[Real] = []
        size = self.size
        at = z.size
        for i in range(len(curves)):
            r, D = self._rows_of_set(weight, z, i, curves[i], derivatives)
            residuals.append(r)
            if derivatives:
                block = np.zeros((r.size, size))
                block[:, : z.size] = D[:, : z.size]
                block[:, at : at + D.shape[1] - z.size] = D[:, z.size :]
                blocks.append(block)
            at += curves[i][0].size + curves[i][1].size
        return np.concatenate(residuals), np.concatenate(blocks) if derivatives else None

    def _rows_of_set(
        self, weight: float, z: Real, i: int, curve: tuple[Real, Real], derivatives: bool
    ) -> tuple[Real, Real]:
        model, unknowns, mesh = self._model, self._unknowns, self._meshes[i]
        each, (start, slopes) = unknowns.sets[i], curve
        values, n = unknowns.values(z), start.size
        p = unknowns.p(values, i)
        args, numbers = parameters_of(unknowns.args(p, i))
        of_f = Derivatives(model.fun, args, numbers[: p.size], n, None, None)
        Y = start + mesh.to_nodes @ slopes
        factor = weight * mesh.weight[:, None] / self._scales[i]
        missed = factor * (slopes - of_f.at(mesh.t, Y))
        at_data = (start + mesh.to_data @ slopes).T
        seen = model.seen(each.times, at_data, p, i)
        noise = self._noise[i]
        off = ((seen[:, each.column] - each.y) / noise)[each.measured]
        y0, part = unknowns.y0(values, i)
        known = _KNOWN / (self._scales[i] / _NOISE) * (start - y0)
        residual = np.concatenate([off, missed.ravel(), known])
        if not derivatives:
            return residual, np.empty((0, 0))
        (own, columns), Q = unknowns.columns[i], mesh.t.size
        to_values = unknowns.factors(z)
        D = np.zeros((residual.size, z.size + n + Q * n))
        by_y, by_p = model.seen_by(each.times, at_data, p, i)
        rows = np.nonzero(each.measured)
        of_rows = by_y[rows[0], :, each.column[rows[1]]] / noise[rows][:, None]  # (M, n)
        D[: off.size, columns] = by_p[rows[0], :, each.column[rows[1]]][:, own] / noise[rows][:, None]
        D[: off.size, z.size : z.size + n] = of_rows
        D[: off.size, z.size + n :] = (mesh.to_data[each.column[rows[1]]][:, :, None] * of_rows[:, None, :]).reshape(
            off.size, -1
        )
        J, F = of_f.both(mesh.t, Y)
        middle = slice(off.size, off.size + missed.size)
        D[middle, columns] = -(factor[:, :, None] * F[:, :, own]).reshape(missed.size, -1)
        D[middle, z.size : z.size + n] = -(factor[:, :, None] * J).reshape(missed.size, -1)
        block = -np.einsum("qa,qab,qr->qarb", factor, J, mesh.to_nodes, optimize=True)
        every = np.arange(Q)
        for a in range(n):
            block[every, a, every, a] += factor[:, a]
        D[middle, z.size + n :] = block.reshape(missed.size, -1)
        ends = slice(off.size + missed.size, residual.size)
        scale = _KNOWN / (self._scales[i] / _NOISE)
        D[ends, z.size : z.size + n] = np.diag(scale)
        D[ends, part] = -np.eye(n)[:, each.free] * scale[:, None]
        if callable(each.y0):
            D[ends, columns] -= model.y0_by_p(i, p)[:, own] * scale[:, None]
        D[:, : z.size] *= to_values
        return residual, D

    def moved(self, step: Real) -> tuple[Real, list[tuple[Real, Real]]]:
        """z and curves after a step of all unknowns, z within its bounds."""
        z = np.clip(self.z + step[: self.z.size], self._unknowns.lower, self._unknowns.upper)
        at, curves = self.z.size, []
        for start, slopes in self.curves:
            n = start.size
            curves.append(
                (start + step[at : at + n], slopes + step[at + n : at + n + slopes.size].reshape(slopes.shape))
            )
            at += n + slopes.size
        return z, curves


def start_values(model: Model, unknowns: Unknowns, z: Real, tell: Callable[[], None]) -> Real | None:
    """z close to the optimum, from a z that may be far; None where that fails. tell : called at each step."""
    with one_thread(0):
        problem = _Problem(model, unknowns, np.clip(z, unknowns.lower, unknowns.upper))
    with np.errstate(all="ignore"), one_thread(problem.size**2):
        for weight in _WEIGHTS:
            if not _minimise(problem, weight, tell):
                return None
    return problem.z


def _cost(problem: _Problem, weight: float, z: Real, curves: list[tuple[Real, Real]]) -> float:
    """The sum of squares; infinite where f raises an exception, as outside of its domain."""
    try:
        residual, _ = problem.rows(weight, z, curves, False)
    except (ArithmeticError, ValueError):
        return np.inf
    return float(residual @ residual)


def _minimise(problem: _Problem, weight: float, tell: Callable[[], None]) -> bool:
    """Levenberg's and Marquardt's method with one weight; whether all stayed finite."""
    damping = 1e-3
    residual, D = problem.rows(weight, problem.z, problem.curves, True)
    cost = float(residual @ residual)
    for _ in range(_STEPS):
        if D is None or not (np.isfinite(cost) and np.isfinite(D).all()):
            return False
        tell()
        normal, gradient = D.T @ D, D.T @ residual
        diagonal = np.diag(normal) + 1e-12 * np.trace(normal) / len(normal)
        gained = 0.0
        while damping < 1e10:
            try:
                step = -cho_solve(cho_factor(normal + damping * np.diag(diagonal)), gradient)
            except LinAlgError:
                damping *= 10.0
                continue
            z, curves = problem.moved(step)
            now = _cost(problem, weight, z, curves)
            if np.isfinite(now) and now < cost:
                gained = (cost - now) / cost
                problem.z, problem.curves, damping = z, curves, max(damping / 5.0, 1e-12)
                break
            damping *= 5.0
        if gained < _GAIN:
            return True
        residual, D = problem.rows(weight, problem.z, problem.curves, True)
        cost = float(residual @ residual)
    return True
