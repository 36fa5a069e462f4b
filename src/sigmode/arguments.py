"""Arguments of the public functions: checked once, with one text and one type of exception for each mistake.

A value that is wrong is a ValueError.  What is not of the right kind at all, text for a number, is both a ValueError,
as NumPy has it for arrays, and a TypeError, as Python has it for numbers (so is `io.UnsupportedOperation` two things).
"""

from __future__ import annotations

import difflib
import inspect
import math
import operator
import reprlib
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Number, Real

__all__ = [
    "EPS", "SMALLEST_RTOL", "WrongKind",
    "choice", "count", "finite", "function", "no_effect", "no_tuple", "number", "numbers", "one_dimensional",
    "positive", "seed", "span", "tolerances", "warn",
]  # fmt: skip

EPS = float(np.finfo(float).eps)
SMALLEST_RTOL = 100 * EPS  # SciPy's
# What needs no further look.
_NUMBERS, _DOUBLE = frozenset({float, int}), np.dtype(np.float64)
_SHORT = frozenset((n,) for n in range(17))  # of vectors that are looked at faster as a list. Not tuned.


class WrongKind(TypeError, ValueError):
    """An argument that is no number where one is expected."""


def warn(message: str) -> None:
    """A UserWarning that points at the first line outside of this package and of SciPy: the user's."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("sigmode", "scipy"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def no_effect(names: Iterable[str], known: Iterable[str] = ()) -> None:
    """SciPy's warning about options that a solver does not have; known : those that it has."""
    listed = ", ".join(f"`{name}`" for name in names)
    close = [match for name in names for match in difflib.get_close_matches(name, known, 1)]
    meant = f" Did you mean {' and '.join(f'`{name}`' for name in close)}?" if close else ""
    warn(f"The following arguments have no effect for a chosen solver: {listed}.{meant}")


def function(value: Any, name: str, call: str = "", optional: bool = False) -> None:
    """A callable; call : the arguments that it will get."""
    if not callable(value) and not (optional and value is None):
        how = f" as {name}({call})" if call else ""
        raise TypeError(f"`{name}` must be callable{how}{' or None' * optional}, got {type(value).__name__}.")


def choice(value: Any, name: str, options: Iterable[str]) -> None:
    """One of some names."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"`{name}` must be one of {tuple(options)}, got {value!r}.")


def no_tuple(args: Any) -> TypeError:
    """The error for `args` that are no tuple."""
    return TypeError(f"`args` must be a tuple, e.g. `args=({reprlib.repr(args)},)`, got {type(args).__name__}.")


def number(value: Any, name: str, kind: str = "number") -> float:
    """A real number."""
    if type(value) in _NUMBERS:
        return float(value) + 0.0  # no -0.0
    try:
        return float(np.asarray(value).item() + 0.0)  # which text is not
    except (TypeError, ValueError):
        raise WrongKind(f"`{name}` must be a {kind}, got {value!r}.") from None


def positive(value: Any, name: str, infinite: bool = False) -> float:
    """A number above zero, which may be infinite if that is allowed."""
    found = number(value, name, "positive number")
    if not found > 0.0 or (math.isinf(found) and not infinite):  # NaN, too
        raise ValueError(f"`{name}` must be positive{'' if infinite else ' and finite'}, got {value!r}.")
    return found


def _integer(value: Any, name: str, kind: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"`{name}` must be {kind}, got {value!r}.") from None


def count(value: Any, name: str) -> int:
    """An integer of at least 1."""
    found = _integer(value, name, "an integer")
    if found < 1:
        raise ValueError(f"`{name}` must be at least 1, got {found}.")
    return found


def seed(value: Any) -> int | None:
    """A seed of a random generator, or None."""
    if value is None:
        return None
    found = _integer(value, "seed", "an integer or None")
    if found < 0:
        raise ValueError(f"`seed` must not be negative, got {value}.")
    return found


def span(value: Any, name: str, ends: str) -> tuple[float, float]:
    """Two real numbers, not NaN; ends : what they are called, as "(t0, tf)"."""
    try:
        first, last = value
    except TypeError:
        raise WrongKind(f"`{name}` must be two numbers {ends}, got {value!r}.") from None
    except ValueError:
        raise ValueError(f"`{name}` must be two numbers {ends}, got {value!r}.") from None
    try:
        found = number(first, name), number(last, name)
    except WrongKind:
        raise WrongKind(f"`{name}` must be two real numbers {ends}, got {value!r}.") from None
    if math.isnan(found[0]) or math.isnan(found[1]):
        raise ValueError(f"`{name}` must be finite, got {value!r}.")
    return found


def numbers(value: Any, name: str, shape: str, real: bool = False, advice: str = "") -> Number:
    """A copy in float64 or complex128; shape : how it is called in the message, "(n,)"; advice : for complex ones."""
    try:
        array = np.array(value)
        if array.dtype is not _DOUBLE:
            if array.dtype.kind not in "fiubc":
                raise TypeError
            array = array.astype(complex if array.dtype.kind == "c" else float, copy=False)
    except (TypeError, ValueError):
        kind = "real numbers" if real else "numbers"
        raise WrongKind(f"`{name}` must be {kind} of shape {shape}, got {value!r}.") from None
    if real and array.dtype.kind == "c":
        raise ValueError(f"`{name}` is complex, but must be real{advice and '; ' + advice}.")
    return array


def one_dimensional(array: Number, name: str) -> None:
    """An array with one axis."""
    if array.ndim != 1:
        raise ValueError(f"`{name}` must be 1-dimensional, got shape {array.shape}.")


def finite(array: Number, what: str) -> None:
    """No infinity and no NaN in it; what : how it is called, "`x`"."""
    if array.shape in _SHORT and array.dtype is _DOUBLE and all(map(math.isfinite, array.tolist())):
        return  # in a fifth of the time
    good = np.isfinite(array)
    if not good.all():
        raise ValueError(f"All components of {what} must be finite, got {array[~good][0]}.")


def in_order(array: Real, name: str) -> None:
    """Numbers (m,), each larger than the one before it."""
    wrong = np.flatnonzero(np.diff(array) <= 0.0)
    if wrong.size:
        before, after = array[wrong[0] : wrong[0] + 2].tolist()
        raise ValueError(f"`{name}` must be strictly increasing, got {after} after {before}.")


def times_within(times: Real, spans: Real) -> None:
    """`t_eval` (N, k) or (1, k), within spans (N, 2) or (1, 2) and in the order of each."""
    low, high = spans.min(axis=1, keepdims=True), spans.max(axis=1, keepdims=True)
    outside = np.argwhere(~((times >= low) & (times <= high)))  # NaN, too
    if outside.size:
        row, k = outside[0]
        got, span = times[row % len(times), k], spans[row % len(spans)].tolist()
        raise ValueError(f"Values in `t_eval` are not within `t_span`, got {got} outside of {tuple(span)}.")
    sign = np.where(spans[:, 1:] >= spans[:, :1], 1.0, -1.0)
    wrong = np.argwhere(~(np.diff(times) * sign > 0.0))
    if wrong.size:
        row, k = wrong[0]
        before, after = times[row % len(times), k : k + 2].tolist()
        raise ValueError(f"Values in `t_eval` are not properly sorted, got {after} after {before}.")


def tolerances(rtol: ArrayLike, atol: ArrayLike, n: int) -> tuple[Real, Real]:
    """`rtol` and `atol` as arrays, () or (n,). As in SciPy, a tiny `rtol` is raised."""
    if type(rtol) is float and type(atol) is float and SMALLEST_RTOL <= rtol < math.inf and 0.0 <= atol < math.inf:
        return np.array(rtol), np.array(atol)  # as nearly always
    checked = []
    for name, value in (("rtol", rtol), ("atol", atol)):
        array = numbers(value, name, f"() or ({n},)", real=True)
        if array.shape not in ((), (n,)):
            raise ValueError(f"`{name}` has wrong shape: expected () or ({n},), got {array.shape}.")
        if not ((array >= 0) & np.isfinite(array)).all():
            raise ValueError(f"`{name}` must be finite and not negative, got {value!r}.")
        checked.append(array)
    if (checked[0] < SMALLEST_RTOL).any():
        warn(f"At least one element of `rtol` is too small. Setting `rtol = np.maximum(rtol, {SMALLEST_RTOL})`.")
        checked[0] = np.maximum(checked[0], SMALLEST_RTOL)
    return checked[0], checked[1]
