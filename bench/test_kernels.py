"""Kernels and loss_and_gradient against the fastest NumPy, threads against one thread, and against the limit."""

import compiled_lagaris
import honest_numpy
import numba
import numpy as np
import pytest
from numba import njit, prange

import sigmode as sm
from sigmode import reference
from sigmode.compiled import activations, buffers, first_order, launch
from sigmode.problems import LAGARIS_1
from sigmode.training import collocation

SIZES = [(10, 5), (50, 10), (200, 20), (1000, 20), (10_000, 50), (100_000, 100)]
LARGE = [(10_000, 50), (100_000, 100)]


def size_of(m, n_hidden, n=1):
    return f"m={m}, n_hidden={n_hidden}" + (f", n={n}" if n > 1 else "")


class Work:
    """One equation y' = f(x), random parameters: forward and pullback as `Collocation` calls them, in chunks."""

    def __init__(self, m, n_hidden):
        rng = np.random.default_rng(0)
        self.n_hidden = n_hidden
        self.theta = np.concatenate([rng.normal(scale=4, size=2 * n_hidden), rng.normal(size=n_hidden)])
        self.xi = np.linspace(0, 1, m)
        self.r = rng.normal(size=(1, m))
        step = max(1, collocation._CHUNK // (n_hidden * buffers.BLOCK)) * buffers.BLOCK
        self.parts = [slice(lo, lo + step) for lo in range(0, m, step)]
        cut = lambda array: [np.ascontiguousarray(array[..., part]) for part in self.parts]
        self.chunks = list(zip(cut(self.xi), cut(self.r), cut(np.zeros((1, 1, m))), strict=True))
        self.kept = buffers.borrow(min(step, m), n_hidden)

    def ours(self):
        """Half of the gradient by the kernels, for y0 = 0 on [0, 1]."""
        gradient = np.zeros(self.theta.size)
        for xi, r, df_dy in self.chunks:
            net = self.theta, 1, self.n_hidden, 0, xi, 1.0
            y, _ = first_order.forward(*net, np.zeros(1), self.kept)
            first_order.pullback(*net, self.kept, r.copy(), df_dy, y, gradient)
        return gradient

    def numpy(self):
        """The same by the oracle, activations computed once."""
        layer = reference.hidden(self.theta, self.xi, 1, self.n_hidden)
        reference.network(self.theta, self.xi, 1, self.n_hidden, layer=layer)
        return reference.pullback(self.theta, self.xi, self.r, self.r * self.xi, self.n_hidden, layer=layer)


def with_threads(threads, function):
    def run():
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        try:
            return function()
        finally:
            numba.set_num_threads(before)

    return run


KINDS = {"NumPy f": LAGARIS_1, "compiled f": LAGARIS_1._replace(fun=compiled_lagaris.fun, jac=compiled_lagaris.jac)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("m", "n_hidden"), SIZES)
def test_loss_and_gradient_against_numpy(compare, kind, m, n_hidden):
    """The baseline has NumPy's f where ours has, else the compiled one, too."""
    p = KINDS[kind]
    col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac)
    theta = Work(m, n_hidden).theta
    theirs = honest_numpy.fastest(theta, p.fun, p.jac, p.span, p.y0, col.points, n_hidden)
    error = abs(col.loss(theta) / theirs(theta)[0] - 1)
    compare(
        lambda: col.loss_and_gradient(theta),
        lambda: theirs(theta),
        size=size_of(m, n_hidden),
        what=f"loss_and_gradient, fastest NumPy; {kind}",
        note=f"differ by {error:.0e}",
    )


@pytest.mark.full
@pytest.mark.parametrize(("m", "n_hidden"), SIZES)
def test_loss_and_gradient_against_the_oracle(compare, m, n_hidden):
    """For orientation: what the oracle costs, which is written to be read."""
    p = LAGARIS_1
    col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac)
    theta, y0 = Work(m, n_hidden).theta, np.array(p.y0)
    theirs = lambda: reference.loss_and_gradient(theta, col.points, p.span, y0, p.fun, p.jac, n_hidden)
    compare(
        lambda: col.loss_and_gradient(theta), theirs, size=size_of(m, n_hidden), what="loss_and_gradient, the oracle"
    )


@pytest.mark.full
def test_sensitivities_against_numpy(compare):
    m, n_hidden, n = 2000, 50, 2
    rng = np.random.default_rng(0)
    theta, xi = rng.normal(size=(2 + n) * n_hidden), np.linspace(0, 1, m)
    of_n, of_dn, df_dy = np.ones(m), xi, rng.normal(size=(n, n, m))
    dr_dn = np.eye(n) - (xi * df_dy).transpose(2, 0, 1)
    dr_ddn = np.multiply.outer(xi, np.eye(n))

    def ours():
        kept, rows = buffers.borrow(m, n_hidden), np.empty((n * m, theta.size))
        first_order.forward(theta, n, n_hidden, 0, xi, 1.0, np.zeros(n), kept)
        first_order.rows(theta, n, n_hidden, 0, xi, kept, of_n, of_dn, df_dy, rows, 0)
        buffers.give_back(kept)
        return rows

    theirs = lambda: reference.sensitivities(theta, xi, dr_dn, dr_ddn, n_hidden)
    np.testing.assert_allclose(ours(), theirs(), atol=1e-12)
    compare(ours, theirs, size=size_of(m, n_hidden, n), what="forward + sensitivities, NumPy")


@njit("void(f8[::1], f8[::1])", parallel=True, fastmath={"contract"}, error_model="numpy")
def bare_sigmoid(z, s):
    for part in prange(z.size // 4096 + 1):
        of_z, of_s = z[part * 4096 : (part + 1) * 4096], s[part * 4096 : (part + 1) * 4096]
        for i in range(of_z.size):
            of_s[i] = activations.sigmoid_pair(of_z[i])[0]


@pytest.mark.parametrize(("m", "n_hidden"), LARGE)
def test_whole_loss_and_gradient_against_the_bare_sigmoid(compare, m, n_hidden):
    """The limit: the vectorised sigmoid alone, of as many elements on as many threads. Baseline over ours: below 1."""
    p = KINDS["compiled f"]
    col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac)
    theta = Work(m, n_hidden).theta
    z = np.random.default_rng(0).normal(scale=4, size=m * n_hidden)
    s = np.empty_like(z)
    compare(
        lambda: col.loss_and_gradient(theta),
        lambda: bare_sigmoid(z, s),
        size=size_of(m, n_hidden),
        what="loss_and_gradient, the sigmoid alone; compiled f",
        note="at least 0.33 is wanted",
    )


THREADS = [t for t in (2, 4, 8, 16) if t <= numba.config.NUMBA_NUM_THREADS]


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(("m", "n_hidden"), LARGE)
@pytest.mark.parametrize("kind", KINDS)
def test_threads_against_one(compare, kind, m, n_hidden, threads):
    """Kernels with NumPy's f between them, which is not measured, and all of loss_and_gradient with a compiled f."""
    work = Work(m, n_hidden)
    p = KINDS[kind]
    col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac)
    run = work.ours if kind == "NumPy f" else lambda: col.loss_and_gradient(work.theta)
    what = "forward + pullback" if kind == "NumPy f" else "loss_and_gradient, compiled f"
    compare(
        with_threads(threads, run),
        with_threads(1, run),
        size=size_of(m, n_hidden),
        what=f"{what}; {threads} threads against 1",
    )


@pytest.mark.full
@pytest.mark.parametrize("work", [4_000, 8_000, 16_000, 32_000])
def test_threshold(compare, monkeypatch, work):
    """PARALLEL_WORK: where a parallel launch begins to pay (ratio above 1)."""
    case = Work(work // 20, 20)

    def launched(least):
        def run():
            monkeypatch.setattr(launch, "PARALLEL_WORK", least)
            case.ours()

        return run

    compare(launched(0), launched(10**12), size=f"{work} activations", what="parallel against serial variant")


@pytest.mark.full
@pytest.mark.parametrize("chunk", [2**16, 2**17, 2**19, 2**20])
def test_chunks(compare, monkeypatch, chunk):
    """_CHUNK, activations per chunk: other sizes against the one that is used."""
    m, n_hidden = LARGE[1]
    used = Work(m, n_hidden)
    monkeypatch.setattr(collocation, "_CHUNK", chunk)
    other = Work(m, n_hidden)
    compare(
        used.ours, other.ours, size=size_of(m, n_hidden), what=f"chunks of 2**18 against 2**{chunk.bit_length() - 1}"
    )
