"""Members solved one after the other: in compiled code where f is compiled, by `solve_ivp` where it is not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import Index, Number, Real
from ..compiled.functions import Called
from ..compiled.member import MEMBER_PARTS, solve_members
from ..compiled.whole import ASK_PYTHON
from ..ivp.loop import FINISHED
from ..ivp.march import MOST_COMPILED, why_it_ended
from ..ivp.partials import count_of
from ..ivp.sensitivity import sensitivity
from ..ivp.setting import checked_first_step, width
from ..ivp.solve_ivp import solve_ivp
from ..ivp.tables import addresses_of, setting_of, tables_of
from ..user.field import WithArgs, compiled_on_nodes
from .batch import Batch, Problem

__all__ = ["Solved", "solve"]

# What `solve_ivp` may be told without leaving the way in compiled code.
_QUICK = frozenset({"rtol", "atol", "error_control", "max_step", "first_step", "max_windows"})


class Solved(NamedTuple):
    """Some members' results.

    y, error : (m, n, k), NaN from where a member ended, or None where only outputs are kept; output : (m, ...) or None;
    status, nfev (m,), messages; sols : their solutions, if these are kept; raised : an exception of `fun` for each
    member, or None; derivatives : dy_dy0 (m, n, n, k), dy_dp (m, n, j, k) and their errors, or nothing.
    """

    y: Number | None
    error: Real | None
    output: Any
    status: Index
    nfev: Index
    messages: list[str]
    sols: list[Any]
    raised: list[Exception | None]
    derivatives: tuple[Real, ...] = ()


class _Store:
    """Results as they come."""

    def __init__(self, problem: Problem, batch: Batch) -> None:
        self.problem, self.batch = problem, batch
        m, n = batch.y0.shape
        shape = m, n, batch.t_eval.shape[1]
        self.y: Number = np.full(shape, np.nan, dtype=batch.y0.dtype)
        self.error: Real = np.full(shape, np.nan)
        self.status, self.nfev = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
        self.messages, self.sols = [FINISHED] * m, [None] * m
        self.raised: list[Exception | None] = [None] * m
        self.derivatives: list[Real] = []
        if problem.sensitivity:
            parameters = count_of(batch.shapes())
            shapes = [(m, n, columns, shape[2]) for columns in (n, parameters)]
            self.derivatives = [np.full(each, np.nan) for each in shapes * 2]

    def by_itself(self, i: int) -> None:
        """Solve member i by `solve_ivp`."""
        problem, batch = self.problem, self.batch
        args = batch.own_args(i)
        fun, points = problem.fun, batch.points(i)
        self.y[i], self.error[i] = np.nan, np.nan
        solve_it = sensitivity if problem.sensitivity else solve_ivp
        try:
            res = solve_it(fun, batch.spans[i], batch.y0[i], t_eval=points, args=args, **problem.options)
        except Exception as exception:  # one member's, perhaps: it is raised if all have one
            self.status[i], self.raised[i] = -1, exception
            self.messages[i] = f"`fun` raised {type(exception).__name__}: {exception}"
            return
        reached = res.t.size
        self.y[i, :, :reached], self.error[i, :, :reached] = res.y, res.error
        self.status[i], self.nfev[i], self.messages[i] = res.status, res.nfev, res.message
        self.sols[i] = res.sol if problem.dense else None
        found = (res.dy_dy0, res.dy_dp, res.error_dy_dy0, res.error_dy_dp) if problem.sensitivity else ()
        for kept, values in zip(self.derivatives, found, strict=True):
            kept[i, :, :, :reached] = values

    def _outputs(self, of: Any) -> Any:
        """What the user's function makes of each member, (m, ...)."""
        kept = [np.asarray(of(self.batch.points(i), y.copy())) for i, y in enumerate(self.y)]
        if any(value.dtype == object or value.shape != kept[0].shape for value in kept):
            shapes = sorted({str(value.shape) for value in kept})
            raise ValueError(
                f"`output` must return numbers of one shape for all members, it returned {', '.join(shapes)}."
            )
        return np.array(kept)

    def solved(self) -> Solved:
        """All of it."""
        of = self.problem.output
        output = None if of is None else self._outputs(of)
        whole = output is None
        return Solved(
            self.y if whole else None, self.error if whole else None, output, self.status, self.nfev, self.messages,
            self.sols if self.problem.dense else [], self.raised, tuple(self.derivatives),
        )  # fmt: skip


def solve(problem: Problem, batch: Batch) -> Solved:
    """Solve the members of a batch; what one of them raises is kept."""
    batch = batch.own()
    store = _Store(problem, batch)
    left = range(len(batch.y0))
    code = _code(problem, batch)
    if code is not None:
        left = _compiled(store, code)  # type: ignore[assignment]
    for i in left:
        store.by_itself(i)
    return store.solved()


def _code(problem: Problem, batch: Batch) -> Called | None:
    """The machine code of f with the arguments of the first member, where all can be solved by it."""
    m, n = batch.y0.shape
    if (
        problem.dense
        or problem.sensitivity
        or not _QUICK.issuperset(problem.options)
        or not 0 < n <= MOST_COMPILED
        or m == 0
    ):
        return None
    if batch.y0.dtype.kind == "c" or (batch.spans[:, 0] == batch.spans[:, 1]).any():
        return None
    args = batch.own_args(0)
    found = compiled_on_nodes(WithArgs(problem.fun, args) if args else problem.fun, n)
    return found if isinstance(found, Called) else None


def _compiled(store: _Store, code: Called) -> list[int]:
    """Solve what compiled code can; the others."""
    problem, batch = store.problem, store.batch
    words = [code.with_args(batch.own_args(i)) for i in range(len(batch.y0))]
    if any(each is None for each in words):
        return list(range(len(words)))
    options = problem.options
    first = options.get("first_step")
    first = 0.0 if first is None else min(checked_first_step(first, *span) for span in batch.spans.tolist())
    controlled = options["error_control"] == "global"
    setting = setting_of(options["rtol"], options["atol"], batch.y0.shape[1], controlled, first, options)
    tables = tables_of(width(options["rtol"]))
    ends = np.empty((len(words), 3))
    solve_members(
        addresses_of(MEMBER_PARTS), code.address, np.array(words, dtype=np.int64).reshape(len(words), -1), batch.spans,
        batch.y0, batch.t_eval, setting, tables, store.y, store.error, store.status, store.nfev, ends,
    )  # fmt: skip
    for i in np.flatnonzero((store.status != 0) & (store.status != ASK_PYTHON)).tolist():
        t, bad_t, component = ends[i].tolist()
        store.messages[i] = why_it_ended(int(store.status[i]), t, bad_t, int(component), setting.most)
        store.status[i] = -1
    return [int(i) for i in np.flatnonzero(store.status == ASK_PYTHON)]
