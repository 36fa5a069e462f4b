"""The network's kernels: exact to rounding, the same bits for any number of threads."""

import itertools
import tracemalloc

import numba
import numpy as np
import pytest
from scipy.optimize import check_grad

import sigmode as sm
from sigmode import reference
from sigmode.compiled import buffers, first_order, launch, second_order
from sigmode.compiled.activations import ACTIVATIONS
from sigmode.problems import LAGARIS_1, LAGARIS_4

NAMES = tuple(ACTIVATIONS)


def random_problem(n, seed):
    """A nonlinear system with its Jacobian, valid for complex y."""
    A = np.random.default_rng(seed).normal(size=(n, n)) / n

    def fun(x, y):
        return np.sin(x) + A @ (y * y) - y

    def jac(x, y):
        return 2 * A[:, :, None] * y - np.eye(n)[:, :, None]

    return fun, jac


def random_theta(n, n_hidden, bias, kind, rng):
    theta = rng.normal(size=(2 + n) * n_hidden + n * bias)
    if kind == "saturated":
        theta[: 2 * n_hidden] *= 40.0
    return theta


def blocks(n, n_hidden, bias):
    ends = [0, n_hidden, 2 * n_hidden, (2 + n) * n_hidden] + [(2 + n) * n_hidden + n] * bias
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


class TestExactness:
    @pytest.mark.parametrize("kind", ["random", "saturated"])
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("activation", NAMES)
    @pytest.mark.parametrize("n", [1, 2, 5])
    def test_gradient_and_jacobian_equal_the_complex_step_in_every_block(self, n, activation, bias, kind):
        n_hidden, span = 7, (-0.5, 2.0)
        fun, jac = random_problem(n, seed=n)
        y0 = np.linspace(0.2, 1.0, n)
        col = sm.Collocation(fun, span, y0, n_hidden, 33, jac=jac, activation=activation, output_bias=bias)
        theta = random_theta(n, n_hidden, bias, kind, np.random.default_rng(10 * n))
        arguments = (col.points, span, y0, fun, n_hidden, activation)
        steps = theta + 1e-40j * np.eye(theta.size)
        gradient = np.array([reference.loss(t, *arguments).imag for t in steps]) / 1e-40
        jacobian = np.array([reference.residual(t, *arguments).imag.ravel() for t in steps]).T / 1e-40
        loss, computed = col.loss_and_gradient(theta)
        rows = col.jacobian(theta)
        for block in blocks(n, n_hidden, bias):
            assert relative(computed[block], gradient[block]) <= 1e-12
            assert relative(rows[:, block], jacobian[:, block]) <= 1e-12
        assert loss == pytest.approx(reference.loss(theta, *arguments), rel=1e-13)
        assert col.loss(theta) == loss
        np.testing.assert_allclose(
            col.residual(theta), reference.residual(theta, *arguments).ravel(), rtol=0, atol=1e-12 * np.sqrt(loss)
        )

    def test_large_m_in_chunks_equals_the_reference(self):
        p, n_hidden, m = LAGARIS_1, 100, 12_345
        col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac)
        theta = np.random.default_rng(0).normal(size=col.n_theta)
        loss, gradient = col.loss_and_gradient(theta)
        expected = reference.loss_and_gradient(theta, col.points, p.span, np.array(p.y0), p.fun, p.jac, n_hidden)
        assert loss == pytest.approx(expected[0], rel=1e-13)
        assert relative(gradient, expected[1]) < 1e-12

    def test_scipy_check_grad_finds_nothing(self):
        p = LAGARIS_4
        col = sm.Collocation(p.fun, p.span, p.y0, 6, jac=p.jac)
        theta = np.random.default_rng(3).normal(size=col.n_theta)
        norm = np.linalg.norm(col.loss_and_gradient(theta)[1])
        assert check_grad(col.loss, lambda t: col.loss_and_gradient(t)[1], theta) < 1e-6 * norm


def functional_of_three(theta, xi, bars, n_hidden, activation):
    """A random linear functional of N, N' and N'', by the reference; theta may be complex."""
    n = bars.shape[1]
    N, dN = reference.network(theta, xi, n, n_hidden, activation)
    d2N = reference.curvature(theta, xi, n, n_hidden, activation)
    return sum((bar * part).sum() for bar, part in zip(bars, (N, dN, d2N), strict=True))


def second_order_results(theta, n, n_hidden, activation, xi, bars):
    """N, N', N'', gradient and Jacobian by the kernels; two rows per point."""
    kind = ACTIVATIONS[activation]
    kept = buffers.borrow(xi.size, n_hidden)
    three = second_order.forward2(theta, n, n_hidden, kind, xi, kept)
    gradient = np.zeros(theta.size)
    second_order.pullback2(theta, n, n_hidden, kind, xi, kept, *bars, gradient)
    weights = np.ascontiguousarray(np.stack([bars, bars[::-1]], axis=-1).transpose(0, 2, 3, 1))  # (3, m, 2, n)
    jacobian = np.empty((2 * xi.size, theta.size))
    second_order.sensitivities2(theta, n, n_hidden, kind, xi, kept, *weights, jacobian, 0)
    return *three, gradient, jacobian, weights


@pytest.mark.parametrize("kind", ["random", "saturated"])
@pytest.mark.parametrize("m", [buffers.BLOCK - 1, buffers.BLOCK, buffers.BLOCK + 1, 3 * buffers.BLOCK + 5])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", NAMES)
@pytest.mark.parametrize("n", [1, 3])
class TestSecondOrder:
    def test_gradient_and_rows_equal_the_complex_step_in_every_block(self, n, activation, bias, m, kind):
        n_hidden, rng = 5, np.random.default_rng(m + n)
        theta = random_theta(n, n_hidden, bias, kind, rng)
        xi, bars = rng.uniform(size=m), rng.normal(size=(3, n, m))
        _, _, d2N, gradient, jacobian, weights = second_order_results(theta, n, n_hidden, activation, xi, bars)
        assert relative(d2N, reference.curvature(theta, xi, n, n_hidden, activation)) <= 1e-12
        steps = theta + 1e-40j * np.eye(theta.size)
        exact = np.array([functional_of_three(t, xi, bars, n_hidden, activation).imag for t in steps]) / 1e-40
        rows = []
        for t in steps:
            parts = (
                *reference.network(t, xi, n, n_hidden, activation),
                reference.curvature(t, xi, n, n_hidden, activation),
            )
            rows.append(sum(np.einsum("mkl,lm->km", d, p) for d, p in zip(weights, parts, strict=True)).imag.ravel())
        rows = np.array(rows).T / 1e-40
        naive = reference.pullback2(theta, xi, *bars, n_hidden, activation)
        naive_rows = reference.sensitivities2(theta, xi, *weights, n_hidden, activation)
        for block in blocks(n, n_hidden, bias):
            assert relative(gradient[block], exact[block]) <= 1e-12
            assert relative(jacobian[:, block], rows[:, block]) <= 1e-12
            assert relative(naive[block], exact[block]) <= 1e-12
            assert relative(naive_rows[:, block], rows[:, block]) <= 1e-12

    def test_values_have_the_bits_of_the_first_order_kernel(self, n, activation, bias, m, kind):
        n_hidden, rng = 5, np.random.default_rng(1)
        theta, xi = random_theta(n, n_hidden, bias, kind, rng), rng.uniform(size=m)
        kept = buffers.borrow(m, n_hidden), buffers.borrow(m, n_hidden)
        net = theta, n, n_hidden, ACTIVATIONS[activation], xi
        y, slope = first_order.forward(*net, 1.0, np.zeros(n), kept[0])
        N, dN, _ = second_order.forward2(*net, kept[1])
        np.testing.assert_array_equal(y, xi * N)
        np.testing.assert_allclose(slope, xi * dN + N, rtol=0, atol=1e-14 * np.abs(dN).max())


def test_second_and_third_derivatives_keep_their_digits_in_the_tails():
    """One unit w = V = 1 far out, where s rounds to a constant: D2s and D3s are those of an exponential."""
    z = np.array([-300.0, -40.0, 40.0, 300.0])
    for activation, scale, size in (("sigmoid", 1.0, 1.0), ("tanh", 2.0, 4.0)):
        tail = size * np.exp(-scale * np.abs(z))
        ones, zeros = np.ones((1, z.size)), np.zeros((1, z.size))
        bars = np.array([zeros, zeros, ones])
        _, _, d2s, _, rows, _ = second_order_results(np.array([1.0, 0.0, 1.0]), 1, 1, activation, z, bars)
        np.testing.assert_allclose(d2s[0], -np.sign(z) * scale * tail, rtol=3e-15)
        np.testing.assert_allclose(rows[: z.size, 1], scale**2 * tail, rtol=3e-15)


@pytest.fixture
def restore_threads():
    threads = numba.get_num_threads()
    yield
    numba.set_num_threads(threads)


@pytest.mark.usefixtures("restore_threads")
class TestSameBits:
    def results(self, threads, monkeypatch, work):
        monkeypatch.setattr(launch, "PARALLEL_WORK", work)
        monkeypatch.setattr(launch, "COMPILE_AFTER", 0.0)
        monkeypatch.setattr(launch, "SLOW_LAUNCH", (1e9, 0.0))  # parallel even beside a busy process
        numba.set_num_threads(threads)
        out = []
        for activation in NAMES:
            fun, jac = random_problem(2, seed=0)
            col = sm.Collocation(fun, (0, 1), [1.0, 0.5], 23, 3001, jac=jac, activation=activation, output_bias=True)
            theta = np.random.default_rng(0).normal(size=col.n_theta)
            loss, gradient = col.loss_and_gradient(theta)
            out += [np.array(loss), gradient, col.jacobian(theta), col.residual(theta)]
            bars = np.random.default_rng(1).normal(size=(3, 2, 3001))
            out += second_order_results(theta, 2, 23, activation, np.linspace(0, 1, 3001), bars)[:-1]
        return out

    def test_serial_one_and_two_threads_run_after_run(self, monkeypatch):
        most = min(2, numba.config.NUMBA_NUM_THREADS)
        serial = self.results(1, monkeypatch, work=10**12)
        for threads in (1, most, most):
            for a, b in zip(serial, self.results(threads, monkeypatch, work=0), strict=True):
                np.testing.assert_array_equal(a, b)

    def test_chunks_do_not_change_the_gradient_of_a_block_structure(self, monkeypatch):
        """Partial sums are added block by block, whatever the chunks; only the loss is summed per chunk."""
        p = LAGARIS_1
        gradients = []
        for chunk in (2**12, 2**18):
            monkeypatch.setattr("sigmode.training.collocation._CHUNK", chunk)
            col = sm.Collocation(p.fun, p.span, p.y0, 10, 4000, jac=p.jac)
            gradients.append(col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1])
        np.testing.assert_array_equal(*gradients)


def test_memory_does_not_grow_with_points_times_units():
    p, m, n_hidden = LAGARIS_1, 200_000, 100
    col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac)
    theta = col.initial()
    col.loss_and_gradient(theta)
    tracemalloc.start()
    col.loss_and_gradient(theta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 8 * m  # twenty arrays of length m; the activations alone would be 200
    assert peak < 8 * m * n_hidden / 4
