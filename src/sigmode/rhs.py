"""The user's right-hand side: called, checked, differentiated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

__all__ = ["RightHandSide", "RightHandSide2", "checked"]

_SPLIT = "split the problem into real and imaginary parts"
_COLUMNS = " (one column per point: x is (m,), y is (n, m))"
_FLOAT = np.dtype(np.float64)

# Optimal step of a central difference with rounding error eps: the cube root, relative to the size of y.
_STEP = np.finfo(float).eps ** (1 / 3)


@dataclass(frozen=True)
class RightHandSide:
    """f(x, y) and df/dy in the convention of `scipy.integrate.solve_bvp`.

    fun(x, y, *args) : x (m,), y (n, m) -> (n, m); jac(x, y, *args) -> (n, n, m) or None for central differences,
    whose relative error is about 1e-10. What `fun` raises passes through untouched.
    """

    fun: Callable[..., Any]
    jac: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()

    _called_with = "x, y"

    def __post_init__(self) -> None:
        if not callable(self.fun):
            raise TypeError(f"`fun` must be callable as fun({self._called_with}), got {type(self.fun).__name__}.")
        if self.jac is not None and not callable(self.jac):
            raise TypeError(
                f"`jac` must be callable as jac({self._called_with}) or None, got {type(self.jac).__name__}."
            )
        if not isinstance(self.args, tuple):
            meant = "tuple(args)" if isinstance(self.args, list) else "(args,)"
            raise TypeError(f"`args` must be a tuple, got {type(self.args).__name__}. Did you mean {meant}?")

    def __call__(self, x: Array, y: Array) -> Array:
        """f at the points, (n, m)."""
        return checked(self.fun(x.copy(), y.copy(), *self.args), y.shape, "fun")

    def jacobian(self, x: Array, y: Array) -> Array:
        """df/dy at the points, (n, n, m): entry [k, l] is the derivative of f_k by y_l."""
        if self.jac is not None:
            return checked(self.jac(x.copy(), y.copy(), *self.args), (len(y), *y.shape), "jac")
        return self.differences(x, y)

    def system(self) -> RightHandSide:
        """The same equation as a system of first order."""
        return self

    def differences(self, x: Array, y: Array) -> Array:
        """df/dy by central differences with one call of `fun`: all 2n shifted copies of the points side by side."""
        n, m = y.shape
        size = np.abs(y)
        largest = size.max(axis=1, keepdims=True)  # a component that is small everywhere has small features
        step = _STEP * np.maximum(size, np.where(largest > 0.0, np.minimum(largest, 1.0), 1.0))
        shifted = np.tile(y, (2, n, 1, 1)).transpose(2, 0, 1, 3)  # [component, side, shifted component, point]
        for k in range(n):
            shifted[k, 0, k] += step[k]
            shifted[k, 1, k] -= step[k]
        f = self(np.tile(x, 2 * n), shifted.reshape(n, 2 * n * m)).reshape(-1, 2, n, m)
        diagonal = np.arange(n)
        run = shifted[diagonal, :, diagonal]  # the shifts that were really made, after rounding
        with np.errstate(invalid="ignore"):
            df_dy: Array = (f[:, 0] - f[:, 1]) / (run[:, 0] - run[:, 1])
        if not np.isfinite(df_dy).all():
            self._one_sided(df_dy, x, y, f, run)
        return df_dy

    def _one_sided(self, df_dy: Array, x: Array, y: Array, f: Array, run: Array) -> None:
        """Where f is not defined on one side (a square root at zero), take the difference from the other."""
        middle = self(x, y)[:, None]
        with np.errstate(invalid="ignore"):
            for side in (0, 1):
                difference = (f[:, side] - middle) / (run[:, side] - y)
                np.copyto(df_dy, difference, where=~np.isfinite(df_dy))


@dataclass(frozen=True)
class RightHandSide2(RightHandSide):
    """f(x, y, y') as a function of x and the state (2n, m), y above y'.

    fun(x, y, dy, *args) : x (m,), y and dy (n, m) -> (n, m); jac(x, y, dy, *args) -> (df_dy, df_ddy), each (n, n, m),
    or None.
    """

    _called_with = "x, y, dy"

    def __call__(self, x: Array, state: Array) -> Array:
        """f at the points, (n, m)."""
        y, dy = np.split(state, 2)
        return checked(self.fun(x.copy(), y.copy(), dy.copy(), *self.args), y.shape, "fun")

    def jacobian(self, x: Array, state: Array) -> Array:
        """df/dy beside df/dy' at the points, (n, 2n, m)."""
        if self.jac is None:
            return self.differences(x, state)
        y, dy = np.split(state, 2)
        shape = (len(y), *y.shape)
        value = self.jac(x.copy(), y.copy(), dy.copy(), *self.args)
        try:
            df_dy, df_ddy = value
        except (TypeError, ValueError):
            raise ValueError(
                f"`jac` must return two arrays (df_dy, df_ddy) of shape {shape}, it returned {type(value).__name__}."
            ) from None
        return np.concatenate([checked(df_dy, shape, "jac"), checked(df_ddy, shape, "jac")], axis=1)

    def system(self) -> RightHandSide:
        """The same equation as a system of first order: the state's derivative, (2n, m), by the state."""

        def fun(x: Array, state: Array) -> Array:
            return np.concatenate([state[len(state) // 2 :], self(x, state)])

        def jac(x: Array, state: Array) -> Array:
            df = self.jacobian(x, state)
            upper = np.zeros_like(df)
            row = np.arange(len(df))
            upper[row, row + len(df)] = 1.0
            return np.concatenate([upper, df])

        return RightHandSide(fun, jac)


def checked(value: Any, shape: tuple[int, ...], name: str, dtype: type = float, advice: str = _SPLIT) -> NDArray[Any]:
    """What the user's function returned as an array of the type and shape expected, or an error that says what came."""
    if type(value) is np.ndarray and value.dtype is _FLOAT and dtype is float and value.shape == shape:
        return value
    if value is None:
        raise ValueError(f"`{name}` must return an array of shape {shape}, it returned None. Is a `return` missing?")
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"`{name}` must return an array of shape {shape}, it returned rows of different lengths. "
            "A constant row must have one value per point too: np.full_like(x, value)."
        ) from None
    if array.dtype.kind == "c" and dtype is float:
        raise ValueError(f"`{name}` returned complex values; {advice}.")
    if array.dtype.kind not in "fiubc":
        raise ValueError(f"`{name}` must return real numbers, it returned an array of dtype {array.dtype}.")
    if array.shape != shape:
        raise ValueError(
            f"`{name}` must return an array of shape {shape}{_COLUMNS if len(shape) > 1 else ''}, "
            f"it returned shape {array.shape}."
        )
    return array.astype(dtype)
