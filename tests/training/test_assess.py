"""A theta is a theta: the same verdict wherever it comes from; its blocks, its values, their rows."""

import threading
import warnings

import numpy as np
import pytest
import threadpoolctl
from scipy.optimize import least_squares

import sigmode as sm
from sigmode import blas, reference
from sigmode.problems import LAGARIS_1, LAGARIS_2, LAGARIS_4


def collocation(p, n_hidden=20, **options):
    return sm.Collocation(p.fun, p.span, p.y0, n_hidden, jac=p.jac, **options)


def oscillator(conditions):
    fun = lambda x, y, dy: -y - 0.2 * dy
    return sm.Collocation(fun, (0.5, 2.0), (1.0, 0.3), 9, order=2, conditions=conditions)


COLLOCATIONS = {
    "one": lambda: collocation(LAGARIS_1, 9),
    "two": lambda: collocation(LAGARIS_4, 9, output_bias=True, activation="tanh"),
    "initial": lambda: oscillator("initial"),
    "two-point": lambda: oscillator("two-point"),
}


class TestAssess:
    @pytest.mark.parametrize("method", ["auto", "L-BFGS-B", "least_squares"])
    @pytest.mark.parametrize("p", [LAGARIS_1, LAGARIS_4], ids=lambda p: p.name)
    def test_gives_what_train_gave(self, p, method):
        col = collocation(p, 12)
        res = sm.train(col, method=method, max_iter=60, tol=1e-5)
        judged = sm.assess(col, res.theta, tol=1e-5)
        assert judged.success == res.success
        np.testing.assert_array_equal(judged.error, res.error)
        assert judged.residual == res.residual
        x = np.linspace(*p.span, 11)
        np.testing.assert_array_equal(judged.sol(x), res.sol(x))
        np.testing.assert_array_equal(judged.sol.error(x), res.sol.error(x))
        assert judged.loss == pytest.approx(res.loss)
        if res.status in (0, 1):
            assert judged.status == res.status
            assert res.message.startswith(judged.message)  # that of train may add the iteration limit

    def test_a_good_theta_of_least_squares_succeeds_and_a_bad_one_does_not(self):
        col = collocation(LAGARIS_2)
        fit = least_squares(col.residual, col.initial(), jac=col.jacobian, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        good, bad = sm.assess(col, fit.x), sm.assess(col, col.initial())
        assert good.success
        assert abs(good.sol(2.0) - LAGARIS_2.exact(np.array([2.0]))[:, 0]).max() < 1e-6
        assert not bad.success
        assert bad.status == 1
        assert bad.error[0] > 1e-2

    def test_a_wrong_jac_is_replaced_as_in_train(self):
        p = LAGARIS_2
        col = sm.Collocation(p.fun, p.span, p.y0, jac=lambda x, y: np.full((1, 1, x.size), 3.0))
        with pytest.warns(UserWarning, match="`jac` does not agree"):
            judged = sm.assess(col, sm.train(collocation(p)).theta)
        assert judged.success
        assert judged.col.rhs.jac is None

    def test_values_that_are_not_finite_are_a_status(self):
        col = sm.Collocation(lambda x, y: np.log(x - 2.0) * y, (0, 1), [1.0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            judged = sm.assess(col, col.initial())
        assert (judged.status, judged.success) == (-1, False)
        assert "not finite" in judged.message

    @pytest.mark.parametrize(
        ("arguments", "kind", "message"),
        [
            ((3, np.zeros(3)), TypeError, "`col` must be a Collocation, got int"),
            ((collocation(LAGARIS_1, 3), np.zeros(4)), ValueError, r"`theta` must have shape \(9,\), got \(4,\)"),
            ((collocation(LAGARIS_1, 3), np.full(9, np.nan)), ValueError, "`theta` must be finite"),
            ((collocation(LAGARIS_1, 3), np.zeros(9), -1.0), ValueError, "`tol`"),
        ],
    )
    def test_bad_arguments(self, arguments, kind, message):
        with pytest.raises(kind, match=message):
            sm.assess(*arguments)


@pytest.mark.parametrize("make", COLLOCATIONS.values(), ids=COLLOCATIONS)
class TestValues:
    def theta(self, col):
        return np.random.default_rng(1).normal(size=col.n_theta)

    @pytest.mark.parametrize("nu", [0, 1])
    def test_are_those_of_the_solution(self, make, nu):
        col = make()
        theta, x = self.theta(col), np.linspace(*col.span, 23)
        expected = col.solution(theta)(x, nu)
        np.testing.assert_allclose(col.values(theta, x, nu), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        assert col.values(theta, x, nu).shape == (col.network.n, 23)
        np.testing.assert_allclose(col.values(theta, x[3], nu), expected[:, 3], rtol=1e-12)

    @pytest.mark.parametrize("nu", [0, 1])
    def test_rows_are_derivatives_by_theta(self, make, nu):
        """Against the complex step of NumPy's formula for the network, form by form."""
        col = make()
        theta, x = self.theta(col), np.linspace(*col.span, 300)
        h = col.span[1] - col.span[0]
        xi = (x - col.span[0]) / h

        def y(t):
            N, dN = reference.network(t, xi, col.network.n, col.network.n_hidden, col.network.activation)
            B, dB = {
                "initial": (xi**2, 2 * xi), "two-point": (xi * (1 - xi), 1 - 2 * xi)
            }.get(next(name for name, m in COLLOCATIONS.items() if m is make), (xi, 1.0))  # fmt: skip
            return (B * N if nu == 0 else (dB * N + B * dN) / h).ravel()

        steps = theta + 1e-40j * np.eye(theta.size)
        expected = np.array([y(t).imag for t in steps]).T / 1e-40
        rows = col.values_jacobian(theta, x, nu)
        assert rows.shape == (col.network.n * 300, col.n_theta)
        np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        n = col.network.n
        np.testing.assert_allclose(
            col.values_jacobian(theta, x[7], nu), rows.reshape(n, 300, -1)[:, 7], rtol=0, atol=1e-12
        )

    def test_in_chunks(self, make, monkeypatch):
        col = make()
        theta, x = self.theta(col), np.linspace(*col.span, 1500)
        whole = col.values_jacobian(theta, x)
        monkeypatch.setattr("sigmode.training.collocation._CHUNK", 1)
        np.testing.assert_array_equal(make().values_jacobian(theta, x), whole)

    def test_no_points_are_no_values(self, make):
        col = make()
        assert col.values(self.theta(col), []).shape == (col.network.n, 0)
        assert col.values_jacobian(self.theta(col), []).shape == (0, col.n_theta)

    def test_blocks_are_what_theta_is_made_of(self, make):
        col = make()
        theta = self.theta(col)
        blocks = col.unpack(theta)
        n, h = col.network.n, col.network.n_hidden
        assert [b.shape for b in blocks] == [(h,), (h,), (n, h), (n * col.network.output_bias,)]
        np.testing.assert_array_equal(np.concatenate([b.ravel() for b in blocks]), theta)
        assert blocks._fields == ("w", "b", "V", "c")

    @pytest.mark.parametrize(
        ("x", "nu", "message"),
        [
            (5.0, 0, r"`x` must lie in the span .*, got 5.0"),
            ([0.6, np.nan], 0, "`x` must lie in the span"),
            ([[0.6]], 0, r"`x` must be a number or 1-dimensional, got shape \(1, 1\)"),
            ("half", 0, "`x` must be"),
            (0.6, 2, "`nu` must be 0, for values, or 1"),
            (0.6, True, "`nu`"),
        ],
    )
    def test_bad_arguments(self, make, x, nu, message):
        col = make()
        for method in (col.values, col.values_jacobian):
            with pytest.raises(ValueError, match=message):
                method(self.theta(col), x, nu)
        with pytest.raises(ValueError, match="`theta` must have shape"):
            col.unpack(np.zeros(1))


def blas_threads():
    return {lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"}


class TestBlas:
    @pytest.fixture(autouse=True)
    def two_threads(self):
        with threadpoolctl.threadpool_limits(2, user_api="blas"):
            yield

    def test_has_one_thread_inside_of_train_and_assess_and_its_own_outside(self):
        seen = []
        fun = lambda x, y: (seen.append(blas_threads()), -y)[1]
        col = sm.Collocation(fun, (0, 1), [1.0])
        theta = sm.train(col).theta
        sm.assess(col, theta)
        assert set().union(*seen) == {1}
        assert blas_threads() == {2}

    def test_is_restored_after_an_exception(self):
        def fails(x, y):
            raise RuntimeError

        with pytest.raises(RuntimeError):
            sm.train(sm.Collocation(fails, (0, 1), [1.0]))
        assert blas_threads() == {2}

    def test_is_restored_whatever_the_order_in_which_threads_leave(self):
        inside, leave = threading.Event(), threading.Event()

        def work():
            with blas.one_thread(10):
                inside.set()
                leave.wait(10)

        thread = threading.Thread(target=work)
        with blas.one_thread(10):
            thread.start()
            inside.wait(10)
            assert blas_threads() == {1}
        assert blas_threads() == {2}
        leave.set()
        thread.join()
        assert blas_threads() == {2}

    def test_keeps_its_threads_for_large_matrices(self):
        with blas.one_thread(blas.SMALL + 1):
            assert blas_threads() == {2}
