"""A solution as a function of one number for a user's compiled code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..arrays import Number, Real
from .evaluate import Pieces, activation, derivative, window_of
from .launch import for_users, helper

__all__ = ["function_of"]

_COMB = np.array([[math.comb(nu, i) for i in range(3)] for nu in range(4)], dtype=float)


@helper
def _factor(order, two_point, xi, i):
    """The i-th derivative by xi of B in y = A + B N, as `trial.form.Form.factor`."""
    if order == 1:
        return xi if i == 0 else (1.0 if i == 1 else 0.0)
    if two_point:
        return xi * (1.0 - xi) if i == 0 else (1.0 - 2.0 * xi if i == 1 else -2.0)
    return xi * xi if i == 0 else (2.0 * xi if i == 1 else 2.0)


@helper
def _line(order, two_point, first, second, h, xi, nu):
    """The nu-th derivative by x of A in y = A + B N, as `trial.form.Form.line`."""
    if nu >= order:
        return 0.0
    if order == 1:
        return first
    if two_point:
        return (second - first) / h if nu else (1.0 - xi) * first + xi * second
    return second if nu else first + xi * h * second


@helper
def _at(pieces, second, order, two_point, nu, outside, t, total, found):
    """found (n,) = the nu-th derivative of y by x at t; total (n,) : room."""
    x = pieces.x
    if not (outside or min(x[0], x[-1]) <= t <= max(x[0], x[-1])):
        found[:] = np.nan
        return
    k = window_of(x, t, 0)
    row = k if len(pieces.w) > 1 else 0
    h = pieces.h[k] if pieces.h[k] != 0.0 else 1.0
    xi = (t - x[k]) / h
    V = pieces.V[k]
    for q in range(found.size):
        found[q] = _line(order, two_point, pieces.y[k, q], second[k, q], h, xi, nu)
    for i in range(min(nu, order) + 1):  # Leibniz
        scale = _COMB[nu, i] * _factor(order, two_point, xi, i) / h**nu
        for q in range(found.size):
            total[q] = pieces.c[k, q] if nu == i else 0.0
        for j in range(V.shape[1]):
            w = pieces.w[row, j]
            s, ds = activation(pieces.kind, w * xi + pieces.b[row, j])
            unit = derivative(pieces.kind, nu - i, s, ds) * w ** (nu - i)
            for q in range(found.size):
                total[q] += V[q, j] * unit
        for q in range(found.size):
            found[q] += scale * total[q]


def function_of(
    pieces: Pieces, second: Real, order: int, two_point: bool, nu: int, outside: bool, pairs: bool
) -> Callable[[float], Number]:
    """A compiled function of t, the nu-th derivative by x of the solution, nu <= 3, as an array (n,).

    pieces, second : windows, and what a form of second order has besides; pairs : whether two real components are one
    complex one. Numba keeps the arrays with the function.
    """
    x, h, y, w, b, V, c, kind = pieces
    n = y.shape[1]

    @for_users
    def solution(t):
        found = np.empty(n)
        _at(Pieces(x, h, y, w, b, V, c, kind), second, order, two_point, nu, outside, t, np.empty(n), found)
        return found

    if not pairs:
        return solution  # type: ignore[no-any-return]

    @for_users
    def complex_solution(t):
        return solution(t).view(np.complex128)

    return complex_solution  # type: ignore[no-any-return]
