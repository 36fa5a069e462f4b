"""The members of an ensemble: what varies among them, and what all share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import arguments
from ..arrays import Number, Real

__all__ = ["Batch", "Problem", "made"]


class Problem(NamedTuple):
    """What all members share.

    options : of `solve_ivp`, tolerances included; output : what to keep of t and y, or None for y itself; dense :
    whether to keep the solutions; sensitivity : whether derivatives are wanted, too.
    """

    fun: Callable[..., Any]
    options: dict[str, Any]
    output: Callable[..., Any] | None
    dense: bool
    sensitivity: bool = False


class Batch(NamedTuple):
    """Some members.

    spans (m, 2), y0 (m, n); t_eval (m, k), or (1, k) for all of them; args : those of `fun`, what varies as an array
    with m along its first axis; varies : which do.
    """

    spans: Real
    y0: Number
    t_eval: Real
    args: tuple[Any, ...]
    varies: tuple[bool, ...]

    def part(self, lo: int, hi: int) -> Batch:
        """The members lo to hi - 1."""
        args = tuple(value[lo:hi] if varies else value for value, varies in zip(self.args, self.varies, strict=True))
        t_eval = self.t_eval[lo:hi] if len(self.t_eval) > 1 else self.t_eval
        return Batch(self.spans[lo:hi], self.y0[lo:hi], t_eval, args, self.varies)

    def own(self) -> Batch:
        """The same in memory that may be written to: what comes from another process may be read-only."""
        args = tuple(_writable(value) if isinstance(value, np.ndarray) else value for value in self.args)
        return Batch(_writable(self.spans), _writable(self.y0), _writable(self.t_eval), args, self.varies)

    def points(self, i: int) -> Real:
        """Where member i is asked for."""
        points: Real = self.t_eval[i if len(self.t_eval) > 1 else 0]
        return points

    def shapes(self) -> tuple[Any, ...]:
        """Arguments of the kind that a member gets, also where there is none."""
        return tuple(
            np.zeros(value.shape[1:]) if varies else value for value, varies in zip(self.args, self.varies, strict=True)
        )

    def own_args(self, i: int) -> tuple[Any, ...]:
        """The arguments of member i."""
        return tuple(value[i] if varies else value for value, varies in zip(self.args, self.varies, strict=True))


def _writable(array: Any) -> Any:
    return np.require(array, requirements=["C", "W", "A"])


def made(t_span: ArrayLike, y0: ArrayLike, args: Any, t_eval: ArrayLike | None) -> tuple[Batch, bool]:
    """All members, and whether all have the same `t_eval`; ValueError where lengths do not fit."""
    start = arguments.numbers(y0, "y0", "(n,) or (N, n)")
    if start.ndim not in (1, 2):
        raise ValueError(f"`y0` must have the shape (n,) or (N, n), got {start.shape}.")
    arguments.finite(start, "the initial states `y0`")
    spans = _checked_spans(t_span)
    points = _checked_points(t_eval)
    given = _checked_args(args)
    N = _count(start, spans, points, given)
    varies = tuple(_varies(value, N) for value in given)
    own = tuple(
        value[0] if isinstance(value, np.ndarray) and value.ndim and not varying else value
        for value, varying in zip(given, varies, strict=True)
    )
    spans = np.ascontiguousarray(np.broadcast_to(spans, (N, 2)))
    if points is None:
        points = spans[:1, 1:] if N == 0 or (spans == spans[0]).all() else spans[:, 1:]
        points = points.copy() if N else np.empty((1, 1))
    arguments.times_within(points, spans)
    start = np.ascontiguousarray(np.broadcast_to(start, (N, start.shape[-1])))
    return Batch(spans, start, np.ascontiguousarray(points), own, varies), len(points) == 1


def _checked_spans(t_span: ArrayLike) -> Real:
    """(1, 2) or (N, 2)."""
    spans: Real = arguments.numbers(t_span, "t_span", "(2,) or (N, 2)", real=True)
    if spans.ndim not in (1, 2) or spans.shape[-1] != 2:
        raise ValueError(f"`t_span` must be two numbers (t0, tf), or N of them, (N, 2), got shape {spans.shape}.")
    arguments.finite(spans, "`t_span`")
    found: Real = np.atleast_2d(spans)
    return found


def _checked_points(t_eval: ArrayLike | None) -> Real | None:
    """(1, k) or (N, k)."""
    if t_eval is None:
        return None
    points: Real = arguments.numbers(t_eval, "t_eval", "(k,) or (N, k)", real=True)
    if points.ndim not in (1, 2):
        raise ValueError(f"`t_eval` must have the shape (k,) or (N, k), got {points.shape}.")
    return np.atleast_2d(points)


def _checked_args(args: Any) -> tuple[Any, ...]:
    """Lists of numbers as arrays; anything that is no array is shared."""
    if args is None:
        return ()
    if not isinstance(args, (tuple, list)):
        raise arguments.no_tuple(args)
    given = []
    for value in args:
        array = np.asarray(value) if isinstance(value, (list, tuple, np.ndarray)) else None
        given.append(value if array is None or array.dtype.kind not in "fiubc" else array)
    return tuple(given)


def _count(y0: Number, spans: Real, points: Real | None, args: tuple[Any, ...]) -> int:
    """How many members there are."""
    lengths = {}
    if y0.ndim == 2:
        lengths["y0"] = len(y0)
    if len(spans) != 1:
        lengths["t_span"] = len(spans)
    if points is not None and len(points) != 1:
        lengths["t_eval"] = len(points)
    for i, value in enumerate(args):
        if isinstance(value, np.ndarray) and value.ndim and len(value) != 1:
            lengths[f"args[{i}]"] = len(value)
    different = {length for length in lengths.values() if length != 1}
    if len(different) > 1:
        listed = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
        raise ValueError(
            f"The numbers of members do not fit: {listed}. What all members share has no axis for them, or one of "
            "length 1: an array in `args` that all get as a whole is given as value[None]."
        )
    return different.pop() if different else 1


def _varies(value: Any, N: int) -> bool:
    """Whether an entry of `args` has one value per member."""
    return isinstance(value, np.ndarray) and value.ndim > 0 and len(value) == N
