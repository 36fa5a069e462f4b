"""A window that was accepted, as a trial solution."""

from __future__ import annotations

import functools

import numpy as np
from scipy.special import expit

from ..arrays import Number, Real
from ..trial.basis import Basis
from ..trial.network import Network
from .march import Accepted

__all__ = ["SolvedWindow"]


class SolvedWindow:
    """An accepted window.

    Attributes
    ----------
    start, h : float, where it starts, and its length with sign; y_start, y : (n,), the values at its ends
    K : (s, n), slopes at the nodes
    end, y_end : where the next one starts, a little later if the window was cut off before a kink, and the value there
    """

    def __init__(self, accepted: Accepted, used: Basis, output: tuple[Real, Real] | None = None) -> None:
        """output : weights (n, s - 1) and bias (n,), where they are known."""
        self.start, self.h, self.end, self.y_start, self.y, self.y_end, self.K = accepted
        self.basis = used
        if output is not None:
            self.output = output

    @functools.cached_property
    def output(self) -> tuple[Number, Number]:
        """Output weights (n, s - 1) and bias (n,) of the network."""
        _, _, V, c = self.network.split(self.basis.theta(self.K, self.h, self.y - self.y_start))
        return V, c

    @functools.cached_property
    def theta(self) -> Number:
        """Parameters of the network."""
        V, c = self.output
        return np.concatenate([self.basis.hidden, V.ravel(), c])

    @property
    def network(self) -> Network:
        """What they mean."""
        return self.basis.network(self.y_start.size)

    def values(self, xi: Number) -> Number:
        """The trial solution at the points xi, (n, m). As `Network.derivative`, with what does not change at hand."""
        w, b, V, c, start = self._prepared
        return np.asarray(start + xi * (V @ expit(w * xi + b) + c))

    def at(self, t: float) -> Number:
        """The trial solution at one time, (n,)."""
        return self.values(np.array([(t - self.start) / self.h]))[:, 0]

    @functools.cached_property
    def _prepared(self) -> tuple[Number, ...]:
        w, b = np.split(self.basis.hidden[:, None], 2)
        V, c = self.output
        return w, b, V, c[:, None], self.y_start[:, None]

    def parabola(self, end: float, xi: Number) -> Number:
        """From the Legendre series of the slopes: P_k(1) = 1 and P_k'(1) = k (k + 1)/2, with signs at the start."""
        legendre = self.basis.to_legendre @ self.K
        k = np.arange(len(legendre))
        sign = np.where(k % 2, -1.0, 1.0) if end == 0.0 else np.ones(k.size)
        slope = sign @ legendre
        bend = (sign * k * (k + 1) * (1.0 if end else -1.0)) @ legendre
        y = self.y if end else self.y_start
        return np.asarray(y[:, None] + self.h * (np.outer(slope, xi) + np.outer(bend, xi**2) / 2.0))
