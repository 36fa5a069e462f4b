"""The compiled kernels: exact, the same bits for any number of threads, safe, quiet."""

import concurrent.futures
import decimal
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import time
import tracemalloc

import numba
import numpy as np
import pytest
from scipy.optimize import check_grad

import sigmode as sm
from sigmode import kernels, reference
from sigmode.problems import LAGARIS_1, LAGARIS_4

ACTIVATIONS = ("sigmoid", "tanh", "sin")


def ulps(computed, exact):
    """Distance in units in the last place of the exact values, given as Decimal."""
    spacing = np.spacing(np.abs(np.array([float(e) for e in exact])))
    return np.array([abs(decimal.Decimal(float(c)) - e) for c, e in zip(computed, exact, strict=True)], float) / spacing


def exact_sigmoid(z):
    with decimal.localcontext(prec=50):
        return [1 / (1 + (-decimal.Decimal(float(v))).exp()) for v in z]


def exact_tanh(z):
    with decimal.localcontext(prec=50):
        return [1 - 2 / (1 + (2 * decimal.Decimal(float(v))).exp()) for v in z]


def one_unit(name, z):
    """s(z) and Ds(z) through the forward kernel: one unit with w = V = 1, b = 0."""
    theta = np.array([1.0, 0.0, 1.0])
    kept = np.empty(kernels.kept_size(z.size, 1))
    value, slope = kernels.forward(theta, 1, 1, kernels.ACTIVATIONS[name], z, kept)
    return value[0], slope[0]


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


class TestActivations:
    def test_sigmoid_is_within_4_ulp_on_the_whole_range(self):
        rng = np.random.default_rng(0)
        z = np.concatenate([np.linspace(-745, 745, 3001), rng.normal(size=2000), rng.uniform(-745, -700, 500)])
        assert ulps(kernels.sigmoid(z), exact_sigmoid(z)).max() <= 4

    def test_sigmoid_has_the_right_limits(self):
        z = np.array([-np.inf, -1e300, -800.0, -745.2, -700.0, -0.0, 0.0, 700.0, 800.0, 1e300, np.inf])
        s = kernels.sigmoid(z)
        assert s[4] == pytest.approx(9.859676543759770e-305, rel=1e-15)
        np.testing.assert_array_equal(np.delete(s, 4), [0, 0, 0, 0, 0.5, 0.5, 1, 1, 1, 1])

    def test_nan_stays_nan_among_numbers(self):
        z = np.linspace(-3, 3, 40)
        z[[3, 17, 39]] = np.nan
        for name in ACTIVATIONS:
            value, slope = one_unit(name, z)
            np.testing.assert_array_equal(np.isnan(value), np.isnan(z))
            np.testing.assert_array_equal(np.isnan(slope), np.isnan(z))
        np.testing.assert_array_equal(np.isnan(kernels.sigmoid(z)), np.isnan(z))

    def test_slopes_keep_their_digits_where_the_value_rounds_to_a_constant(self):
        z = np.array([-300.0, -40.0, 40.0, 300.0])
        np.testing.assert_allclose(one_unit("sigmoid", z)[1], np.exp(-np.abs(z)), rtol=2e-15)
        np.testing.assert_allclose(one_unit("tanh", z)[1], 4 * np.exp(-2 * np.abs(z)), rtol=2e-15)

    def test_tanh_is_within_4_ulp_near_zero_and_far_out(self):
        z = np.concatenate([np.linspace(-20, 20, 2001), np.geomspace(1e-12, 1, 500), -np.geomspace(1e-12, 1, 500)])
        z = z[z != 0]
        assert ulps(one_unit("tanh", z)[0], exact_tanh(z)).max() <= 4

    @pytest.mark.parametrize("size", [1.0, 30.0, 1e3, 9e5, 1e9])
    def test_sin_agrees_with_the_library(self, size):
        z = np.random.default_rng(1).uniform(-size, size, 5000)
        value, slope = one_unit("sin", z)
        np.testing.assert_allclose(value, np.sin(z), rtol=0, atol=4e-16)
        np.testing.assert_allclose(slope, np.cos(z), rtol=0, atol=4e-16)


class TestExactness:
    @pytest.mark.parametrize("kind", ["random", "saturated"])
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("activation", ACTIVATIONS)
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
    kind = kernels.ACTIVATIONS[activation]
    kept = kernels.borrow(kernels.kept_size(xi.size, n_hidden))
    three = kernels.forward2(theta, n, n_hidden, kind, xi, kept)
    gradient = np.zeros(theta.size)
    kernels.pullback2(theta, n, n_hidden, kind, xi, kept, *bars, gradient)
    weights = np.ascontiguousarray(np.stack([bars, bars[::-1]], axis=-1).transpose(0, 2, 3, 1))  # (3, m, 2, n)
    return *three, gradient, kernels.sensitivities2(theta, n, n_hidden, kind, xi, *weights), weights


@pytest.mark.parametrize("kind", ["random", "saturated"])
@pytest.mark.parametrize("m", [kernels.BLOCK - 1, kernels.BLOCK, kernels.BLOCK + 1, 3 * kernels.BLOCK + 5])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
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

    def test_first_derivatives_have_the_bits_of_the_first_order_kernel(self, n, activation, bias, m, kind):
        n_hidden, rng = 5, np.random.default_rng(1)
        theta, xi = random_theta(n, n_hidden, bias, kind, rng), rng.uniform(size=m)
        kept = np.empty((2, kernels.kept_size(m, n_hidden)))
        first = kernels.forward(theta, n, n_hidden, kernels.ACTIVATIONS[activation], xi, kept[0])
        second = kernels.forward2(theta, n, n_hidden, kernels.ACTIVATIONS[activation], xi, kept[1])
        for a, b in zip(first, second[:2], strict=True):
            np.testing.assert_array_equal(a, b)


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
        monkeypatch.setattr(kernels, "PARALLEL_WORK", work)
        monkeypatch.setattr(kernels, "_SLOW", (1e9, 0.0))  # parallel even beside a busy process
        numba.set_num_threads(threads)
        out = []
        for activation in ACTIVATIONS:
            fun, jac = random_problem(2, seed=0)
            col = sm.Collocation(fun, (0, 1), [1.0, 0.5], 23, 3001, jac=jac, activation=activation, output_bias=True)
            theta = np.random.default_rng(0).normal(size=col.n_theta)
            loss, gradient = col.loss_and_gradient(theta)
            out += [np.array(loss), gradient, col.jacobian(theta), col.residual(theta)]
            bars = np.random.default_rng(1).normal(size=(3, 2, 3001))
            out += second_order_results(theta, 2, 23, activation, np.linspace(0, 1, 3001), bars)[:-1]
        return out

    def test_serial_twin_one_and_two_threads_run_after_run(self, monkeypatch):
        most = min(2, numba.config.NUMBA_NUM_THREADS)
        serial = self.results(1, monkeypatch, work=10**12)
        for threads in (1, most, most):
            for a, b in zip(serial, self.results(threads, monkeypatch, work=0), strict=True):
                np.testing.assert_array_equal(a, b)

    def test_chunks_do_not_change_the_gradient_of_a_block_structure(self, monkeypatch):
        """Partial sums are added block by block, whatever the chunks; only the loss is summed per chunk."""
        p = LAGARIS_1
        gradients = []
        for chunk in (2**12, 2**19):
            monkeypatch.setattr("sigmode.collocation._CHUNK", chunk)
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


def test_slow_launches_are_answered_by_the_serial_twin_for_a_while(monkeypatch):
    calls = []

    def pretend(function):
        def run(*args):
            calls.append(function.__name__)
            if function.__name__.endswith("parallel"):
                time.sleep(0.02)

        return run

    monkeypatch.setattr(kernels, "_compiled", pretend)
    monkeypatch.setattr(kernels, "_crowd", kernels._Crowd())
    monkeypatch.setattr(kernels, "PARALLEL_WORK", 0)
    launch = lambda: kernels._launch(kernels._forward_serial, kernels._forward_parallel, 1000)
    launch(), launch()
    assert calls == ["_forward_parallel", "_forward_serial"]
    kernels._crowd.until = 0.0
    launch(), launch()
    assert calls[2:] == ["_forward_parallel", "_forward_serial"]
    assert kernels._crowd.pause == 4 * kernels._PAUSE[0]
    kernels._crowd.until = 0.0
    kernels._launch(kernels._forward_serial, kernels._forward_parallel, 10**7)  # 20 ms is fast for so much work
    assert calls[-1] == "_forward_parallel"
    assert kernels._crowd.pause == kernels._PAUSE[0]


def work_in_a_thread(_):
    p = LAGARIS_4
    col = sm.Collocation(p.fun, p.span, p.y0, 20, 2000, jac=p.jac)
    return col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1]


def test_eight_python_threads_at_once():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        gradients = list(pool.map(work_in_a_thread, range(64)))
    for gradient in gradients[1:]:
        np.testing.assert_array_equal(gradient, gradients[0])


def run_python(code, tmp_path, **environment):
    """A fresh interpreter, with the message of a failure in view."""
    env = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, env=env, cwd=tmp_path, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


WORK = """
    import numpy as np, sigmode as sm
    def gradient(_=None, m=4000):
        col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, m)
        return col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1]
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_threads_and_forked_children_survive_in_each_threading_layer(layer, tmp_path):
    code = (
        WORK
        + """
    import concurrent.futures as cf, multiprocessing, os, warnings
    expected = gradient()
    with cf.ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(g, expected) for g in pool.map(gradient, range(64)))
    import numba
    assert numba.threading_layer() == os.environ["NUMBA_THREADING_LAYER"]
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork beside threads: that is the test
    with cf.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        assert all(np.array_equal(g, expected) for g in pool.map(gradient, range(4)))
    """
    )
    run_python(code, tmp_path, NUMBA_THREADING_LAYER=layer)


@pytest.fixture
def package_copy(tmp_path):
    """The package's sources in a folder of their own, without compiled files."""
    source = pathlib.Path(sm.__file__).parent
    shutil.copytree(source, tmp_path / "site" / "sigmode", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def test_import_compiles_writes_and_prints_nothing(package_copy, tmp_path):
    before = sorted(package_copy.rglob("*"))
    cache, home = tmp_path / "cache", tmp_path / "home"
    code = """
    import sys, sigmode
    from sigmode import kernels
    compiled = [f for f in vars(kernels).values() if getattr(f, "signatures", None)]
    assert not compiled, compiled
    assert kernels._compiled.cache_info().currsize == 0
    assert "matplotlib" not in sys.modules
    """
    done = run_python(
        code, tmp_path, PYTHONPATH=str(package_copy), PYTHONDONTWRITEBYTECODE="1",
        NUMBA_CACHE_DIR=str(cache), HOME=str(home), XDG_CACHE_HOME=str(home),
    )  # fmt: skip
    assert done.stdout == done.stderr == ""
    assert sorted(package_copy.rglob("*")) == before
    assert not cache.exists()
    assert not home.exists()


def test_works_from_a_read_only_installation_without_a_writable_home(package_copy, tmp_path):
    (package_copy / "sigmode" / "__pycache__").touch()  # a file in its place: no folder can be made, even by root
    code = WORK + "    print(gradient(m=50).sum())"
    done = run_python(
        code, tmp_path, PYTHONPATH=str(package_copy), PYTHONDONTWRITEBYTECODE="1",
        HOME="/dev/null", XDG_CACHE_HOME="/dev/null",
    )  # fmt: skip
    assert float(done.stdout) == work_in_small().sum()
    assert done.stderr == ""


def work_in_small():
    col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, 50)
    return col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1]


def test_a_broken_disk_cache_costs_a_compilation_and_nothing_else(package_copy, tmp_path):
    cache = tmp_path / "cache"
    code = WORK + "    print(gradient(m=50).sum())"
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(cache)}
    first = run_python(code, tmp_path, **environment)
    files = [f for f in cache.rglob("*.nb?") if f.is_file()]
    assert files
    for number, file in enumerate(files):
        file.write_bytes(file.read_bytes()[:40] if number % 2 else b"")
    assert run_python(code, tmp_path, **environment).stdout == first.stdout


def test_the_disk_cache_does_not_change_the_bits(package_copy, tmp_path):
    """Compiled in this process, loaded from the cache, or half and half: LLVM must have no choice what to fuse."""
    cache = tmp_path / "cache"
    code = """
    import hashlib, numpy as np, sigmode as sm
    from sigmode import kernels
    digest = hashlib.sha256()
    kernels._SLOW = (1e9, 0.0)
    for work in (10**12, 0):
        kernels.PARALLEL_WORK = work
        for n, n_hidden in ((1, 64), (2, 65), (3, 100)):
            for activation in kernels.ACTIVATIONS:
                fun, jac = lambda x, y: np.sin(x) - y**2, lambda x, y: -2 * y * np.eye(n)[:, :, None]
                col = sm.Collocation(fun, (0, 1), np.ones(n), n_hidden, 300, jac=jac, activation=activation)
                theta = 3 * np.sin(np.arange(float(col.n_theta)))
                digest.update(col.loss_and_gradient(theta)[1].tobytes() + col.jacobian(theta).tobytes())
                xi, bars = np.linspace(0, 1, 300), np.sin(np.arange(900.0 * n)).reshape(3, n, 300)
                weights = np.cos(np.arange(900.0 * n * n)).reshape(3, 300, n, n)
                net = (theta, n, n_hidden, kernels.ACTIVATIONS[activation], xi)
                kept, gradient = kernels.borrow(kernels.kept_size(300, n_hidden)), np.zeros(theta.size)
                digest.update(b"".join(part.tobytes() for part in kernels.forward2(*net, kept)))
                kernels.pullback2(*net, kept, *bars, gradient)
                digest.update(gradient.tobytes() + kernels.sensitivities2(*net, *weights).tobytes())
        print(digest.hexdigest())
        digest = hashlib.sha256()
    """
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(cache)}
    cold = run_python(code, tmp_path, **environment).stdout
    assert len(set(cold.split())) == 1  # serial and parallel
    assert run_python(code, tmp_path, **environment).stdout == cold
    for file in cache.rglob("*parallel*"):
        file.unlink()
    assert run_python(code, tmp_path, **environment).stdout == cold


def test_kernels_run_without_the_compiler(tmp_path):
    """NUMBA_DISABLE_JIT=1: readable tracebacks and coverage; overflow in the bit arithmetic is meant."""
    code = WORK + "    print(gradient(m=5).sum())"
    environment = {"NUMBA_DISABLE_JIT": "1"}
    done = run_python("    import warnings; warnings.simplefilter('ignore')\n" + code, tmp_path, **environment)
    col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, 5)
    assert float(done.stdout) == pytest.approx(col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1].sum())
