"""A fixed hidden layer as a collocation basis: nodes, integration matrix, output weights."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.linalg import solve_triangular

from ..arrays import Number, Real
from ..compiled.dense import output_weights
from ..compiled.probes import GOLDEN, PROBES
from ..compiled.vectors import LANES
from .network import Network
from .points import radau

__all__ = ["Basis", "Eigen", "basis", "padded"]

# Hidden layer of every window, in units of its length: centres are even and go this far beyond both ends, slopes have
# this size and alternating signs (docs/decisions.md, "The basis of a window": smaller slopes lose stability).
_MARGIN = 0.5
_SLOPE = 4.0


class Eigen(NamedTuple):
    """The integration matrix as ``vectors @ diag(values) @ inverse``, each (s, s) or (s,), complex."""

    values: Number
    vectors: Number
    inverse: Number


class Split(NamedTuple):
    """The eigenvalues of A, one of each conjugate pair, real above imaginary parts, (2, m); and transposed matrices.

    m is a multiple of eight, the last eigenvalue repeated. apart (s, 2 m) : to right-hand sides of their systems, real
    before imaginary parts; together (2 m, .) : from their solutions, likewise. Padded with zeros.
    """

    eigenvalues: Real
    apart: Real
    together: Real


class Basis:
    """s functions xi s(w_j xi + b_j), j < s, and xi itself (the output bias), on s right Radau points.

    A trial solution ``y_k + xi N(xi)`` whose derivative takes the values K (s, n) at the nodes is, at the nodes,
    ``y_k + h A K``: an implicit Runge-Kutta method, A its matrix. The slopes 1 and xi-derivatives of the bias are
    reproduced exactly, so that a constant right-hand side is integrated to rounding.

    Attributes
    ----------
    nodes : (s,), in (0, 1], the last one 1; first : float, the first one; gaps : (s - 1,), between them
    A : (s, s), integration matrix Phi Psi^-1, by a backward-stable solve: Phi = xi s, Psi its derivative
    transposed : (s, m), its transpose in C order, with columns of zeros up to a multiple of eight
    difference : (s, s), A minus that of the polynomials of degree s - 1 on the same nodes
    to_legendre : (s, s), from values at the nodes to coefficients of the shifted Legendre polynomials
    judging : (2 s, s), `to_legendre` above `difference`: what a window's slopes are multiplied by to judge them
    last_four : (4, s), the last rows of `to_legendre`
    padded_nodes : (m,), the nodes, the last one repeated; judging_transposed (s, 2 m), last_four_transposed : as
    `transposed`, both halves of `judging` padded
    hidden : (2 s - 2,), parameters of the hidden layer, w and b
    q, r : (s, s), of Psi = q r; at_end : (s,), the functions at 1

    Derived in docs/windows.md.
    """

    def __init__(self, s: int) -> None:
        self.nodes = radau(s)
        centre = np.linspace(-_MARGIN, 1.0 + _MARGIN, s - 1)
        w = _SLOPE * (-1.0) ** np.arange(s - 1)
        self.hidden = np.concatenate([w, -w * centre])
        phi, psi = self._functions(self.nodes)
        self.A = np.ascontiguousarray(np.linalg.solve(psi.T, phi.T).T)
        self.transposed = padded(self.A.T)
        self.q, self.r = (np.ascontiguousarray(part) for part in np.linalg.qr(psi))
        self.at_end = self._functions(np.ones(1))[0][0]
        at_nodes = 2.0 * self.nodes - 1.0
        self.to_legendre = np.ascontiguousarray(np.linalg.inv(legendre.legvander(at_nodes, s - 1)), dtype=np.float64)
        integrals = [legendre.legval(at_nodes, legendre.legint(row, lbnd=-1)) / 2.0 for row in np.eye(s)]
        self.difference = np.ascontiguousarray(self.A - np.transpose(integrals) @ self.to_legendre)
        self.judging = np.concatenate([self.to_legendre, self.difference])
        self.last_four = self.to_legendre[-4:].copy()
        self.padded_nodes = np.pad(self.nodes, (0, -s % LANES), mode="edge")
        halves = padded(self.to_legendre.T), padded(self.difference.T)
        self.judging_transposed, self.last_four_transposed = padded(np.hstack(halves)), padded(self.last_four.T)
        self.first, self.gaps = float(self.nodes[0]), np.diff(self.nodes)

    @property
    def s(self) -> int:
        """Number of nodes and of functions."""
        return self.nodes.size

    @functools.cached_property
    def eigen(self) -> Eigen:
        """The eigenvalues of A, those of positive imaginary part before their conjugates, and what goes with them."""
        values, vectors = np.linalg.eig(self.A)
        order = np.argsort(-values.imag, kind="stable")
        values, vectors = values[order].astype(complex), vectors[:, order].astype(complex)
        return Eigen(values, vectors, np.linalg.inv(vectors))

    @functools.cached_property
    def split(self) -> Split:
        """What a window's linear system falls apart by, for real problems."""
        values, vectors, inverse = self.eigen
        used = np.flatnonzero(values.imag >= 0.0)
        twice = np.where(values[used].imag > 0.0, 2.0, 1.0)
        real, imag = vectors[:, used].real * twice, -vectors[:, used].imag * twice
        together = np.vstack([padded(real).T, padded(imag).T])
        apart = np.hstack([padded(inverse[used].real.T), padded(inverse[used].imag.T)])
        values = np.pad(values[used], (0, -used.size % LANES), mode="edge")  # some system that can be solved
        return Split(np.array([values.real, values.imag]), apart, padded(together))

    @property
    def of_march(self) -> tuple[Real, Real, Real, Real, Real, Real, Real, Real]:
        """What a march in compiled code needs: nodes, A, its transpose, what it falls apart by, and for judgement."""
        judging = self.judging_transposed, self.last_four_transposed
        return self.padded_nodes, self.A, self.transposed, *self.split, *judging

    @functools.cached_property
    def of_output(self) -> tuple[Real, Real, Real]:
        """q and the transpose of r, padded, and `at_end`: for output weights in compiled code.

        On the diagonal of r are reciprocals: a product takes a fourth of the time of a division.
        """
        r = self.r.T.copy()
        np.fill_diagonal(r, 1.0 / np.diagonal(r))
        return padded(self.q), padded(r), self.at_end

    @functools.cached_property
    def probing(self) -> Real:
        """From the slopes at the nodes to y - y_k, in units of h, and to the slopes at `PROBES` points, (s, 2 m).

        The points are multiples of the golden ratio, modulo 1, in this order: the first so many are as even as all.
        """
        points = (np.arange(1, PROBES + 1, dtype=np.float64) * GOLDEN) % 1.0
        values, slopes = self.read(points)
        return padded(np.vstack([values, slopes]).T)

    @functools.cached_property
    def left(self) -> Real:
        """The left Radau nodes, (s,), in [0, 1), the first one 0."""
        nodes = 1.0 - self.nodes[::-1]
        nodes[0] = 0.0
        return nodes

    @functools.cached_property
    def tables(self) -> Real:
        """From the slopes at the nodes: values at the nodes (A), values and slopes at the left ones, (3, s, s)."""
        return np.array([self.A, *self.read(self.left)])

    @functools.cached_property
    def to_values(self) -> Real:
        """From the slopes at the nodes to the Legendre coefficients of the values, without the first one, (s, s)."""
        d = np.arange(self.s)
        integral = np.zeros((self.s, self.s))  # of P_d: (P_d+1 - P_d-1) / (2 (2 d + 1)) on the unit interval
        integral[d, d] = 1.0 / (2.0 * (2.0 * d + 1.0))
        integral[d[:-2], d[2:]] = -1.0 / (2.0 * (2.0 * d[2:] + 1.0))
        return np.asarray(integral @ self.to_legendre)

    def read(self, xi: Real) -> tuple[Real, Real]:
        """Matrices (m, s) from the slopes at the nodes to y - y_k, in units of h, and to the slopes at xi (m,)."""
        phi, psi = self._functions(xi)
        values, slopes = (solve_triangular(self.r, part.T, trans="T").T @ self.q.T for part in (phi, psi))
        return np.ascontiguousarray(values), np.ascontiguousarray(slopes)

    def _functions(self, xi: Real) -> tuple[Real, Real]:
        """The functions xi s_j(xi) and xi at the points and their derivatives, (m, s) each."""
        s = self.hidden.size // 2 + 1
        units = Network(s, s - 1, output_bias=True)
        theta = np.concatenate([self.hidden, np.eye(s)[:, :-1].ravel(), np.eye(s)[:, -1]])
        value, slope = units.derivative(theta, xi, 0), units.derivative(theta, xi, 1)
        return (xi * value).T, (value + xi * slope).T

    def network(self, n: int) -> Network:
        """What the parameters of a window with n equations mean."""
        return Network(n, self.s - 1, output_bias=True)

    def theta(self, K: Number, h: float, rise: Number) -> Number:
        """Parameters of the window of length h with slopes K (s, n) at the nodes.

        rise : (n,), the value at the end minus that at the start, which the last bits of the bias are made to meet.
        """
        real = np.ascontiguousarray(h * K).view(float).reshape(len(K), -1)  # complex ones as pairs
        weights = self._output(real, np.ascontiguousarray(rise).view(float)).view(K.dtype).reshape(len(K), rise.size)
        return np.concatenate([self.hidden, weights[:-1].T.ravel(), weights[-1]])

    def thetas(self, slopes: Real, h: Real, rise: Real) -> Real:
        """`theta` of many windows, (K, n_theta): slopes (n, K, s), h (K,), rise (n, K)."""
        n, K, s = slopes.shape
        columns = np.ascontiguousarray((h[:, None] * slopes).transpose(2, 1, 0).reshape(s, K * n))
        weights = self._output(columns, rise.T.ravel()).reshape(s, K, n)
        theta = np.empty((K, self.hidden.size + n * s))
        theta[:, : self.hidden.size] = self.hidden
        theta[:, self.hidden.size : -n] = weights[:-1].transpose(1, 2, 0).reshape(K, -1)
        theta[:, -n:] = weights[-1]
        return theta

    def _output(self, slopes: Real, rise: Real) -> Real:
        """Output weights (s, k) for slopes (s, k) per unit of xi; the bias, the last one, meets the rise (k,)."""
        weights = output_weights(self.q, self.r, slopes)
        weights[-1] += rise - self.at_end @ weights
        return weights


def padded(matrix: Real) -> Real:
    """The matrix in C order with columns of zeros up to a multiple of eight, each eight of them in one cache line."""
    rows, columns = matrix.shape
    width = -(-columns // LANES) * LANES
    raw = np.zeros(rows * width + LANES)
    first = -(raw.ctypes.data // raw.itemsize) % LANES
    wide = raw[first : first + rows * width].reshape(rows, width)
    wide[:, :columns] = matrix
    return wide


@functools.cache
def basis(s: int) -> Basis:
    """The basis of s functions, s >= 4."""
    return Basis(s)
