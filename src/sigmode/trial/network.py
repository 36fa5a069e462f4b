"""The one-hidden-layer network: layout of its parameters, initial values, values and derivatives."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Polynomial
from scipy.linalg import lstsq
from scipy.special import expit

from ..arrays import Index, Real
from ..compiled.activations import ACTIVATIONS
from .form import Form

__all__ = ["Blocks", "Network"]

# Initial hidden layer (docs/decisions.md, "Where the sigmoids start"): centres beyond the ends by this much ...
_MARGIN = 0.5
# ... and slopes per unit of xi of this size, more for wide layers, times a random factor between 0.5 and 1.5.
_SLOPE = 4.0
_SLOPE_PER_UNIT = 0.15

# A steep unit shows itself at these arguments z. Not tuned.
_FEATURE = (-20.0, -6.0, -2.0, 0.0, 2.0, 6.0, 20.0)
# Singular directions below this part of the largest are rounding. Not tuned.
_RANK = 1e-15
# Output weights that are gathered at once for points in different windows: 8 MiB. Not tuned.
_GATHERED = 2**20
# Where `magnitude` looks, in units of the span. Not tuned.
_SAMPLES = np.linspace(0.0, 1.0, 17)


class Blocks(NamedTuple):
    """Views of the flat parameters: w, b (n_hidden,); V (n, n_hidden); c (n,) or empty."""

    w: Real
    b: Real
    V: Real
    c: Real


@dataclass(frozen=True)
class Network:
    """N_k(xi) = sum_j V_kj s(w_j xi + b_j) + c_k with parameters ``theta = w | b | V | c``, eq. (2).

    n : equations; n_hidden : hidden units; activation : "sigmoid", "tanh" or "sin"; output_bias : whether c exists.
    """

    n: int
    n_hidden: int
    activation: str = "sigmoid"
    output_bias: bool = False

    @property
    def n_theta(self) -> int:
        """Number of parameters."""
        return (2 + self.n) * self.n_hidden + self.n * self.output_bias

    @property
    def n_output(self) -> int:
        """Number of output parameters, V and c: the last ones of theta."""
        return self.n * (self.n_hidden + self.output_bias)

    @property
    def kind(self) -> int:
        """The activation as the kernels number it."""
        return ACTIVATIONS[self.activation]

    def split(self, theta: Real) -> Blocks:
        """Views of the blocks of theta."""
        h = self.n_hidden
        V = theta[2 * h : (2 + self.n) * h].reshape(self.n, h)
        hidden = theta[: 2 * h].real  # the output weights may be complex
        return Blocks(hidden[:h], hidden[h:], V, theta[(2 + self.n) * h :])

    def blocks(self, theta: Real) -> Blocks:
        """Those of networks theta (K, .) whose hidden layers are one: w, b of that, V (K, n, n_hidden), c (K, n)."""
        h = self.n_hidden
        hidden = theta[0, : 2 * h].real
        V = theta[:, 2 * h : (2 + self.n) * h].reshape(-1, self.n, h)
        return Blocks(hidden[:h], hidden[h:], V, theta[:, (2 + self.n) * h :])

    def initial(self, seed: int | None) -> Real:
        """A random hidden layer spread over [0, 1] under zero output weights; the same seed gives the same bits.

        Zero output weights start every trial solution at its initial value, and the first steps of an optimiser
        at the output weights, where the problem is closest to a linear one.
        """
        rng = np.random.default_rng(seed)
        h = self.n_hidden
        width = (1.0 + 2.0 * _MARGIN) / h
        centre = -_MARGIN + width * (np.arange(h) + rng.uniform(size=h))
        slope = max(_SLOPE, _SLOPE_PER_UNIT * h)
        w = slope * rng.uniform(0.5, 1.5, h) * rng.choice([-1.0, 1.0], h)
        theta = np.zeros(self.n_theta)
        theta[:h] = w
        theta[h : 2 * h] = -w * centre
        return theta

    def reshaped(self, theta: Real, reach: float, steeper: float) -> Real:
        """The same hidden layer with centres drawn towards 1/2 and slopes changed by a factor, zero output weights."""
        if reach == steeper == 1.0:
            return theta
        w, b, _, _ = self.split(theta)
        new = np.zeros_like(theta)
        new[: self.n_hidden] = steeper * w
        # w (xi - c) with c -> 1/2 + reach (c - 1/2), and w c = -b
        new[self.n_hidden : 2 * self.n_hidden] = steeper * (reach * b - (1.0 - reach) * 0.5 * w)
        return new

    def fitted(self, theta: Real, form: Form, xi: Real, targets: list[Real]) -> Real:
        """theta with the output weights for which the derivatives of B N are closest to targets[nu], (n, m) each."""
        w, b, _, c = self.split(theta)
        z = np.multiply.outer(xi, w) + b

        def hidden(nu: int) -> Real:
            units = w**nu * _derivative(self.activation, z, nu)
            return np.pad(units, ((0, 0), (0, 1)), constant_values=float(nu == 0)) if c.size else units

        rows = np.concatenate([form.product(hidden, xi[:, None], nu) for nu in range(len(targets))])
        weights = lstsq(rows, np.concatenate(targets, axis=1).T, cond=_RANK, lapack_driver="gelsy")[0]
        layer = theta[: 2 * self.n_hidden]
        return np.concatenate([layer, weights[: self.n_hidden].T.ravel(), weights[self.n_hidden :].ravel()])

    def derivative(self, theta: Real, xi: Real, nu: int) -> Real:
        """The nu-th derivative of N by xi at the points xi, (n, m)."""
        w, b, V, c = self.split(theta)
        s = _derivative(self.activation, np.multiply.outer(w, xi) + b[:, None], nu)
        value: Real = (V * w**nu) @ s
        return value + c[:, None] if nu == 0 and c.size else value

    def derivatives(self, theta: Real, row: Index, xi: Real, nu: int) -> Real:
        """`derivative` at the points xi (m,) of networks theta[row[i]], whose hidden layers are the same, (n, m)."""
        w, b, V, c = self.blocks(theta)
        value = np.empty((self.n, xi.size), dtype=theta.dtype)
        size = max(1, _GATHERED // max(1, self.n * self.n_hidden))
        for lo in range(0, xi.size, size):
            part = slice(lo, lo + size)
            s = _derivative(self.activation, np.multiply.outer(w, xi[part]) + b[:, None], nu)
            value[:, part] = np.einsum("mkj,jm->km", V[row[part]], (w**nu)[:, None] * s)
        return value + c[row].T if nu == 0 and c.size else value

    def of_all(self, theta: Real, xi: Real) -> Real:
        """N at the points xi (m,) of networks whose hidden layers are the same, (K, n, m)."""
        w, b, _, _ = self.split(theta[0])
        V = theta[:, 2 * self.n_hidden : (2 + self.n) * self.n_hidden].reshape(-1, self.n_hidden)
        values = (V @ _derivative(self.activation, np.multiply.outer(w, xi) + b[:, None], 0)).reshape(
            -1, self.n, xi.size
        )
        c = theta[:, (2 + self.n) * self.n_hidden :]
        return np.asarray(values + c[:, :, None] if c.size else values)

    def magnitude(self, theta: Real, nu: int) -> Real:
        """Rounding error of the nu-th derivative of N by xi on [0, 1], (n,), in units of the unit roundoff.

        In quadrature over the units, whose errors are independent: that of the activation itself and that of
        z = w xi + b, carried by the next derivative.
        """
        w, b, V, c = self.split(theta)
        xi = _SAMPLES
        z = np.multiply.outer(w, xi) + b[:, None]
        own = (1.0 + nu) * abs(_derivative(self.activation, z, nu))
        through_z = (abs(np.multiply.outer(w, xi)) + abs(b)[:, None]) * abs(_derivative(self.activation, z, nu + 1))
        total: Real = np.sqrt((V * w**nu) ** 2 @ (own + through_z) ** 2).max(axis=1)
        return total + abs(c) if c.size and nu == 0 else total

    def features(self, theta: Real, m: int) -> Real:
        """Abscissae in [0, 1] without which m points may step over something that the network does."""
        w, b, _, _ = self.split(theta)
        steep = abs(w) > m
        if self.activation == "sin":
            waves = min(float(abs(w).max()), 1000.0)
            return np.linspace(0.0, 1.0, int(waves) + 1) if steep.any() else np.empty(0)
        w, b = w[steep], b[steep]
        xi = np.add.outer(np.array(_FEATURE), -b) / w
        return np.unique(xi[(xi > 0.0) & (xi < 1.0)])


def _derivative(name: str, z: Real, nu: int) -> Real:
    """The nu-th derivative of the activation at z, eq. (22) and its like."""
    if name == "sin":
        return np.asarray(np.sin(z + nu * (np.pi / 2)) if nu else np.sin(z))
    value = np.tanh if name == "tanh" else expit
    if nu == 0:
        return np.asarray(value(z))
    scale = 2.0 if name == "tanh" else 1.0  # tanh z = 2 s(2z) - 1
    slope = scale**2 * expit(scale * z) * expit(-scale * z)
    if nu == 2:
        return np.asarray(-scale * np.tanh(0.5 * scale * z) * slope)
    if nu == 3:  # Ds (1 - 6 Ds) and Dt (4 - 6 Dt)
        return np.asarray(slope * (scale**2 - 6.0 * slope))
    return np.asarray(scale ** (nu - 1) * slope * _quotient(nu)(expit(scale * z)))


@functools.cache
def _quotient(nu: int) -> Polynomial:
    """The nu-th derivative of the sigmoid over its first, a polynomial in s: q -> (1 - 2 s) q + (s - s**2) q'."""
    q = Polynomial([1.0])
    for _ in range(nu - 1):
        q = Polynomial([1.0, -2.0]) * q + Polynomial([0.0, 1.0, -1.0]) * q.deriv()
    return q
