"""Kernels and loss_and_gradient against the NumPy reference, threads against one thread, and against the limit."""

import numba
import numpy as np
import pytest

import sigmode as sm
from sigmode import reference
from sigmode.compiled import activations, buffers, launch, network
from sigmode.problems import LAGARIS_1
from sigmode.training import collocation

SIZES = [(10, 5), (50, 10), (200, 20), (1000, 20), (10_000, 50), (100_000, 100)]
LARGE = [(10_000, 50), (100_000, 100)]


def size_of(m, n_hidden, n=1):
    return f"m={m}, n_hidden={n_hidden}" + (f", n={n}" if n > 1 else "")


class Work:
    """One equation, random parameters: forward and pullback as `Collocation` calls them, in chunks."""

    def __init__(self, m, n_hidden):
        rng = np.random.default_rng(0)
        self.n_hidden = n_hidden
        self.theta = np.concatenate([rng.normal(scale=4, size=2 * n_hidden), rng.normal(size=n_hidden)])
        self.xi = np.linspace(0, 1, m)
        self.n_bar, self.dn_bar = rng.normal(size=(2, 1, m))
        step = max(1, collocation._CHUNK // (n_hidden * buffers.BLOCK)) * buffers.BLOCK
        self.parts = [slice(lo, lo + step) for lo in range(0, m, step)]
        cut = lambda array: [np.ascontiguousarray(array[..., part]) for part in self.parts]
        self.chunks = list(zip(cut(self.xi), cut(self.n_bar), cut(self.dn_bar), strict=True))
        self.kept = buffers.borrow(min(step, m), n_hidden)

    def ours(self):
        """The gradient by the kernels."""
        gradient = np.zeros(self.theta.size)
        for xi, n_bar, dn_bar in self.chunks:
            network.forward(self.theta, 1, self.n_hidden, 0, xi, self.kept)
            network.pullback(self.theta, 1, self.n_hidden, 0, xi, self.kept, n_bar, dn_bar, gradient)
        return gradient

    def numpy(self):
        """The gradient by the reference, activations computed once."""
        layer = reference.hidden(self.theta, self.xi, 1, self.n_hidden)
        reference.network(self.theta, self.xi, 1, self.n_hidden, layer=layer)
        return reference.pullback(self.theta, self.xi, self.n_bar, self.dn_bar, self.n_hidden, layer=layer)


def with_threads(threads, function):
    def run():
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        try:
            return function()
        finally:
            numba.set_num_threads(before)

    return run


@pytest.mark.full
@pytest.mark.parametrize(("m", "n_hidden"), SIZES)
def test_forward_and_pullback_against_numpy(compare, m, n_hidden):
    work = Work(m, n_hidden)
    ours, theirs = work.ours(), work.numpy()
    error = np.abs(ours - theirs).max() / np.abs(theirs).max()
    compare(
        work.ours,
        work.numpy,
        size=size_of(m, n_hidden),
        what="forward + pullback, NumPy",
        note=f"differ by {error:.0e}",
    )


@pytest.mark.parametrize(("m", "n_hidden"), SIZES)
def test_loss_and_gradient_against_numpy(compare, m, n_hidden):
    p = LAGARIS_1
    col = sm.Collocation(p.fun, p.span, p.y0, n_hidden, m, jac=p.jac)
    theta = Work(m, n_hidden).theta
    y0 = np.array(p.y0)
    theirs = lambda: reference.loss_and_gradient(theta, col.points, p.span, y0, p.fun, p.jac, n_hidden)
    error = abs(col.loss(theta) / theirs()[0] - 1)
    compare(
        lambda: col.loss_and_gradient(theta),
        theirs,
        size=size_of(m, n_hidden),
        what="loss_and_gradient, NumPy with the same f",
        note=f"differ by {error:.0e}",
    )


@pytest.mark.full
def test_sensitivities_against_numpy(compare):
    m, n_hidden, n = 2000, 50, 2
    rng = np.random.default_rng(0)
    theta, xi = rng.normal(size=(2 + n) * n_hidden), np.linspace(0, 1, m)
    dr_dn, dr_ddn = rng.normal(size=(2, m, n, n))

    def ours():
        kept, rows = buffers.borrow(m, n_hidden), np.empty((n * m, theta.size))
        network.forward(theta, n, n_hidden, 0, xi, kept)
        network.sensitivities(theta, n, n_hidden, 0, xi, kept, dr_dn, dr_ddn, rows, 0)
        buffers.give_back(kept)
        return rows

    theirs = lambda: reference.sensitivities(theta, xi, dr_dn, dr_ddn, n_hidden)
    np.testing.assert_allclose(ours(), theirs(), atol=1e-12)
    compare(ours, theirs, size=size_of(m, n_hidden, n), what="forward + sensitivities, NumPy")


@pytest.mark.full
@pytest.mark.parametrize(("m", "n_hidden"), [(1000, 20), *LARGE])
def test_one_thread_against_the_bare_sigmoid(compare, m, n_hidden):
    """The limit: what the vectorised sigmoid alone takes on as many elements. Ratio: times the limit."""
    work = Work(m, n_hidden)
    sizes = [xi.size * n_hidden for xi, _, _ in work.chunks]
    z = np.random.default_rng(0).normal(scale=4, size=max(sizes))

    def sigmoids():
        for size in sizes:
            activations.sigmoid(z[:size])

    compare(
        sigmoids,
        with_threads(1, work.ours),
        size=size_of(m, n_hidden),
        what="bare sigmoid, forward + pullback on one thread",
        note="at most 2.5 is wanted",
    )


THREADS = [t for t in (2, 4, 8, 16) if t <= numba.config.NUMBA_NUM_THREADS]


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize(("m", "n_hidden"), LARGE)
def test_threads_against_one(compare, m, n_hidden, threads):
    work = Work(m, n_hidden)
    compare(
        with_threads(threads, work.ours),
        with_threads(1, work.ours),
        size=size_of(m, n_hidden),
        what=f"forward + pullback, {threads} threads against 1",
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
@pytest.mark.parametrize("chunk", [2**17, 2**18, 2**20])
def test_chunks(compare, monkeypatch, chunk):
    """_CHUNK, activations per chunk: other sizes against the one that is used."""
    m, n_hidden = LARGE[1]
    used = Work(m, n_hidden)
    monkeypatch.setattr(collocation, "_CHUNK", chunk)
    other = Work(m, n_hidden)
    compare(
        used.ours, other.ours, size=size_of(m, n_hidden), what=f"chunks of 2**19 against 2**{chunk.bit_length() - 1}"
    )
