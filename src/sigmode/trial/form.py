"""The forms of a trial solution: ``y = A + B N``, with A through the conditions and B zero where they hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Number

__all__ = ["FORMS", "VALUE", "Form"]


class Form(NamedTuple):
    """The order of the equation and the kind of its conditions.

    order : 1 or 2; two_point : whether the second condition is the value at the end, not the slope at the start.
    On a window of length h, with conditions c0 and c1, each (n,) or anything that broadcasts with xi:

        order 1             A = c0                       B = xi
        order 2, initial    A = c0 + xi h c1             B = xi**2
        order 2, two-point  A = (1 - xi) c0 + xi c1      B = xi (1 - xi)
    """

    order: int
    two_point: bool = False

    def factor(self, xi: Number, i: int) -> Any:
        """The i-th derivative of B by xi, i = 0, 1, 2 (zero beyond); a number where it is constant."""
        if self.order == 1:
            return (xi, 1.0, 0.0)[i]
        if self.two_point:
            return (xi * (1.0 - xi), 1.0 - 2.0 * xi, -2.0)[i]
        return (xi * xi, 2.0 * xi, 2.0)[i]

    def line(self, first: Number, second: Number, h: Any, xi: Number, nu: int) -> Number:
        """The nu-th derivative of A by x, nu < order (it is zero beyond): exactly the conditions where they hold."""
        if self.order == 1:
            return first
        if self.two_point:
            return np.asarray((second - first) / h if nu else (1.0 - xi) * first + xi * second)
        return np.asarray(second if nu else first + xi * h * second)

    def product(self, network: Callable[[int], Number], xi: Number, nu: int) -> Number:
        """The nu-th derivative of B N by xi (Leibniz), `network(i)` being the i-th of N."""
        total = self.factor(xi, 0) * network(nu)
        for i in range(1, min(nu, self.order) + 1):
            total = total + math.comb(nu, i) * self.factor(xi, i) * network(nu - i)
        return np.asarray(total)

    def magnitude(self, network: Callable[[int], Number], nu: int) -> Number:
        """As `product`, of sizes: the largest |B| and |N| on [0, 1]."""
        xi = np.array([0.0, 0.5, 1.0])
        parts = [math.comb(nu, i) * np.max(abs(self.factor(xi, i))) * network(nu - i) for i in range(nu + 1)]
        return np.asarray(sum(parts[1:], parts[0]))


VALUE = Form(1)
# By the names that `Collocation` has for them.
FORMS = {(1, "initial"): VALUE, (2, "initial"): Form(2), (2, "two-point"): Form(2, two_point=True)}
