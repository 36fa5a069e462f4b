"""Compiled f and jac: one launch, the same numbers as by Python calls, the same exceptions."""

import copy
import os
import pickle
import warnings

import numba
import numpy as np
import pytest
from numba import njit

import sigmode as sm
from sigmode import reference
from sigmode.compiled import launch
from sigmode.compiled.buffers import BLOCK

ACTIVATIONS = ("sigmoid", "tanh", "sin")
FACTOR = 1.0


@njit
def pendulum(x, y, stiffness=2.0):
    f = np.empty_like(y)
    f[0] = y[1] + np.sin(x)
    f[1] = -stiffness * y[0] - 0.1 * y[0] ** 3
    return f


@njit
def pendulum_jac(x, y, stiffness=2.0):
    df_dy = np.zeros((2, 2, x.size))
    df_dy[0, 1] = 1.0
    df_dy[1, 0] = -stiffness - 0.3 * y[0] ** 2
    return df_dy


@njit
def decay(x, y):
    return -y * (1 + x)


def both(fun, jac, y0, m=700, n_hidden=9, args=(), **options):
    """The same problem with compiled functions and with the same as functions of Python."""
    py_jac = None if jac is None else jac.py_func
    found = [
        sm.Collocation(f, (-0.5, 2.0), y0, n_hidden, m, jac=j, args=args, **options)
        for f, j in ((fun, jac), (fun.py_func, py_jac))
    ]
    theta = np.random.default_rng(0).normal(size=found[0].n_theta)
    return *found, theta


def assert_equal(ours, theirs, theta, rtol):
    loss, gradient = ours.loss_and_gradient(theta)
    expected, expected_gradient = theirs.loss_and_gradient(theta)
    assert loss == pytest.approx(expected, rel=1e-13)
    assert ours.loss(theta) == loss
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=rtol * np.abs(gradient).max())
    rows = theirs.jacobian(theta)
    np.testing.assert_allclose(ours.jacobian(theta), rows, rtol=0, atol=rtol * np.abs(rows).max())
    r = theirs.residual(theta)
    np.testing.assert_allclose(ours.residual(theta), r, rtol=0, atol=1e-13 * np.abs(r).max())


class TestSameNumbers:
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("m", [1, BLOCK - 1, BLOCK, 2 * BLOCK + 7])
    def test_as_called_from_python(self, activation, bias, m):
        ours, theirs, theta = both(pendulum, pendulum_jac, [0.3, -1.0], m, activation=activation, output_bias=bias)
        assert ours._fused is not None
        assert theirs._fused is None
        assert_equal(ours, theirs, theta, 1e-13)

    def test_as_the_complex_step_of_the_reference(self):
        ours, _, theta = both(pendulum, pendulum_jac, [0.3, -1.0], m=300, n_hidden=4)
        fun = lambda x, y: np.array([y[1] + np.sin(x), -2.0 * y[0] - 0.1 * y[0] ** 3])
        steps = theta + 1e-40j * np.eye(theta.size)
        loss = [reference.loss(t, ours.points, (-0.5, 2.0), np.array([0.3, -1.0]), fun, 4).imag for t in steps]
        gradient = np.array(loss) / 1e-40
        np.testing.assert_allclose(
            ours.loss_and_gradient(theta)[1], gradient, rtol=0, atol=1e-12 * np.abs(gradient).max()
        )

    def test_with_differences_of_f(self):
        ours, theirs, theta = both(pendulum, None, [0.3, -1.0])
        assert ours._fused is not None
        assert_equal(ours, theirs, theta, 1e-8)

    def test_where_differences_leave_the_domain_python_takes_one_side(self):
        @njit
        def root(x, y):
            return np.sqrt(y - 1.0)

        col = sm.Collocation(root, (0, 1), [1.0], 5)
        theta = np.zeros(col.n_theta)  # y is 1, the edge of the domain
        with np.errstate(all="ignore"):
            expected = sm.Collocation(root.py_func, (0, 1), [1.0], 5).jacobian(theta)
        np.testing.assert_array_equal(col.jacobian(theta), expected)

    @pytest.mark.parametrize("form", ["tuple", "list", "integers"])
    def test_whatever_the_function_returns(self, form):
        functions = {
            "tuple": njit(lambda x, y: (y[1], -y[0] * x)),
            "list": njit(lambda x, y: [y[1], -y[0] * x]),
            "integers": njit(lambda x, y: np.ones(y.shape, dtype=np.int64)),
        }
        ours, theirs, theta = both(functions[form], None, [0.3, -1.0])
        assert ours._fused is not None
        assert_equal(ours, theirs, theta, 1e-8)

    def test_f_may_change_its_arguments(self):
        @njit
        def careless(x, y):
            f = -y * (1 + x)
            x[:] = 0.0
            y[:] = 0.0
            return f

        ours, theirs, theta = (*both(careless, None, [1.0])[:1], *both(decay, None, [1.0])[1:])
        assert_equal(ours, theirs, theta, 1e-8)

    def test_same_bits_for_any_number_of_threads(self, monkeypatch):
        monkeypatch.setattr(launch, "SLOW_LAUNCH", (1e9, 0.0))
        monkeypatch.setattr(launch, "COMPILE_AFTER", 0.0)
        col, _, theta = both(pendulum, pendulum_jac, [0.3, -1.0], m=3001)
        before = numba.get_num_threads()
        found = []
        for work, threads in ((10**12, 1), (0, 1), (0, min(2, before)), (0, before)):
            monkeypatch.setattr(launch, "PARALLEL_WORK", work)
            numba.set_num_threads(threads)
            loss, gradient = col.loss_and_gradient(theta)
            found.append((loss, gradient.tobytes(), col.jacobian(theta).tobytes(), col.residual(theta).tobytes()))
        numba.set_num_threads(before)
        assert len(set(found)) == 1


class TestArguments:
    def test_numbers_and_arrays_reach_f_without_another_compilation(self):
        @njit
        def forced(x, y, a, k, on, table):
            return a * y + k * table[1, 2] + (x if on else -x) * table.sum()

        first = np.arange(6.0).reshape(2, 3)
        layers = None
        for args in ((0.5, 3, True, first), (-1.0, -2, False, 2.0 * first), (2.0, 1, True, first + 1.0)):
            ours, theirs, theta = both(forced, None, [1.0], args=args)
            assert_equal(ours, theirs, theta, 1e-8)
            assert layers in (None, list(forced._sigmode_layers.values()))
            layers = list(forced._sigmode_layers.values())
        assert len(layers) == 1

    def test_an_array_is_read_anew_each_time(self):
        @njit
        def scaled(x, y, a):
            return a[0] * y

        a = np.array([1.0])
        col = sm.Collocation(scaled, (0, 1), [1.0], 5, args=(a,))
        before = col.residual(col.initial())
        a[0] = 3.0
        np.testing.assert_allclose(col.residual(col.initial()), 3.0 * before)

    @pytest.mark.parametrize("change", ["values of a strided array", "resize", "reshape"])
    def test_an_array_may_change_in_place(self, change):
        @njit
        def scaled(x, y, a):
            return a.sum() * y

        a = np.ones(8)[::2] if change == "values of a strided array" else np.ones(6)
        ours, theirs = (sm.Collocation(f, (0, 1), [1.0], 5, args=(a,)) for f in (scaled, scaled.py_func))
        theta = ours.initial()
        np.testing.assert_allclose(ours.residual(theta), theirs.residual(theta))
        if change == "resize":
            a.resize(100_000, refcheck=False)
        elif change == "reshape":
            a.shape = (3, 2)
        a[:] = 2.0
        np.testing.assert_allclose(ours.residual(theta), theirs.residual(theta))

    def test_a_read_only_array_stays_as_it_is(self):
        @njit
        def writes(x, y, a):
            a[0] += 1.0
            return -y

        a = np.ones(3)
        a.flags.writeable = False
        col = sm.Collocation(writes, (0, 1), [1.0], 5, args=(a,))
        with pytest.raises(numba.core.errors.TypingError, match="readonly"):
            col.residual(col.initial())
        np.testing.assert_array_equal(a, 1.0)

    @pytest.mark.parametrize("k", [np.uint8(1), np.uint64(2**64 - 1), np.float32(1e30), np.int8(-3), 2**40, 2.5])
    def test_numbers_keep_their_types(self, k):
        fun = njit(lambda x, y, k: y * (-k) * k)
        col = sm.Collocation(fun, (0, 1), [1.0], 5, args=(k,))
        assert col._fused is not None
        expected = -fun(col.points.copy(), np.ones((1, 10)), k)
        np.testing.assert_array_equal(col.residual(col.initial()), expected[0])

    def test_a_function_may_be_compiled_again(self, monkeypatch):
        fun = njit(lambda x, y: FACTOR * y)
        monkeypatch.setitem(globals(), "FACTOR", 1.0)
        col = sm.Collocation(fun, (0, 1), [1.0], 5)
        np.testing.assert_array_equal(col.residual(col.initial()), -1.0)
        monkeypatch.setitem(globals(), "FACTOR", 5.0)
        fun.recompile()
        np.testing.assert_array_equal(sm.Collocation(fun, (0, 1), [1.0], 5).residual(col.initial()), -5.0)

    def test_other_arguments_are_passed_by_python_with_a_warning(self):
        @njit
        def named(x, y, name):
            return -y if name == "decay" else y

        col = sm.Collocation(named, (0, 1), [1.0], 5, args=("decay",))
        with pytest.warns(UserWarning, match="`fun` is compiled, but called through Python.*`args`"):
            r = col.residual(col.initial())
        np.testing.assert_array_equal(r, np.ones(10))

    def test_threads_within_threads_are_avoided(self):
        @njit(parallel=True)
        def inner(y):
            f = np.empty_like(y)
            for i in numba.prange(y.shape[1]):
                f[0, i] = -y[0, i]
            return f

        outer = njit(lambda x, y: inner(y))
        for fun in (njit(parallel=True)(lambda x, y: -y), outer):
            col = sm.Collocation(fun, (0, 1), [1.0], 5)
            with pytest.warns(UserWarning, match="parallel=True"):
                r = col.residual(col.initial())
            np.testing.assert_array_equal(r, np.ones(10))

    def test_printing_from_several_threads_does_not_lock(self, monkeypatch, capfd):
        @njit
        def loud(x, y):
            if x[0] < -0.499:
                print("here")
            return -y

        monkeypatch.setattr(launch, "PARALLEL_WORK", 0)
        monkeypatch.setattr(launch, "COMPILE_AFTER", 0.0)
        col, _, theta = both(loud, None, [1.0], m=5 * BLOCK)
        col.residual(theta)
        assert "here" in capfd.readouterr().out


class TestDifferences:
    @pytest.mark.parametrize("m", [129, 257, 700])
    @pytest.mark.parametrize("small", [1e-13, 1e-8, 0.0])
    def test_of_a_component_that_is_small_on_one_block_only(self, small, m):
        """A single point in the last block, where y all but vanishes: steps follow the size of y everywhere."""
        fun = njit(lambda x, y: 1.0 + y)
        col = sm.Collocation(fun, (0, 1), [1.0], 3, m, points="uniform", output_bias=True)
        exact = sm.Collocation(
            fun.py_func, (0, 1), [1.0], 3, m, "uniform", output_bias=True, jac=lambda x, y: 0 * y[None] + 1
        )
        theta = np.zeros(col.n_theta)
        theta[:6] = 1.0
        theta[-1] = -(1.0 - small)
        np.testing.assert_allclose(col.jacobian(theta), exact.jacobian(theta), rtol=0, atol=1e-9)
        gradient = exact.loss_and_gradient(theta)[1]
        np.testing.assert_allclose(
            col.loss_and_gradient(theta)[1], gradient, rtol=0, atol=1e-9 * np.abs(gradient).max()
        )


class TestErrors:
    @pytest.mark.parametrize("work", [0, 10**12], ids=["parallel", "serial"])
    def test_an_exception_of_python_code_inside_passes_through(self, monkeypatch, work):
        def fails():
            raise KeyError("inside")

        @njit
        def fun(x, y):
            with numba.objmode():
                fails()
            return -y

        monkeypatch.setattr(launch, "PARALLEL_WORK", work)
        monkeypatch.setattr(launch, "COMPILE_AFTER", 0.0)
        col, _, theta = both(njit(lambda x, y: -y), None, [1.0], m=5 * BLOCK)
        col = sm.Collocation(fun, (0, 1), [1.0], 9, 5 * BLOCK)
        for method in (col.residual, col.loss_and_gradient, col.jacobian):
            with pytest.raises(KeyError, match="inside"):
                method(theta)

    @pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs the memory of this process")
    def test_exceptions_leak_nothing_of_ours(self):
        @njit
        def refuses(x, y):
            if x[0] > -10.0:
                raise ValueError("no")
            return -y

        col, _, theta = both(refuses, None, [1.0], m=5 * BLOCK)

        def fail(times):
            for _ in range(times):
                with pytest.raises(ValueError, match="no"):
                    col.residual(theta)

        def pages():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1])

        fail(500)
        before = pages()
        fail(1000)
        assert pages() - before < 500  # 2 MB; the points alone would be 20 MB

    @pytest.mark.parametrize("work", [0, 10**12], ids=["parallel", "serial"])
    def test_exceptions_are_those_of_a_call_from_python(self, monkeypatch, work):
        @njit
        def refuses(x, y):
            if x.max() > 1.0:
                raise RuntimeError("too far")
            return -y

        monkeypatch.setattr(launch, "PARALLEL_WORK", work)
        monkeypatch.setattr(launch, "COMPILE_AFTER", 0.0)
        col, _, theta = both(refuses, None, [1.0], m=5 * BLOCK)
        for method in (col.residual, col.loss, col.loss_and_gradient, col.jacobian):
            with pytest.raises(RuntimeError, match="too far"):
                method(theta)

    @pytest.mark.parametrize(
        "fun", [lambda x, y: y[0], lambda x, y: y[:, :-1], lambda x, y: (y[0], y[0]), lambda x, y: y * 1j]
    )
    def test_wrong_shapes_and_kinds_are_named(self, fun):
        messages = []
        for f in (njit(fun), fun):
            col = sm.Collocation(f, (0, 1), [1.0], 5)
            with pytest.raises(ValueError, match="`fun`") as caught:
                col.loss_and_gradient(col.initial())
            messages.append(str(caught.value))
        assert len(set(messages)) == 1

    def test_wrong_shapes_of_jac_are_named(self):
        col = sm.Collocation(decay, (0, 1), [1.0], 5, jac=njit(lambda x, y: -1.0 - x))
        with pytest.raises(ValueError, match="`jac` must return an array of shape"):
            col.jacobian(col.initial())

    def test_what_numba_cannot_compile_is_numbas_error(self):
        col = sm.Collocation(njit(lambda x, y: y.no_such_thing), (0, 1), [1.0], 5)
        with pytest.raises(numba.core.errors.TypingError, match="no_such_thing"):
            col.residual(col.initial())

    def test_values_that_are_not_finite_are_results(self):
        col = sm.Collocation(njit(lambda x, y: y / (x - x)), (0, 1), [1.0], 5)
        with np.errstate(all="ignore"):
            assert not np.isfinite(col.loss(col.initial()))


def test_copies_have_machine_code_of_their_own():
    col = sm.Collocation(decay, (0, 1), [1.0], 5, jac=njit(lambda x, y: np.full((1, 1, x.size), 7.0)))
    theta = np.linspace(-1, 1, col.n_theta)
    expected = sm.Collocation(decay, (0, 1), [1.0], 5).loss_and_gradient(theta)[1]
    assert not np.allclose(col.loss_and_gradient(theta)[1], expected)
    np.testing.assert_allclose(col.without_jac().loss_and_gradient(theta)[1], expected, rtol=1e-7)
    twin = pickle.loads(pickle.dumps(sm.Collocation(decay, (0, 1), [1.0], 5)))
    np.testing.assert_array_equal(twin.residual(theta), col.residual(theta))
    np.testing.assert_array_equal(copy.deepcopy(col).residual(theta), col.residual(theta))


def test_training_with_compiled_functions_reaches_the_same_solution():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        res = sm.train(sm.Collocation(decay, (0, 1), [1.0]), tol=1e-9)
    assert res.success
    x = np.linspace(0, 1, 50)
    assert np.abs(res.sol(x)[0] - np.exp(-x - x**2 / 2)).max() < 1e-9
