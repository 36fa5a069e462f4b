"""Windows in a chain: the collocation equations of a boundary value problem, linearised and solved."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .basis import Basis, basis
from .boundary import BoundaryProblem, Limited

Array = NDArray[np.float64]

__all__ = ["Chain", "Derivatives", "Equations", "Evaluation", "Mesh", "Residual", "Rows", "Trial"]

# A window along which an error grows by e**_STIFF has the equations of what grows on the left nodes. Slower growth is
# within what the functions of a window can follow, in either direction.
_STIFF = 6.0
# Left eigenvectors that are closer to each other than this are not used to combine equations.
_SKEWED = 1e10
# Bytes of factorised windows that are kept; what is beyond is factorised again where it is needed.
_KEPT = 2**31


class Mesh:
    """Windows between the abscissae x (K + 1,), increasing, and the points of a basis in them."""

    def __init__(self, x: Array, basis: Basis) -> None:
        self.x, self.basis = x, basis
        self.h = np.diff(x)
        self.right = x[:-1, None] + self.h[:, None] * basis.nodes
        self.right[:, -1] = x[1:]

    @property
    def windows(self) -> int:
        """How many windows there are."""
        return self.h.size

    def left(self, windows: NDArray[np.intp]) -> Array:
        """The left nodes of these windows, (len(windows), s)."""
        return self.x[windows, None] + self.h[windows, None] * self.basis.left


class Trial(NamedTuple):
    """A trial solution or a step between two: values y (n, K + 1) at the ends, slopes (n, K, s) at right nodes, p."""

    y: Array
    slopes: Array
    p: Array

    def sizes(self, mesh: Mesh) -> Array:
        """The largest value of each component in each window, (n, K)."""
        return kernels.sizes(self.y, self.slopes, mesh.h, mesh.basis.A)

    def moved(self, step: Trial, part: float = 1.0) -> Trial:
        """The trial solution a part of the step further."""
        return Trial(self.y + part * step.y, self.slopes + part * step.slopes, self.p + part * step.p)


class Rows(NamedTuple):
    """How the equations of each window are combined, and where they are collocated.

    T (pairs, n, n) : rows of a window that has left nodes, too; grows (K, n): whether a row sits on those;
    left (K,) : number of the window among the pairs, or -1; pairs : the windows that have left nodes.
    """

    T: Array
    grows: NDArray[np.bool_]
    left: NDArray[np.int64]
    pairs: NDArray[np.intp]


def undirected(n: int, K: int) -> Rows:
    """All equations as they are, on the right nodes."""
    return Rows(np.empty((0, n, n)), np.zeros((K, n), dtype=np.bool_), np.full(K, -1), np.empty(0, dtype=np.intp))


def directed(h: Array, df_dy: Array) -> Rows:
    """Equations of what grows fast on the left nodes, of the rest on the right ones.

    df_dy (n, n, K): in the middle of each window. Radau collocation damps what decays along its direction, on windows
    of any length; what grows is damped in the other direction, from the far end, where its boundary condition is. So a
    layer stays in the window where it is, however long that is. Gauss points would spread it over all of them.
    """
    n, _, K = df_dy.shape
    none = undirected(n, K)
    J = df_dy.transpose(2, 0, 1)
    squared = abs(J @ J).sum(axis=2).max(axis=1)  # its norm bounds the squares of the eigenvalues
    large = np.flatnonzero(h * h * squared > _STIFF**2)
    if not large.size or not np.isfinite(df_dy).all():
        return none
    large = large[h[large] * _growth(J[large]) > _STIFF]
    if not large.size:
        return none
    values, vectors = np.linalg.eig(J[large].swapaxes(1, 2))
    rows = np.where(values[:, :, None].imag < 0.0, vectors.imag.swapaxes(1, 2), vectors.real.swapaxes(1, 2))
    rows = rows / np.maximum(np.linalg.norm(rows, axis=2, keepdims=True), np.finfo(float).tiny)
    straight = np.linalg.cond(rows) < _SKEWED
    pairs = large[straight]
    _, grows, left, _ = none
    grows[pairs] = (h[large, None] * values.real > _STIFF)[straight]
    left[pairs] = np.arange(pairs.size)
    return Rows(np.ascontiguousarray(rows[straight]), grows, left, pairs)


def _growth(J: Array) -> Array:
    """The largest real part of an eigenvalue of each matrix, (K,); two equations need no LAPACK, which takes longer."""
    if J.shape[1] == 2:
        middle = 0.5 * (J[:, 0, 0] + J[:, 1, 1])
        away = middle * middle - (J[:, 0, 0] * J[:, 1, 1] - J[:, 0, 1] * J[:, 1, 0])
        return np.asarray(middle + np.sqrt(np.maximum(away, 0.0)))
    return np.asarray(np.linalg.eigvals(J).real.max(axis=1))


class Residual(NamedTuple):
    """What is left of the equations.

    collocation : (n, points), right nodes first; continuity : (n, K); conditions : (n + n_p,).
    """

    collocation: Array
    continuity: Array
    conditions: Array

    @property
    def finite(self) -> bool:
        """Whether all of it is."""
        return math.isfinite(self.collocation.sum() + self.continuity.sum() + self.conditions.sum())


class Derivatives(NamedTuple):
    """Derivatives of the equations.

    jac (n, n + n_p, points) : of f by y and p, at the right nodes of all windows, then at the left nodes of the pairs;
    conditions (n + n_p, 2 n + n_p) : of the boundary conditions, by the values at both ends and p.
    """

    jac: Array
    conditions: Array

    def on(self, finer: Basis, mesh: Mesh, rows: Rows) -> Derivatives:
        """The same at the nodes of a larger basis, by interpolation between the right nodes of each window."""
        n, width, _ = self.jac.shape
        K, s = mesh.windows, mesh.basis.s
        right, left = _tables(finer.s, s)
        at_nodes = self.jac[:, :, : K * s].reshape(n, width, K, s)
        jac = (at_nodes @ right[1].T).reshape(n, width, -1)
        if rows.pairs.size:
            jac = np.concatenate([jac, (at_nodes[:, :, rows.pairs] @ left[1].T).reshape(n, width, -1)], axis=2)
        return Derivatives(jac, self.conditions)


class Chain:
    """The linearised equations of a problem on a mesh, factorised.

    Each window's slopes are eliminated on their own (Gauss with row exchanges), the chain of ends by orthogonal
    transformations from the first to the last, and a system of size 2 n + n_p remains: the cost is linear in the
    number of windows. Source: Ascher, Mattheij, Russell, Numerical Solution of Boundary Value Problems, ch. 7.
    """

    def __init__(self, mesh: Mesh, rows: Rows, derivatives: Derivatives) -> None:
        self._mesh, self._rows, self._jac = mesh, rows, derivatives.jac
        n, K, s = len(self._jac), mesh.windows, mesh.basis.s
        n_p = self._jac.shape[1] - n
        self._scale, self._blocks = np.empty((K, n)), np.empty((K, n, 2 * n + n_p))
        entries = (s + 1) * n * (s * n + 2 * n + n_p)
        self._group = min(K, max(1, _KEPT // (8 * entries)))
        self._W = np.empty((self._group, (s + 1) * n, s * n + 2 * n + n_p))
        self._pivots = np.empty((self._group, s * n), dtype=np.int64)
        for first in range(0, K, self._group):
            self._eliminate(first)
        self._links, self._tau = np.empty((K - 1, 2 * n, 3 * n + n_p)), np.empty((K - 1, n))
        self._scales, size = np.empty((2, 2 * n + n_p)), 2 * n + n_p
        self._whole, self._last, self._exchanges = np.empty((size, size)), np.empty((size, size)), np.empty(size, int)
        self.singular = not kernels.couple(
            self._blocks, self._links, self._tau, derivatives.conditions,
            self._scales, self._whole, self._last, self._exchanges,
        )  # fmt: skip

    def _eliminate(self, first: int) -> None:
        count = min(self._group, self._mesh.windows - first)
        kernels.eliminate(
            first, self._mesh.h, self._mesh.basis.tables, self._jac, *self._rows[:3],
            self._W[:count], self._pivots[:count], self._scale, self._blocks,
        )  # fmt: skip
        self._eliminated = first

    @property
    def condition(self) -> float:
        """That of the last system, in the values at both ends and p, with rows and columns of size 1."""
        return math.inf if self.singular else kernels.condition(self._whole, self._last, self._exchanges)

    def solve(self, residual: Residual) -> Trial:
        """The Newton step that removes the residual to first order."""
        n, K = residual.continuity.shape
        b = np.empty((K, self._W.shape[1]))
        for first in range(0, K, self._group):
            W, pivots = self._factors(first)
            kernels.reduce(first, *self._rows[:3], residual.collocation, residual.continuity, W, pivots, self._scale, b)
        y, p = np.empty((n, K + 1)), np.empty(residual.conditions.size - n)
        matrices = self._links, self._tau, self._scales, self._last, self._exchanges
        kernels.ends(*matrices, b, -residual.conditions, y, p)
        slopes = np.empty((n, K, self._mesh.basis.s))
        for first in range(0, K, self._group):
            W, _ = self._factors(first)
            kernels.substitute(first, W, b, p, y, slopes)
        return Trial(y, slopes, p)

    def _factors(self, first: int) -> tuple[Array, NDArray[np.int64]]:
        if self._eliminated != first:
            self._eliminate(first)
        count = min(self._group, self._mesh.windows - first)
        return self._W[:count], self._pivots[:count]


class Points(NamedTuple):
    """A trial solution at points x (m,): y, its slopes and f there, (n, m) each."""

    x: Array
    y: Array
    slopes: Array
    f: Array


class Evaluation(NamedTuple):
    """A trial solution put into the equations."""

    trial: Trial
    right: Points
    left: Points
    residual: Residual


class Equations:
    """The collocation equations of a problem on a mesh, for trial solutions of the mesh's basis or of a smaller one."""

    def __init__(self, problem: BoundaryProblem | Limited, mesh: Mesh, rows: Rows | None = None) -> None:
        self.problem, self.mesh = problem, mesh
        self._nothing = Points(np.empty(0), *np.empty((3, problem.n, 0)))
        self.rows = undirected(problem.n, mesh.windows) if rows is None else rows

    def evaluate(self, trial: Trial) -> Evaluation:
        """Values, f and residuals: one call of `fun` and of `bc`, two of `fun` where there are left nodes."""
        right, _ = _tables(self.mesh.basis.s, trial.slopes.shape[2])
        return self._with_left(trial, self._called(*self._points(trial, slice(None), self.mesh.right, *right), trial.p))

    def evaluate_with_start(self, trial: Trial) -> tuple[Evaluation, float]:
        """The same and, by the same call of `fun`, the residual at the start relative to 1 + |f|; 0 if not finite."""
        right, left = _tables(self.mesh.basis.s, trial.slopes.shape[2])
        start = self.mesh.x[:1], trial.y[:, :1], trial.slopes[:, :1] @ left[1][0]
        rest = self._points(trial, slice(None), self.mesh.right, *right)
        x, y, slopes = (np.concatenate(parts, axis=-1) for parts in zip(start, rest, strict=True))
        whole = self._called(x, y, slopes, trial.p)
        first = float(np.linalg.norm((whole.slopes[:, 0] - whole.f[:, 0]) / (1.0 + abs(whole.f[:, 0]))))
        points = Points(*(np.ascontiguousarray(part[..., 1:]) for part in whole))
        return self._with_left(trial, points), first if math.isfinite(first) else 0.0

    def linearise(self, at: Evaluation, direct: bool) -> tuple[Evaluation, Derivatives]:
        """All derivatives; direct: choose anew how the equations are combined."""
        jac = self.problem.jacobian(at.right.x, at.right.y, at.trial.p, at.right.f)
        if direct:
            n, _, _ = jac.shape
            middle = jac[:, :n].reshape(n, n, self.mesh.windows, -1)[..., self.mesh.basis.s // 2]
            before, self.rows = self.rows, directed(self.mesh.h, middle)
            if before.pairs.size or self.rows.pairs.size:
                at = self._with_left(at.trial, at.right)
        if at.left.x.size:
            left = self.problem.jacobian(at.left.x, at.left.y, at.trial.p, at.left.f)
            jac = np.concatenate([jac, left], axis=2)
        y = at.trial.y
        conditions = self.problem.conditions_jacobian(y[:, 0], y[:, -1], at.trial.p, at.residual.conditions)
        return at, Derivatives(np.ascontiguousarray(jac), conditions)

    def _with_left(self, trial: Trial, right: Points) -> Evaluation:
        mesh, pairs = self.mesh, self.rows.pairs
        n = len(trial.y)
        collocation = right.slopes - right.f
        left = self._nothing
        if pairs.size:
            _, tables = _tables(mesh.basis.s, trial.slopes.shape[2])
            left = self._called(*self._points(trial, pairs, mesh.left(pairs), *tables), trial.p)
            collocation = np.concatenate([collocation, left.slopes - left.f], axis=1)
        rise = mesh.h * (right.slopes.reshape(n, mesh.windows, -1) @ mesh.basis.A[-1])
        continuity = trial.y[:, 1:] - trial.y[:, :-1] - rise
        conditions = self.problem.conditions(trial.y[:, 0], trial.y[:, -1], trial.p)
        return Evaluation(trial, right, left, Residual(collocation, continuity, conditions))

    def _called(self, x: Array, y: Array, slopes: Array, p: Array) -> Points:
        return Points(x, y, slopes, self.problem(x, y, p))

    def _points(
        self, trial: Trial, windows: NDArray[np.intp] | slice, x: Array, values: Array, slopes: Array
    ) -> tuple[Array, Array, Array]:
        """x flat, y and its slopes (n, points) in these windows."""
        n = len(trial.y)
        K = trial.slopes[:, windows]
        y = trial.y[:, :-1][:, windows, None] + self.mesh.h[windows, None] * (K @ values.T)
        return x.ravel(), y.reshape(n, -1), (K @ slopes.T).reshape(n, -1)


@functools.cache
def _tables(points: int, s: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """`Basis.read` of a basis of s functions at the right and the left nodes of one with so many points."""
    at, of = basis(points), basis(s)
    if points == s:
        return (of.A, np.eye(s)), of.read(of.left)
    return of.read(at.nodes), of.read(at.left)
