"""What a user's function returned: as an array of the shape and type expected, or an error that says what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import Number

__all__ = ["checked", "parts"]

_FLOAT = np.dtype(np.float64)


def checked(value: Any, shape: tuple[int, ...], name: str, dtype: Any = _FLOAT, advice: str = "") -> Number:
    """The value of `name` as an array of this shape and dtype in C order, writeable; not copied where it is one.

    advice : what to do if it is complex where it should be real. One number in any shape is taken for an array of shape
    (1,).
    """
    if type(value) is np.ndarray and value.dtype == dtype and value.shape == shape and value.flags.carray:
        return value
    if value is None:
        raise ValueError(f"`{name}` must return an array of shape {shape}, it returned None. Is a `return` missing?")
    array = _array(value, shape, name, np.dtype(dtype))
    if array.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        raise ValueError(f"`{name}` returned complex values{advice and '; ' + advice}.")
    if array.size == 1 and shape == (1,):
        array = array.reshape(shape)
    if array.shape != shape:
        raise ValueError(
            f"`{name}` must return an array of shape {shape}{_columns(shape)}, it returned shape {array.shape}."
            f"{_flat(array, shape)}"
        )
    return np.array(array, dtype=dtype, order="C")


def parts(
    value: Any, shapes: Sequence[tuple[int, ...]], name: str, dtype: Any = _FLOAT, advice: str = "", what: str = ""
) -> list[Number]:
    """Several arrays that `name` returned, in a tuple, a list or stacked in one array; one alone as it is, too.

    what : how the message calls them, by default by their number.
    """
    if len(shapes) == 1 and not isinstance(value, tuple):
        value = (value,)
    stacked = isinstance(value, np.ndarray) and value.ndim == 1 + len(shapes[0])
    if not (stacked or isinstance(value, (tuple, list))) or len(value) != len(shapes):
        came = type(value).__name__ + (f" of length {len(value)}" if isinstance(value, (tuple, list)) else "")
        raise ValueError(
            f"`{name}` must return {what or f'{len(shapes)} arrays'} of shapes {shapes}, it returned {came}."
        )
    return [checked(part, shape, name, dtype, advice) for part, shape in zip(value, shapes, strict=True)]


def _array(value: Any, shape: tuple[int, ...], name: str, dtype: np.dtype[Any]) -> Number:
    kind = "numbers" if dtype.kind == "c" else "real numbers"
    try:
        array = np.asarray(value)
    except ValueError:
        row = "A constant row must have one value per point too: np.full_like(x, value)." if len(shape) > 1 else ""
        raise ValueError(
            f"`{name}` must return an array of shape {shape}, it returned rows of different lengths. {row}".rstrip()
        ) from None
    if array.dtype.kind == "O" and len(shape) == 1:  # a few numbers of another package; many would be slow, and a slip
        try:
            array = array.astype(dtype)
        except (TypeError, ValueError):
            raise ValueError(f"`{name}` must return {kind} of shape {shape}, it returned {value!r}.") from None
    if array.dtype.kind not in "fiubc":
        raise ValueError(f"`{name}` must return {kind}, it returned an array of dtype {array.dtype}.")
    return array


def _columns(shape: tuple[int, ...]) -> str:
    return " (one column per point: x is (m,), y is (n, m))" if len(shape) > 1 else ""


def _flat(array: Number, shape: tuple[int, ...]) -> str:
    return " Return y's own shape: a flat array." if len(shape) == 1 and array.size == np.prod(shape) else ""
