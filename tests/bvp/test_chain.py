"""The chain of windows against a naive implementation: one dense matrix for everything, by NumPy."""

import numpy as np
import pytest

from sigmode.bvp.chain import Chain
from sigmode.bvp.directions import Directions, directed, undirected
from sigmode.bvp.equations import Derivatives, Equations, Residual
from sigmode.bvp.mesh import Mesh, State
from sigmode.compiled import launch
from sigmode.trial.basis import basis


def random_rows(n, K, rng):
    """Every second window has its rows mixed, some of them on the left nodes."""
    pairs = np.arange(1, K, 2)
    grows = np.zeros((K, n), dtype=bool)
    grows[pairs] = rng.random((pairs.size, n)) < 0.5
    return Directions(rng.normal(size=(pairs.size, n, n)), grows, pairs)


def naive(mesh, rows, derivatives, residual):
    """The Newton step: all equations written down one by one in order of the unknowns, then `numpy.linalg.solve`."""
    s, K = mesh.basis.s, mesh.windows
    n, width, _ = derivatives.jac.shape
    n_p = width - n
    A, A_left, E_left = mesh.basis.tables
    of_slope = lambda k, m, j: (k * n + m) * s + j
    of_end = lambda k, m: K * n * s + k * n + m
    of_p = K * n * s + (K + 1) * n
    matrix, right = [], []
    for k in range(K):
        pair = rows.pairs.tolist().index(k) if k in rows.pairs else -1
        for m in range(n):
            mirrored = pair >= 0 and rows.grows[k, m]
            weights = rows.T[pair, m] if pair >= 0 else np.eye(n)[m]
            for i in range(s):
                row, value = np.zeros(of_p + n_p), 0.0
                point = ((K + pair) if mirrored else k) * s + i
                table = A_left if mirrored else A
                for a in range(n):
                    slope = E_left[i] if mirrored else np.eye(s)[i]
                    for j in range(s):
                        row[of_slope(k, a, j)] += weights[a] * slope[j]
                        for b in range(n):
                            row[of_slope(k, b, j)] -= (
                                weights[a] * mesh.h[k] * derivatives.jac[a, b, point] * table[i, j]
                            )
                    for b in range(n):
                        row[of_end(k, b)] -= weights[a] * derivatives.jac[a, b, point]
                    row[of_p:] -= weights[a] * derivatives.jac[a, n:, point]
                    value += weights[a] * residual.collocation[a, point]
                matrix.append(row)
                right.append(-value)
        for m in range(n):
            row = np.zeros(of_p + n_p)
            row[of_end(k + 1, m)], row[of_end(k, m)] = 1.0, -1.0
            for j in range(s):
                row[of_slope(k, m, j)] = -mesh.h[k] * A[-1, j]
            matrix.append(row)
            right.append(-residual.continuity[m, k])
    for equation, value in zip(derivatives.conditions, residual.conditions, strict=True):
        row = np.zeros(of_p + n_p)
        row[of_end(0, 0) : of_end(0, 0) + n] = equation[:n]
        row[of_end(K, 0) : of_end(K, 0) + n] = equation[n : 2 * n]
        row[of_p:] = equation[2 * n :]
        matrix.append(row)
        right.append(-value)
    found = np.linalg.solve(np.array(matrix), np.array(right))
    slopes = found[: K * n * s].reshape(K, n, s).transpose(1, 0, 2)
    return slopes, found[K * n * s : of_p].reshape(K + 1, n).T, found[of_p:]


def system(n, n_p, K, s, mixed, seed=0):
    rng = np.random.default_rng(seed)
    mesh = Mesh(np.concatenate([[0.0], np.cumsum(rng.uniform(0.1, 0.4, K))]), basis(s))
    rows = random_rows(n, K, rng) if mixed else undirected(n, K)
    points = (K + rows.pairs.size) * s
    jac = rng.normal(size=(n, n + n_p, points))
    derivatives = Derivatives(jac, rng.normal(size=(n + n_p, 2 * n + n_p)))
    residual = Residual(rng.normal(size=(n, points)), rng.normal(size=(n, K)), rng.normal(size=n + n_p))
    return mesh, rows, derivatives, residual


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    ("n", "n_p", "K", "s"), [(1, 0, 1, 6), (2, 0, 5, 8), (2, 1, 4, 14), (3, 2, 6, 7), (22, 1, 2, 6)]
)
def test_the_step_is_that_of_the_whole_matrix(n, n_p, K, s, mixed):
    mesh, rows, derivatives, residual = system(n, n_p, K, s, mixed)
    step = Chain(mesh, rows, derivatives).solve(residual)
    slopes, y, p = naive(mesh, rows, derivatives, residual)
    scale = abs(slopes).max()
    np.testing.assert_allclose(step.slopes, slopes, atol=1e-9 * scale)
    np.testing.assert_allclose(step.y, y, atol=1e-9 * scale)
    np.testing.assert_allclose(step.p, p, atol=1e-9 * scale)


def test_windows_beyond_the_memory_that_is_kept_are_factorised_again(monkeypatch):
    mesh, rows, derivatives, residual = system(2, 1, 7, 8, mixed=True)
    whole = Chain(mesh, rows, derivatives).solve(residual)
    monkeypatch.setattr("sigmode.bvp.chain._KEPT_BYTES", 3 * 8 * 18 * 21)  # three windows
    parts = Chain(mesh, rows, derivatives).solve(residual)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_thread_and_two_give_the_same_bits(monkeypatch):
    mesh, rows, derivatives, residual = system(4, 0, 30, 10, mixed=True)
    monkeypatch.setattr(launch, "COMPILE_AFTER", 0.0)
    parallel = Chain(mesh, rows, derivatives).solve(residual)
    monkeypatch.setattr(launch, "PARALLEL_WORK", 10**12)
    serial = Chain(mesh, rows, derivatives).solve(residual)
    for a, b in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mixed", [False, True])
def test_panels_and_one_pass_agree(monkeypatch, mixed):
    """Windows with more than 128 slopes go another way; here both are long enough to be compared with NumPy."""
    mesh, rows, derivatives, residual = system(10, 0, 2, 13, mixed)
    slopes, y, _ = naive(mesh, rows, derivatives, residual)
    step = Chain(mesh, rows, derivatives).solve(residual)
    np.testing.assert_allclose(step.y, y, atol=1e-9 * abs(slopes).max())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_singular_is_said():
    mesh, rows, derivatives, _ = system(2, 0, 3, 6, mixed=False)
    nothing = Derivatives(0.0 * derivatives.jac, np.array([[1.0, 0, 0, 0], [0, 0, 1, 0]]))
    assert Chain(mesh, rows, nothing).singular
    twice = Derivatives(derivatives.jac, np.ones((2, 4)))
    assert Chain(mesh, rows, twice).condition > 1e14


def test_what_grows_is_collocated_on_the_left_and_only_that():
    J = np.array([[0.0, 1.0], [1e4, 0.0]])  # grows and decays with rate 100
    rows = directed(np.array([1.0, 0.01]), np.repeat(J[:, :, None], 2, axis=2))
    assert rows.pairs.tolist() == [0]
    assert rows.grows[0].sum() == 1
    grows = rows.T[0][rows.grows[0]][0]
    np.testing.assert_allclose(grows @ J, 100.0 * grows)  # a left eigenvector


def test_rows_of_complex_eigenvalues_are_real_and_span_the_same():
    J = np.array([[50.0, 100.0], [-100.0, 50.0]])
    rows = directed(np.ones(1), J[:, :, None])
    assert rows.grows.all()
    assert abs(np.linalg.det(rows.T[0])) > 0.5


class Line:
    """y' = J y with the values at the left given."""

    n, n_p = 2, 0

    def __init__(self, J):
        self.J = J

    def __call__(self, x, y, p):
        return self.J @ y

    def jacobian(self, x, y, p, f):
        return np.repeat(self.J[:, :, None], x.size, axis=2)

    def conditions(self, start, end, p):
        return start - 1.0

    def conditions_jacobian(self, start, end, p, value):
        return np.hstack([np.eye(2), np.zeros((2, 2))])


@pytest.mark.parametrize("direct", [False, True])
def test_one_newton_step_solves_a_linear_equation(direct):
    J = np.array([[-1.0, 2.0], [-2.0, -1.0]])
    mesh = Mesh(np.linspace(0, 1, 4), basis(16))
    equations = Equations(Line(J), mesh)
    at, derivatives = equations.linearise(
        equations.evaluate(State(np.zeros((2, 4)), np.zeros((2, 3, 16)), np.empty(0))), direct
    )
    found = at.state.moved(Chain(mesh, equations.directions, derivatives).solve(at.residual))
    exact = np.exp(-mesh.x) * np.array(
        [np.cos(2 * mesh.x) + np.sin(2 * mesh.x), np.cos(2 * mesh.x) - np.sin(2 * mesh.x)]
    )
    np.testing.assert_allclose(found.y, exact, atol=1e-11)
    assert max(abs(part).max() for part in equations.evaluate(found).residual) < 1e-11
