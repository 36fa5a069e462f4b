"""From the arguments of `solve_bvp` to a checked problem, a first mesh and a trial solution on it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult

from .. import arguments
from ..arrays import Number, Real
from ..trial.basis import basis
from ..trial.solution import Solution
from ..user.boundary import BoundaryProblem, Singular
from .equations import Equations, Evaluation
from .mesh import Mesh, State

__all__ = [
    "START_WINDOWS", "Combined", "Given", "checked", "continued", "from_arrays", "is_thinned", "most_points", "probes",
    "started_from", "with_args",
]  # fmt: skip

# Windows of the first mesh: a finer one is thinned out to as many (docs/bvp.md). Not tuned.
START_WINDOWS = 8
# A guess with a mean relative residual below this one is taken as it is. Not tuned.
_NEARLY_SOLVED = 0.1
# Where SciPy looks at an interval of its mesh, apart from its end.
_LOBATTO = np.array([0.0, 0.5 - (3 / 28) ** 0.5, 0.5, 0.5 + (3 / 28) ** 0.5])


class Combined:
    """``a first + b second`` of two solutions, on the mesh of the first one: a guess."""

    def __init__(self, first: Solution, a: float, second: Solution, b: float) -> None:
        self.x = first.x
        self._parts = (a, first), (b, second)

    @staticmethod
    def of(last: OptimizeResult, a: float, before: OptimizeResult, b: float) -> OptimizeResult:
        """The same of two results, with p."""
        p = None if last.p is None else a * last.p + b * before.p
        return OptimizeResult(sol=Combined(last.sol, a, before.sol, b), p=p)

    def __call__(self, x: ArrayLike, nu: int = 0) -> Real:
        """Its values, or derivatives."""
        return sum(factor * sol(x, nu) for factor, sol in self._parts)  # type: ignore[return-value]


def with_args(functions: tuple[Any, ...], args: Any) -> tuple[Any, ...]:
    """The same functions with `args` behind what they get; None: as they are."""
    if args is None:
        return functions
    try:
        own = tuple(args)
    except TypeError:
        raise arguments.no_tuple(args) from None

    def joined(function: Any) -> Any:
        if not callable(function):
            return function  # None, or what will be complained about

        def with_own(*given: Any) -> Any:
            return function(*given, *own)

        return with_own

    return tuple(joined(function) for function in functions)


def started_from(guess: Any, x: Any, y: Any, p: Any) -> tuple[Any, Any, Any, Solution | Combined | None]:
    """x, y and p as arrays, and the solution that they are taken from, if it is one."""
    if guess is None:
        for name, value in (("x", x), ("y", y)):
            if value is None:
                raise ValueError(f"`{name}` must be numbers where there is no `guess`, got None.")
        return x, y, p, None
    if y is not None:
        raise ValueError("`y` and `guess` are two guesses: give one of them.")
    sol = getattr(guess, "sol", guess)
    if not callable(sol):
        raise TypeError(
            f"`guess` must be a Solution, a result of solve_bvp or a function of x, got {type(guess).__name__}."
        )
    if p is None:
        p = getattr(guess, "p", None)
    if not isinstance(sol, (Solution, Combined)):
        if x is None:
            raise TypeError("`x` is missing: a `guess` that is a function has no mesh.")
        return x, sol(np.asarray(x)), p, None
    if x is None:
        x = sol.x if sol.x[-1] > sol.x[0] else sol.x[::-1]
    return x, sol(np.asarray(x, dtype=float)), p, sol


class Given(NamedTuple):
    """The checked arguments; y and p as the user has them, real or complex."""

    problem: BoundaryProblem
    x: Real
    y: Number
    p: Number
    singular: Singular | None


def from_arrays(given: Given, width: int, thin: bool) -> tuple[Mesh, State, Evaluation | None]:
    """Windows between the nodes of the initial mesh, or some of them, and a trial solution through the guess.

    With it in the equations, where that is known already. thin : whether nodes may be left out.
    """
    problem, x = given.problem, given.x
    y, p = problem.pack(given.y), problem.pack(given.p)
    ends = np.arange(x.size)
    if thin and is_thinned(x):
        ends = np.linspace(0, x.size - 1, START_WINDOWS + 1).round().astype(int)
    mesh = Mesh(x[ends], basis(width))
    at = mesh.right.ravel()
    interval = np.minimum(np.searchsorted(x[1:], at), x.size - 2)
    h = x[1:] - x[:-1]
    straight = ((y[:, 1:] - y[:, :-1]) / h)[:, interval]
    shape = len(y), mesh.windows, width
    state = State(np.ascontiguousarray(y[:, ends]), np.ascontiguousarray(straight).reshape(shape), p)
    if (y == y[:, :1]).all() or problem.singular:
        return mesh, state, None
    # A guess that is a solution of a similar problem is better read with the slopes that it has there.
    f = problem(x, y, p)
    if not np.isfinite(f).all():
        return mesh, state, None
    t = (at - x[interval]) / h[interval]
    curved = 6.0 * t * (1.0 - t) * straight  # the derivative of Hermite's cubic
    curved += (1.0 - t) * (1.0 - 3.0 * t) * f[:, interval] + t * (3.0 * t - 2.0) * f[:, interval + 1]
    equations = Equations(problem, mesh)
    found = equations.evaluate(State(state.y, np.ascontiguousarray(curved).reshape(shape), p))
    if (off := _off(found)) > _NEARLY_SOLVED:
        other = equations.evaluate(state)
        found = found if off < _off(other) else other
    return mesh, found.state, found


def continued(given: Given, smooth: Solution | Combined, width: int) -> tuple[Mesh, State, None]:
    """The windows of the mesh, none left out, and the trial solution that a solution of a similar problem is there."""
    mesh, problem = Mesh(given.x, basis(width)), given.problem
    slopes = problem.pack(smooth(mesh.right.ravel(), 1)).reshape(problem.n, mesh.windows, width)
    return mesh, State(problem.pack(given.y), np.ascontiguousarray(slopes), problem.pack(given.p)), None


def most_points(given: Given, mesh: Mesh, max_nodes: int) -> int:
    """Collocation points that `max_nodes` allows: as many as SciPy's formula would have, or those of the initial mesh.

    0 if the initial mesh has more nodes than that, or a single window more points.
    """
    most = 2 * max_nodes - 1
    if given.x.size > max_nodes or mesh.basis.s > most:
        return 0
    return max(most, mesh.windows * mesh.basis.s)


def probes(given: Given) -> Real:
    """Where SciPy would look at a mesh that is thinned out here: at Lobatto points, (m,), increasing."""
    x = given.x
    points = np.append(x[:-1, None] + np.diff(x)[:, None] * _LOBATTO, x[-1])
    return points[1:] if given.problem.singular else points


def _off(at: Evaluation) -> float:
    """How far a trial solution is from solving the equations: the mean relative residual."""
    right = at.right
    off = float((abs(right.slopes - right.f) / (1.0 + abs(right.f))).mean())
    return off if math.isfinite(off) else math.inf


def checked(
    functions: tuple[Any, Any, Any, Any], x: ArrayLike, y: ArrayLike, p: ArrayLike | None, S: ArrayLike | None
) -> Given:
    """The arguments as arrays, or an error that names the one that does not fit."""
    for name, function in zip(("fun", "bc", "fun_jac", "bc_jac"), functions, strict=True):
        arguments.function(function, name, "ya, yb" if name.startswith("bc") else "x, y", optional=name.endswith("jac"))
    mesh = arguments.numbers(x, "x", "(m,)", real=True)
    arguments.one_dimensional(mesh, "x")
    if mesh.size < 2:
        raise ValueError(f"`x` must have at least two nodes, got {mesh.size}.")
    arguments.finite(mesh, "`x`")
    arguments.in_order(mesh, "x")
    guess = arguments.numbers(y, "y", "(n, m)")
    if guess.ndim != 2 or guess.shape[1] != mesh.size or not guess.size:
        raise ValueError(
            f"`y` is expected to have {mesh.size} columns and a row or more, in 2-D, but has shape {guess.shape}."
        )
    dtype = complex if guess.dtype.kind == "c" else float
    parameters = np.empty(0, dtype) if p is None else _matching(arguments.numbers(p, "p", "(k,)"), "p", dtype)
    arguments.one_dimensional(parameters, "p")
    n, k = len(guess), parameters.size
    singular = None if S is None else Singular(_singular_matrix(S, n, dtype), float(mesh[0]))
    problem = BoundaryProblem(functions, n, k, dtype, singular)
    problem.check(mesh, guess, parameters)
    return Given(problem, mesh, guess, parameters, singular)


def is_thinned(x: Real) -> bool:
    """Whether the first mesh has fewer nodes than the user's."""
    return x.size > START_WINDOWS + 1


def _matching(array: Number, name: str, dtype: type) -> Number:
    """The array in the type of y."""
    if array.dtype.kind == "c" and dtype is float:
        raise ValueError(f"`{name}` is complex, but `y` is real: pass `y` with a complex dtype.")
    return array.astype(dtype)


def _singular_matrix(S: ArrayLike, n: int, dtype: type) -> Number:
    array = _matching(arguments.numbers(S, "S", "(n, n)"), "S", dtype)
    if array.shape != (n, n):
        raise ValueError(f"`S` is expected to have shape {(n, n)}, but actually has {array.shape}.")
    arguments.finite(array, "`S`")
    return array
