"""The collocation equations of a boundary value problem on a mesh: residuals and derivatives."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, Protocol

import numpy as np

from ..arrays import Index, Real
from ..trial.basis import Basis, basis
from .directions import Directions, directed, undirected
from .mesh import Mesh, State

__all__ = ["Derivatives", "Equations", "Evaluation", "Problem", "Residual"]


class Problem(Protocol):
    """What a chain of windows asks of a problem: a `BoundaryProblem`, or one on the way to it."""

    n: int
    n_p: int
    way: str  # what it is called on the way to another problem, "" if it is the one asked for

    def __call__(self, x: Real, y: Real, p: Real) -> Real:
        """The right-hand side, (n, m)."""

    def jacobian(self, x: Real, y: Real, p: Real, f: Real) -> Real:
        """Its derivatives by y and p, (n, n + n_p, m); f: its value."""

    def conditions(self, start: Real, end: Real, p: Real) -> Real:
        """The residual of the boundary conditions, (n + n_p,)."""

    def conditions_jacobian(self, start: Real, end: Real, p: Real, value: Real) -> Real:
        """Its derivatives by both ends and p, (n + n_p, 2 n + n_p); value: the residual."""


class Residual(NamedTuple):
    """What is left of the equations.

    collocation : (n, points), right nodes first; continuity : (n, K); conditions : (n + n_p,).
    """

    collocation: Real
    continuity: Real
    conditions: Real

    @property
    def finite(self) -> bool:
        """Whether all of it is."""
        return math.isfinite(self.collocation.sum() + self.continuity.sum() + self.conditions.sum())


class Derivatives(NamedTuple):
    """Derivatives of the equations.

    jac (n, n + n_p, points) : of f by y and p, at the right nodes of all windows, then at the left nodes of the pairs;
    conditions (n + n_p, 2 n + n_p) : of the boundary conditions, by the values at both ends and p.
    """

    jac: Real
    conditions: Real

    def on(self, finer: Basis, mesh: Mesh, directions: Directions) -> Derivatives:
        """The same at the nodes of a larger basis, by interpolation between the right nodes of each window."""
        n, width, _ = self.jac.shape
        K, s = mesh.windows, mesh.basis.s
        right, left = _tables(finer.s, s)
        at_nodes = self.jac[:, :, : K * s].reshape(n, width, K, s)
        jac = (at_nodes @ right[1].T).reshape(n, width, -1)
        if directions.pairs.size:
            jac = np.concatenate([jac, (at_nodes[:, :, directions.pairs] @ left[1].T).reshape(n, width, -1)], axis=2)
        return Derivatives(jac, self.conditions)


class Points(NamedTuple):
    """A trial solution at points x (m,): y, its slopes and f there, (n, m) each."""

    x: Real
    y: Real
    slopes: Real
    f: Real


class Evaluation(NamedTuple):
    """A trial solution put into the equations."""

    state: State
    right: Points
    left: Points
    residual: Residual


class Equations:
    """The collocation equations of a problem on a mesh, for trial solutions of the mesh's basis or of a smaller one."""

    def __init__(self, problem: Problem, mesh: Mesh, directions: Directions | None = None) -> None:
        self.problem, self.mesh = problem, mesh
        self._nothing = Points(np.empty(0), *np.empty((3, problem.n, 0)))
        self.directions = undirected(problem.n, mesh.windows) if directions is None else directions

    def evaluate(self, state: State) -> Evaluation:
        """Values, f and residuals: one call of `fun` and of `bc`, two of `fun` where there are left nodes."""
        right, _ = _tables(self.mesh.basis.s, state.slopes.shape[2])
        return self._with_left(state, self._called(*self._points(state, slice(None), self.mesh.right, *right), state.p))

    def evaluate_with_start(self, state: State) -> tuple[Evaluation, float]:
        """The same and, by the same call of `fun`, the residual at the start relative to 1 + |f|; 0 if not finite."""
        right, left = _tables(self.mesh.basis.s, state.slopes.shape[2])
        start = self.mesh.x[:1], state.y[:, :1], state.slopes[:, :1] @ left[1][0]
        rest = self._points(state, slice(None), self.mesh.right, *right)
        x, y, slopes = (np.concatenate(parts, axis=-1) for parts in zip(start, rest, strict=True))
        whole = self._called(x, y, slopes, state.p)
        first = float(np.linalg.norm((whole.slopes[:, 0] - whole.f[:, 0]) / (1.0 + abs(whole.f[:, 0]))))
        points = Points(*(np.ascontiguousarray(part[..., 1:]) for part in whole))
        return self._with_left(state, points), first if math.isfinite(first) else 0.0

    def linearise(self, at: Evaluation, direct: bool) -> tuple[Evaluation, Derivatives]:
        """All derivatives; direct: choose anew how the equations are combined."""
        jac = self.problem.jacobian(at.right.x, at.right.y, at.state.p, at.right.f)
        if direct:
            n, _, _ = jac.shape
            middle = jac[:, :n].reshape(n, n, self.mesh.windows, -1)[..., self.mesh.basis.s // 2]
            before, self.directions = self.directions, directed(self.mesh.h, middle)
            if before.pairs.size or self.directions.pairs.size:
                at = self._with_left(at.state, at.right)
        if at.left.x.size:
            left = self.problem.jacobian(at.left.x, at.left.y, at.state.p, at.left.f)
            jac = np.concatenate([jac, left], axis=2)
        y = at.state.y
        conditions = self.problem.conditions_jacobian(y[:, 0], y[:, -1], at.state.p, at.residual.conditions)
        return at, Derivatives(np.ascontiguousarray(jac), conditions)

    def _with_left(self, state: State, right: Points) -> Evaluation:
        mesh, pairs = self.mesh, self.directions.pairs
        n = len(state.y)
        collocation = right.slopes - right.f
        left = self._nothing
        if pairs.size:
            _, tables = _tables(mesh.basis.s, state.slopes.shape[2])
            left = self._called(*self._points(state, pairs, mesh.left(pairs), *tables), state.p)
            collocation = np.concatenate([collocation, left.slopes - left.f], axis=1)
        rise = mesh.h * (right.slopes.reshape(n, mesh.windows, -1) @ mesh.basis.A[-1])
        continuity = state.y[:, 1:] - state.y[:, :-1] - rise
        conditions = self.problem.conditions(state.y[:, 0], state.y[:, -1], state.p)
        return Evaluation(state, right, left, Residual(collocation, continuity, conditions))

    def _called(self, x: Real, y: Real, slopes: Real, p: Real) -> Points:
        return Points(x, y, slopes, self.problem(x, y, p))

    def _points(
        self, state: State, windows: Index | slice, x: Real, values: Real, slopes: Real
    ) -> tuple[Real, Real, Real]:
        """x flat, y and its slopes (n, points) in these windows."""
        n = len(state.y)
        K = state.slopes[:, windows]
        y = state.y[:, :-1][:, windows, None] + self.mesh.h[windows, None] * (K @ values.T)
        return x.ravel(), y.reshape(n, -1), (K @ slopes.T).reshape(n, -1)


@functools.cache
def _tables(points: int, s: int) -> tuple[tuple[Real, Real], tuple[Real, Real]]:
    """`Basis.read` of a basis of s functions at the right and the left nodes of one with so many points."""
    at, of = basis(points), basis(s)
    if points == s:
        return (of.A, np.eye(s)), of.read(of.left)
    return of.read(at.nodes), of.read(at.left)
