"""The user's right-hand side: called, checked, differentiated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arguments import function, warn
from ..arrays import Flags, Real
from ..compiled.functions import Called, on_block
from .differences import alternating, central, disagreement, size_of
from .results import checked, parts

__all__ = ["RightHandSide", "RightHandSide2"]

_SPLIT = "split the problem into real and imaginary parts"


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
        function(self.fun, "fun", self._called_with)
        function(self.jac, "jac", self._called_with, optional=True)
        if not isinstance(self.args, tuple):
            meant = "tuple(args)" if isinstance(self.args, list) else "(args,)"
            raise TypeError(f"`args` must be a tuple, got {type(self.args).__name__}. Did you mean {meant}?")

    def __call__(self, x: Real, y: Real) -> Real:
        """f at the points, (n, m)."""
        return checked(self.fun(x.copy(), y.copy(), *self.args), y.shape, "fun", advice=_SPLIT)

    def jacobian(self, x: Real, y: Real) -> Real:
        """df/dy at the points, (n, n, m): entry [k, l] is the derivative of f_k by y_l."""
        if self.jac is not None:
            return checked(self.jac(x.copy(), y.copy(), *self.args), (len(y), *y.shape), "jac", advice=_SPLIT)
        return self.differences(x, y)

    def system(self) -> RightHandSide:
        """The same equation as a system of first order."""
        return self

    def differences(self, x: Real, y: Real) -> Real:
        """df/dy by central differences with one call of `fun`."""
        return central(self, x, y)

    def on_block(self) -> tuple[Called, Called | None] | None:
        """`fun` and `jac`, which may be missing, as kernels call them; None where Python has to."""
        fun = self._machine_code("fun", 2)
        jac = None if self.jac is None or fun is None else self._machine_code("jac", 3)
        return None if fun is None or (jac is None and self.jac is not None) else (fun, jac)

    def _machine_code(self, name: str, ndim: int) -> Called | None:
        code = on_block(getattr(self, name), self.args, ndim)
        if isinstance(code, str):
            warn(f"`{name}` is compiled, but called through Python, which is slower: {code}.")
            return None
        return code

    def without_jac(self) -> RightHandSide:
        """The same with differences of `fun` instead of `jac`."""
        return replace(self, jac=None)

    def jac_is_wrong(self, x: Real, y: Real) -> Flags:
        """At which of the points `jac` disagrees with differences of `fun`, (m,)."""
        said = self.jacobian(x, y)
        step = alternating(size_of(y))
        along, terms = (np.einsum("klm,lm->km", *pair) for pair in ((said, step), (abs(said), abs(step))))
        wrong = disagreement(lambda t: self(x, y + t * step), along, terms, self(x, y))
        return np.asarray(wrong.any(axis=0))


@dataclass(frozen=True)
class RightHandSide2(RightHandSide):
    """f(x, y, y') as a function of x and the state (2n, m), y above y'.

    fun(x, y, dy, *args) : x (m,), y and dy (n, m) -> (n, m); jac(x, y, dy, *args) -> (df_dy, df_ddy), each (n, n, m),
    or None.
    """

    _called_with = "x, y, dy"

    def __call__(self, x: Real, state: Real) -> Real:
        """f at the points, (n, m)."""
        y, dy = np.split(state, 2)
        return checked(self.fun(x.copy(), y.copy(), dy.copy(), *self.args), y.shape, "fun", advice=_SPLIT)

    def jacobian(self, x: Real, state: Real) -> Real:
        """df/dy beside df/dy' at the points, (n, 2n, m)."""
        if self.jac is None:
            return self.differences(x, state)
        y, dy = np.split(state, 2)
        shape = (len(y), *y.shape)
        value = self.jac(x.copy(), y.copy(), dy.copy(), *self.args)
        found = parts(value, [shape, shape], "jac", advice=_SPLIT, what="two arrays (df_dy, df_ddy)")
        return np.concatenate(found, axis=1)

    def on_block(self) -> None:
        """Called from Python: there is no fused kernel for second order."""
        return

    def system(self) -> RightHandSide:
        """The same equation as a system of first order: the state's derivative, (2n, m), by the state."""

        def fun(x: Real, state: Real) -> Real:
            return np.concatenate([state[len(state) // 2 :], self(x, state)])

        def jac(x: Real, state: Real) -> Real:
            df = self.jacobian(x, state)
            upper = np.zeros_like(df)
            row = np.arange(len(df))
            upper[row, row + len(df)] = 1.0
            return np.concatenate([upper, df])

        return RightHandSide(fun, jac)
