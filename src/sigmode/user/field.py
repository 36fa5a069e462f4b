"""The right-hand side of `scipy.integrate.solve_ivp`: called, checked, counted, differentiated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csc_matrix, eye_array, issparse

from ..arguments import WrongKind, function, warn
from ..arrays import Flags, Number, Real
from ..compiled.functions import Called, is_dispatcher, on_nodes
from ..compiled.nodes import call_on_nodes
from .alike import alike
from .differences import Sparsity, alternating, at_once, disagreement, replaced
from .precision import Precision
from .pure import is_pure
from .results import checked

__all__ = ["VectorField", "WithArgs", "compiled_on_nodes", "is_compiled"]

# In every seventh call for a whole window one node is compared with a single call. Odd, so that all nodes have their
# turn. Not tuned.
_CALLS_PER_CHECK = 7
# The first time all nodes of a window are compared, of more points this many. Not tuned.
_COMPARED_FIRST = 24
# Single calls and calls for a whole window may differ by this part: another order of the same sums. Not tuned.
_SAME_VALUE = 1e-12
# Equations up to which a sparse df/dy is dealt with as a dense one. Not tuned.
_DENSE = 40
# What a list may hold to be taken as it is.
_PLAIN = frozenset({float, int, np.float64})
_SEVERAL = frozenset({list, tuple})
_COMPLEX = "`y0` is real: pass a complex `y0`"


class WithArgs:
    """A function of t and y that passes `args` on, too."""

    def __init__(self, fun: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fun, self.args = fun, args

    def __call__(self, t: Any, y: Any) -> Any:
        """The value of the function."""
        return self.fun(t, y, *self.args)


def _parts(fun: Any) -> tuple[Any, tuple[Any, ...]]:
    """The user's own function and its `args`, where that is what `fun` is made of.

    `scipy.integrate.solve_ivp` hides them in a lambda, which keeps the function as a default and `args` in its closure.
    """
    if is_dispatcher(fun):
        return fun, ()
    if isinstance(fun, WithArgs):
        return fun.fun, fun.args
    code = getattr(fun, "__code__", None)
    if code is not None and code.co_freevars == ("args",) and str(fun.__module__).startswith("scipy.integrate."):
        own: tuple[Any, ...] = fun.__defaults__ or ()
        args = fun.__closure__[0].cell_contents
        if len(own) == 1 and isinstance(args, tuple):
            return own[0], args
    return fun, ()


def is_compiled(fun: Any) -> bool:
    """Whether a user's function of t and y, perhaps with `args`, was compiled by Numba."""
    return is_dispatcher(_parts(fun)[0])


def compiled_on_nodes(fun: Any, n: int) -> Called | str | None:
    """As `compiled.functions.on_nodes`, of a user's function of t and y (n,), perhaps with `args`."""
    return on_nodes(*_parts(fun), n)


class VectorField:
    """f(t, y), one point at a time, and df/dy in each of the forms that `scipy.integrate.Radau` takes.

    fun : f(t, y) -> (n,); with `vectorized` f(t, y) -> (n, k) for y (n, k).  A function compiled by Numba is called
    from compiled code.  jac : callable (t, y) -> (n, n) dense or sparse, a constant matrix, or None for differences,
    for which `sparsity` (n, n) tells what is zero.  said : whether a warning that `fun` is called through Python can be
    left to somebody else.  What `fun` raises passes through untouched.

    Attributes
    ----------
    nfev, njev : int
        Calls of `fun`, not counting those for differences, and evaluations of df/dy, as SciPy counts them.
    compiled : Called or None
        The machine code of f.
    given, constant : bool
        Whether df/dy comes from the user, and whether it is one matrix for all t and y.
    was_wrong : bool
        Whether calls for many points turned out to be wrong after some that seemed to be right.
    precision : Precision
        How many digits f has, as far as is known.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        n: int,
        dtype: Any,
        vectorized: bool,
        jac: Any = None,
        sparsity: Any = None,
        said: bool = False,
    ) -> None:
        function(fun, "fun", "t, y")
        self.fun, self.n, self.dtype = fun, n, np.dtype(dtype)
        self.nfev = self.njev = 0
        self.precision = Precision()
        self.vectorized = bool(vectorized)
        self._checked = False
        # May all nodes go into one call? Not known yet, if it may be tried.
        self._whole: bool | None = None if vectorized or is_pure(*_parts(fun)) else False
        # The same for arrays, where that is another function.
        self._alike = None if vectorized or self._whole is False else alike(*_parts(fun))
        self._turn, self._mixed = 0, False
        self.was_wrong = False
        self._shape = (n,)
        code = None if vectorized or self.dtype.kind == "c" else on_nodes(*_parts(fun), n)
        self.compiled = code if isinstance(code, Called) else None
        if isinstance(code, str) and not said:
            warn(f"`fun` is compiled, but called through Python, which is slower: {code}.")
        self._jac = jac
        self.given = jac is not None
        self.constant = jac is not None and not callable(jac)
        if self.constant:
            self._jac = self._matrix(jac)
        self._sparsity = Sparsity(sparsity, n) if sparsity is not None else None

    def as_sure_as(self, other: VectorField) -> VectorField:
        """Take over what is known of the same function with other `args`: whether all nodes may go into one call."""
        self._whole = other._whole
        return self

    @property
    def at_once(self) -> bool:
        """Whether all points of many windows may go into one call, as far as is known."""
        return bool(self._whole)

    @property
    def pure(self) -> bool:
        """Whether nobody can tell how often f is called, and when, as far as is known."""
        return self.compiled is not None or self._whole is not False

    @property
    def differences(self) -> bool:
        """Whether df/dy is made by differences of f in every direction."""
        return not self.given and self._sparsity is None

    def __call__(self, t: float, y: Number) -> Number:
        """f at one point, (n,), an array of its own."""
        self.nfev += 1
        return self._single(t, y.copy(), own=True)

    def nodes(self, t: Number, Y: Number, K: Number, others: int = 0) -> None:
        """f at the points (t_i, Y_i), t (s,), Y (s, n), written to K (s, n), with NumPy's warnings off.

        others : how many of them, the last ones, are for differences and do not count.
        """
        self._call_at(t, Y, K, others)
        if self.precision.looks:
            self.precision.look(K)

    def _call_at(self, t: Number, Y: Number, K: Number, others: int) -> None:
        self.nfev += t.size - others
        if self._whole is not False and self._try_whole(t, Y, K):
            return
        if others and not (t[-others:] != t[-1]).any():
            K[-others:] = self._columns(float(t[-1]), Y[-others:])
            t, Y, K = t[:-others], Y[:-others], K[:-others]
        if not self.compiled or not call_on_nodes(self.compiled, t, Y, K):
            self._one_by_one(t.tolist(), Y.copy(), K)

    def _one_by_one(self, t: list[float], Y: Number, K: Number) -> None:
        """f at the points (t_i, Y_i) by single calls, written to K (s, n); it may write to Y (s, n).

        Numbers in lists are gathered, and written at the end: to write a row of them takes longer than many an f. Not
        what f may still change, arrays in lists.
        """
        fun, shape, dtype, n = self._single if self.vectorized else self.fun, self._shape, self.dtype, self.n
        numbers: list[Any] = []  # from the first list on
        for moment, y, slope in zip(t, Y, K, strict=True):
            value = fun(moment, y)
            if type(value) in _SEVERAL and len(value) == n and _PLAIN.issuperset(map(type, value)):
                numbers += value  # now: f may return the same list every time
                continue
            if type(value) is not np.ndarray or value.dtype is not dtype or value.shape != shape:
                value = self._result(value, shape)
            if numbers:
                numbers += value.tolist()
            else:
                slope[:] = value
        if numbers:
            K[len(K) - len(numbers) // n :] = np.array(numbers, dtype=dtype).reshape(-1, n)

    def jacobian(
        self,
        t: float,
        y: Number,
        slope: Number,
        change: Number,
        small: Number,
        still: Flags | None = None,
        relative: float | None = None,
    ) -> Any:
        """df/dy at one point, (n, n), dense or sparse.

        slope : f(t, y); change, small : (n,), sizes that decide on the step of the differences: that by which y is
        about to change, and that below which y does not matter. still : (n,), components that differences are not to
        disturb, where df/dy is a dense one by differences; their columns are zero. relative : the step of differences,
        by default as f's precision has it.
        """
        if self.given:
            self.njev += not self.constant
            matrix = self._jac if self.constant else self._matrix(self._jac(t, y.copy()))
            if self._agrees(matrix, t, y, slope, np.maximum(abs(y), small)):
                return matrix
            self.given = self.constant = False
            replaced("jac", "fun")
            if issparse(matrix) and self._sparsity is None:  # n columns one by one would look like a hang
                self._sparsity = Sparsity(abs(matrix) + eye_array(self.n), self.n)
        self.njev += 1
        size = np.maximum(np.maximum(abs(y), abs(change)), small)
        step = (relative or self.precision.step) * np.where(size > 0.0, size, 1.0)
        step = np.where(slope.real < 0.0, -step, step)
        columns = lambda rows: self._columns(t, rows)
        if still is not None and self._sparsity is None:
            step[still] = 0.0
        if self._sparsity is not None:
            matrix = self._sparsity.differences(columns, y, slope, step)
            return matrix.toarray(order="C") if self.n <= _DENSE else matrix
        return at_once(columns, y, slope, step)

    def _agrees(self, matrix: Any, t: float, y: Number, slope: Number, size: Real) -> bool:
        """Whether the user's df/dy is right in one direction: two calls of f, of a constant one the first time only."""
        if self._checked and self.constant:
            return True
        self._checked = True
        step = alternating(np.where(size > 0.0, size, 1.0))
        moved = lambda part: np.array(self._single(t, y + part * step))
        return not disagreement(moved, matrix @ step, abs(matrix) @ abs(step), slope).any()

    def _single(self, t: float, y: Number, own: bool = False) -> Number:
        """f at one point, (n,); own : as an array that nobody else has."""
        if self.vectorized:
            value = self.fun(t, y[:, None])
            if getattr(value, "shape", None) == (self.n, 1):
                value = value[:, 0]
            else:
                value = np.ravel(np.asarray(value, dtype=None if value is not None else object))
        else:
            value = self.fun(t, y)
        if type(value) is np.ndarray and value.dtype == self.dtype and value.shape == self._shape:
            return value.copy() if own else value
        if type(value) in _SEVERAL and len(value) == self.n and _PLAIN.issuperset(map(type, value)):
            return np.array(value, dtype=self.dtype)
        return np.array(self._result(value, self._shape))

    def _result(self, value: Any, shape: tuple[int, ...]) -> Number:
        if getattr(value, "dtype", None) == np.float32:
            self.precision.is_single()
        return checked(value, shape, "fun", self.dtype, _COMPLEX)

    def _columns(self, t: float, rows: Number) -> Number:
        """f at one t for each row of `rows`, (k, n), uncounted."""
        if self.vectorized:
            return self._result(self.fun(t, np.ascontiguousarray(rows.T)), rows.T.shape).T
        values = np.empty(rows.shape, dtype=self.dtype)
        if self._whole:
            with np.errstate(all="ignore"):
                if self._try_whole(np.full(len(rows), t), rows, values):
                    return values
        self._one_by_one([t] * len(rows), rows, values)
        return values

    def _try_whole(self, t: Number, Y: Number, K: Number) -> bool:
        """All nodes in one call, t (s,) and y (n, s), where `fun` turns out to allow that.

        SciPy promises no more than k values of y for one t, and without `vectorized` not even that; but sums and
        products of y[0], y[1] do not care, and a function that only computes cannot tell. So the result is compared
        with single calls: at all nodes the first time, from then on in every seventh call at one node. What raises an
        exception, or differs, is called point by point from then on (docs/decisions.md, "Marching").
        """
        t_copy, y = t.copy(), Y.T.copy()  # f may write to them
        try:
            value = self.fun(t_copy, y) if self._alike is None else self._alike[0](t_copy, y, *self._alike[1])
            self._take(value, K.T)
            # Where `math` would have raised an exception.
            if self._alike is not None and not math.isfinite(np.add.reduce(K, axis=None)):
                return False
            if self._whole is None or self._turn % _CALLS_PER_CHECK == 0:
                for i in self._compared(t.size):
                    single = self._single(float(t[i]), Y[i].copy())
                    if not _same(single, K[i]):
                        return self._not_whole()
        except Exception:
            return self._not_whole()
        self._whole = True
        self._turn += 1
        return True

    def _not_whole(self) -> bool:
        """Call it point by point from now on."""
        self.was_wrong = self.was_wrong or bool(self._whole)
        self._whole = False
        return False

    def compare_anew(self) -> None:
        """Compare all points of the next call for many with single calls, as those of the first one."""
        self._whole = self._whole and None

    def _take(self, value: Any, rows: Number) -> None:
        """Write what f returned for many points to rows (n, m)."""
        array = value
        if type(value) in _SEVERAL and not self._mixed:
            try:
                array = np.array(value)
            except ValueError:  # numbers among rows
                self._mixed = True
        if type(array) is np.ndarray and array.dtype is rows.dtype and array.shape == rows.shape:
            rows[:] = array
        elif not _spread(value, rows):
            rows[:] = self._result(value, rows.shape)

    def _compared(self, s: int) -> list[int]:
        """At which of s nodes a call is compared with single ones."""
        if self._whole is None:
            return sorted({round(i) for i in np.linspace(0, s - 1, min(s, _COMPARED_FIRST)).tolist()})
        return [self._turn % s]

    def _matrix(self, value: Any) -> Any:
        """df/dy as csc_matrix where it is sparse and large, else as an array, in the problem's dtype."""
        if issparse(value):
            matrix = csc_matrix(value, dtype=self.dtype)
            matrix = matrix.toarray(order="C") if self.n <= _DENSE else matrix
        else:
            try:
                matrix = np.array(value if value is not None else "None", dtype=self.dtype, order="C")
            except (TypeError, ValueError):
                raise WrongKind(f"`jac` must give numbers of shape {(self.n, self.n)}, it gave {value!r}.") from None
            matrix = matrix.reshape(1, 1) if matrix.size == self.n == 1 else matrix
        if matrix.shape != (self.n, self.n):
            raise ValueError(f"`jac` is expected to have shape {(self.n, self.n)}, but actually has {matrix.shape}.")
        return matrix


def _spread(value: Any, rows: Number) -> bool:
    """Write what f returned for many points to rows (n, m), if it is n rows, or numbers that are the same everywhere.

    A number among rows is what `np.array` refuses.
    """
    if type(value) not in _SEVERAL or len(value) != len(rows):
        return False
    dtype, shape = rows.dtype, rows.shape[1:]
    for row, part in zip(rows, value, strict=True):
        if type(part) is np.ndarray:
            if part.dtype is not dtype or part.shape != shape:
                return False
        elif type(part) not in _PLAIN:
            return False
        row[:] = part
    return True


def _same(one: Number, other: Number) -> bool:
    """Whether two values (n,) are equal to rounding, NaN and infinity included."""
    if one.tolist() == other.tolist():
        return True
    with np.errstate(invalid="ignore"):
        near = (abs(one - other) <= _SAME_VALUE * abs(other)) & np.isfinite(other)
    return bool((near | (one == other) | (np.isnan(one) & np.isnan(other))).all())
