"""Equations y'' = f(x, y, y') with one network over the whole interval: exact, accurate, honest, checked."""

import itertools
import warnings
from typing import NamedTuple

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp

import sigmode as sm
from sigmode import reference
from sigmode.training import error as defect
from sigmode.trial import network

SEEDS = range(10)
METHODS = ["auto", "output", "least_squares", "L-BFGS-B"]
CONDITIONS = ["initial", "two-point"]


class Problem(NamedTuple):
    """y'' = fun(x, y, dy) on span with two conditions; jac(x, y, dy) -> (df_dy, df_ddy); exact(x) -> (n, m)."""

    name: str
    fun: object
    jac: object
    span: tuple
    values: tuple
    conditions: str
    exact: object


def constant(value):
    return lambda x: np.full((1, 1, x.size), value)


def lagaris_3(x, y, dy):
    return -0.2 * np.exp(-x / 5) * np.cos(x) - dy / 5 - y


def damped_sine(x):
    return (np.exp(-x / 5) * np.sin(x))[None]


def lagaris_3_jac(x, y, dy):
    return constant(-1.0)(x), constant(-0.2)(x)


THETA = 1.517164599050754  # of the lower branch of Bratu's problem with lambda = 1: theta = sqrt(2) cosh(theta/4)


def bratu_exact(x):
    return -2 * np.log(np.cosh((x - 0.5) * THETA / 2) / np.cosh(THETA / 4))[None]


def circle(x, y, dy):
    """Kepler's problem: a system of two equations, nonlinear."""
    return -y / (y * y).sum(axis=0) ** 1.5


def circle_jac(x, y, dy):
    r = np.sqrt((y * y).sum(axis=0))
    df_dy = 3 * y[:, None] * y[None] / r**5 - np.eye(2)[:, :, None] / r**3
    return df_dy, np.zeros_like(df_dy)


def on_circle(x):
    return np.array([np.cos(x), np.sin(x)])


def layer(x):
    """sinh(100 x)/sinh(100)."""
    return ((np.exp(100 * (x - 1)) - np.exp(-100 * (x + 1))) / -np.expm1(-200))[None]


LAGARIS_3 = Problem("Lagaris 3", lagaris_3, lagaris_3_jac, (0, 2), ([0.0], [1.0]), "initial", damped_sine)
LAGARIS_3_TWO = LAGARIS_3._replace(
    name="Lagaris 3 two-point", span=(0, 1), values=([0.0], damped_sine(1.0)), conditions="two-point"
)
HYPERBOLIC = Problem(
    "y'' = y", lambda x, y, dy: y, lambda x, y, dy: (constant(1.0)(x), constant(0.0)(x)),
    (0, 1), ([0.0], [1.0]), "two-point", lambda x: (np.sinh(x) / np.sinh(1))[None],
)  # fmt: skip
BRATU = Problem(
    "Bratu", lambda x, y, dy: -np.exp(y), lambda x, y, dy: (-np.exp(y)[None], constant(0.0)(x)),
    (0, 1), ([0.0], [0.0]), "two-point", bratu_exact,
)  # fmt: skip
CIRCLE = Problem("circle", circle, circle_jac, (0, 4), ([1.0, 0.0], [0.0, 1.0]), "initial", on_circle)
CIRCLE_TWO = CIRCLE._replace(
    name="circle two-point", span=(0, 2), values=on_circle(np.array([0.0, 2.0])).T, conditions="two-point"
)
BACKWARDS = Problem(
    "backwards", lambda x, y, dy: -y, lambda x, y, dy: (constant(-1.0)(x), constant(0.0)(x)),
    (2, 0), ([np.sin(2)], [np.cos(2)]), "initial", lambda x: np.sin(x)[None],
)  # fmt: skip
BACKWARDS_TWO = BACKWARDS._replace(name="backwards two-point", values=([np.sin(2)], [0.0]), conditions="two-point")
STIFF = Problem(
    "y'' = 1e4 y", lambda x, y, dy: 1e4 * y, lambda x, y, dy: (constant(1e4)(x), constant(0.0)(x)),
    (0, 1), ([0.0], [1.0]), "two-point", layer,
)  # fmt: skip
DAMPED_LAYER = Problem(
    "y'' = -20 y'", lambda x, y, dy: -20 * dy, lambda x, y, dy: (constant(0.0)(x), constant(-20.0)(x)),
    (0, 1), ([0.0], [1.0]), "two-point", lambda x: (np.expm1(-20 * x) / np.expm1(-20))[None],
)  # fmt: skip
ALL = [
    LAGARIS_3, LAGARIS_3_TWO, HYPERBOLIC, BRATU, CIRCLE, CIRCLE_TWO, BACKWARDS, BACKWARDS_TWO, STIFF, DAMPED_LAYER,
]  # fmt: skip


def collocation(p, n_hidden=20, seed=0, **options):
    options = {"jac": p.jac, **options}
    return sm.Collocation(p.fun, p.span, p.values, n_hidden, seed=seed, order=2, conditions=p.conditions, **options)


def true_error(p, sol):
    return np.abs(sol(np.linspace(*p.span, 1001)) - p.exact(np.linspace(*p.span, 1001)))


def random_system(n):
    """A nonlinear system in y and y', valid for complex arguments, and its Jacobian."""
    A, B = np.random.default_rng(n).normal(size=(2, n, n)) / n

    def fun(x, y, dy):
        return np.sin(x) + A @ (y * y) - B @ (y * dy) + 0.3 * dy

    def jac(x, y, dy):
        df_ddy = -B[:, :, None] * y + 0.3 * np.eye(n)[:, :, None]
        return 2 * A[:, :, None] * y - B[:, :, None] * dy, df_ddy

    return fun, jac


def blocks(n, n_hidden, bias):
    ends = [0, n_hidden, 2 * n_hidden, (2 + n) * n_hidden] + [(2 + n) * n_hidden + n] * bias
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("conditions", CONDITIONS)
class TestExactness:
    @pytest.mark.parametrize("span", [(-0.5, 2.0), (2.0, -0.5)])
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("activation", ["sigmoid", "tanh", "sin"])
    @pytest.mark.parametrize("n", [1, 3])
    def test_gradient_and_jacobian_equal_the_complex_step_in_every_block(self, n, activation, bias, span, conditions):
        n_hidden, (fun, jac) = 5, random_system(n)
        values = np.random.default_rng(1).normal(size=(2, n))
        col = sm.Collocation(
            fun, span, values, n_hidden, 33, jac=jac, activation=activation, output_bias=bias,
            order=2, conditions=conditions,
        )  # fmt: skip
        theta = np.random.default_rng(10 * n).normal(size=col.n_theta)
        arguments = (col.points, span, values, fun, n_hidden, conditions, activation)
        steps = theta + 1e-40j * np.eye(theta.size)
        residuals = np.array([reference.residual2(t, *arguments).ravel() for t in steps])
        loss, gradient = col.loss_and_gradient(theta)
        rows = col.jacobian(theta)
        exact_gradient = (residuals**2).sum(axis=1).imag / 1e-40
        exact_rows = residuals.imag.T / 1e-40
        for block in blocks(n, n_hidden, bias):
            assert relative(gradient[block], exact_gradient[block]) <= 1e-12
            assert relative(rows[:, block], exact_rows[:, block]) <= 1e-12
        r = reference.residual2(theta, *arguments).ravel()
        assert_allclose(col.residual(theta), r, rtol=0, atol=1e-12 * np.linalg.norm(r))
        assert loss == pytest.approx(r @ r, rel=1e-12)
        assert col.loss(theta) == loss

    def test_differences_agree_with_the_analytic_jacobian(self, conditions):
        fun, jac = random_system(2)
        make = lambda jac: sm.Collocation(fun, (0, 2), np.ones((2, 2)), 8, jac=jac, order=2, conditions=conditions)
        theta = np.random.default_rng(5).normal(size=make(None).n_theta)
        assert relative(make(None).jacobian(theta), make(jac).jacobian(theta)) < 1e-9
        assert relative(make(None).loss_and_gradient(theta)[1], make(jac).loss_and_gradient(theta)[1]) < 1e-9

    def test_chunks_do_not_change_the_gradient(self, conditions, monkeypatch):
        fun, jac = random_system(2)
        results = []
        for chunk in (2**12, 2**19):
            monkeypatch.setattr("sigmode.training.collocation._CHUNK", chunk)
            col = sm.Collocation(fun, (0, 2), np.ones((2, 2)), 10, 3000, jac=jac, order=2, conditions=conditions)
            theta = np.linspace(-1, 1, col.n_theta)
            results.append((col.loss_and_gradient(theta)[1], col.jacobian(theta), col.residual(theta)))
        for a, b in zip(*results, strict=True):
            assert_array_equal(a, b)

    @pytest.mark.parametrize("span", [(0.3, 1.7), (1.7, 0.3)])
    def test_conditions_hold_to_the_bit_for_any_parameters(self, conditions, span):
        first, second = np.array([0.1, 1e6]), np.array([0.3, -0.7])
        col = sm.Collocation(random_system(2)[0], span, (first, second), 8, order=2, conditions=conditions)
        sol = col.solution(np.random.default_rng(0).normal(size=col.n_theta))
        assert_array_equal(sol(span[0]), first)
        assert_array_equal(sol(span[0], 1) if conditions == "initial" else sol(span[1]), second)

    @pytest.mark.parametrize("activation", ["sigmoid", "tanh", "sin"])
    def test_derivatives_of_the_solution_are_those_of_the_trial_solution(self, conditions, activation):
        span, values = (1.0, 3.5), np.array([[0.2, -1.0], [0.5, 2.0]])
        col = sm.Collocation(
            random_system(2)[0], span, values, 8, activation=activation, order=2, conditions=conditions
        )
        theta = np.random.default_rng(0).normal(size=col.n_theta)
        sol, x = col.solution(theta), np.array([1.2, 2.0, 3.2])
        d2y = reference.residual2(theta, x, span, values, lambda x, y, dy: 0 * y, 8, conditions, activation)
        assert_allclose(sol(x, 2), d2y, rtol=1e-13, atol=1e-13)
        for nu in (0, 1):
            h, step = 1e-3, [sol(x + k * 1e-3, nu) for k in (-2, -1, 1, 2)]
            assert_allclose(sol(x, nu + 1), (step[0] - 8 * step[1] + 8 * step[2] - step[3]) / (12 * h), atol=1e-8)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "sin"])
def test_third_derivatives_behind_the_rounding_error_of_the_second(name):
    z = np.linspace(-8, 8, 101)
    assert_allclose(network._derivative(name, z, 3), reference.third(z, name), rtol=0, atol=1e-15)


class TestAccuracy:
    @pytest.mark.parametrize("n_hidden", [20, 40])
    @pytest.mark.parametrize("problem", [LAGARIS_3, LAGARIS_3_TWO], ids=lambda p: p.name)
    @pytest.mark.parametrize("tol", [1e-6, 1e-9])
    def test_lagaris_3_both_ways_for_every_seed(self, problem, n_hidden, tol):
        for seed in SEEDS:
            res = sm.train(collocation(problem, n_hidden, seed, jac=None), tol=tol)
            assert res.success
            assert true_error(problem, res.sol).max() <= 1e-9

    @pytest.mark.parametrize("problem", [p for p in ALL if p is not STIFF], ids=lambda p: p.name)
    def test_closed_forms(self, problem):
        for seed in SEEDS[:3]:
            res = sm.train(collocation(problem, 40, seed), tol=1e-8)
            assert res.success
            assert res.status == 0
            assert true_error(problem, res.sol).max() <= 1e-8
            assert len(res.sol.y) == 1

    @pytest.mark.parametrize("problem", [LAGARIS_3, LAGARIS_3_TWO], ids=lambda p: p.name)
    @pytest.mark.parametrize(
        ("method", "bound"), [("auto", 1e-6), ("output", 1e-5), ("least_squares", 1e-7), ("L-BFGS-B", 1e-5)]
    )
    def test_every_method(self, problem, method, bound):
        res = sm.train(collocation(problem, 10), method=method)
        assert true_error(problem, res.sol).max() <= bound
        assert res.error[0] == pytest.approx(true_error(problem, res.sol).max(), rel=0.1)

    @pytest.mark.parametrize("problem", [LAGARIS_3, BRATU], ids=lambda p: p.name)
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("activation", ["sigmoid", "tanh", "sin"])
    def test_every_activation(self, problem, activation, bias):
        res = sm.train(collocation(problem, 30, activation=activation, output_bias=bias), tol=1e-9)
        assert res.success
        assert true_error(problem, res.sol).max() <= 1e-9

    @pytest.mark.parametrize(
        ("force", "values", "end"), [(lambda y: -np.sin(y), (3.1, 0.0), 12), (lambda y: y - y**3, (0.1, 0.0), 10)]
    )
    def test_auto_starts_from_a_marched_solution(self, force, values, end):
        """A pendulum beside its upper rest, Duffing's oscillator: training from zero output weights fails."""
        res = sm.train(sm.Collocation(lambda x, y, dy: force(y), (0, end), values, 60, order=2), tol=1e-7)
        x = np.linspace(0, end, 201)
        system = lambda x, y: [y[1], force(y[0])]
        fine = solve_ivp(system, (0, end), values, "DOP853", t_eval=x, rtol=1e-12, atol=1e-12)
        assert res.success
        assert np.abs(res.sol(x) - fine.y[:1]).max() < 1e-7
        assert np.abs(res.sol(x, 1) - fine.y[1:]).max() < 1e-5

    @pytest.mark.parametrize("problem", [LAGARIS_3, LAGARIS_3_TWO], ids=lambda p: p.name)
    @pytest.mark.parametrize("bias", [False, True])
    def test_the_start_fits_values_and_both_derivatives(self, problem, bias):
        """With few units, where the fit is a compromise: no other output weights are closer."""
        col = collocation(problem, 4, output_bias=bias)
        exact = sm.train(collocation(problem, 40, points=col.points)).sol
        h, wanted = col.span[1] - col.span[0], [exact(col.points, nu) for nu in (0, 1, 2)]

        def distance(theta):
            sol = col.solution(theta)
            return sum((h ** (2 * nu) * (sol(col.points, nu) - y) ** 2).sum() for nu, y in enumerate(wanted))

        theta = col.fitted(col.initial(), wanted)
        rng = np.random.default_rng(0)
        for size in (1e-3, 1e-2):
            step = np.concatenate([np.zeros(8), size * rng.normal(size=theta.size - 8)])
            assert distance(theta) < distance(theta + step)
            # The slope along any direction vanishes there
            assert abs(distance(theta + step) - distance(theta - step)) < 1e-6 * distance(theta + step)

    @pytest.mark.parametrize("length", [1e-55, 1e-12, 1e12, 1e55])
    @pytest.mark.parametrize("conditions", CONDITIONS)
    def test_any_unit_of_x(self, length, conditions):
        values = (0.0, 1 / length if conditions == "initial" else np.sin(1))
        col = sm.Collocation(lambda x, y, dy: -y / length**2, (0, length), values, 30, order=2, conditions=conditions)
        res = sm.train(col, tol=1e-9)
        assert res.success
        assert res.sol(length / 2)[0] == pytest.approx(np.sin(0.5), abs=1e-9)


class TestEstimate:
    @pytest.mark.parametrize("problem", ALL, ids=lambda p: p.name)
    @pytest.mark.parametrize("n_hidden", [8, 12, 20, 40])
    def test_is_within_a_factor_of_ten_of_the_true_error(self, problem, n_hidden):
        """From a useless network to rounding, whose size stands in for errors that the closed form cannot show."""
        for seed in SEEDS[:3]:
            res = sm.train(collocation(problem, n_hidden, seed), method="output")
            true = true_error(problem, res.sol).max(axis=1)
            floor = 2e-15
            assert np.all(true <= 10 * res.error + floor)
            assert np.all(res.error <= 10 * np.maximum(true, floor))

    def test_bounds_the_error_point_by_point(self):
        for problem in (LAGARIS_3, LAGARIS_3_TWO, BRATU, STIFF):
            res = sm.train(collocation(problem, 12), method="output")
            x = np.linspace(*problem.span, 1001)
            assert np.all(true_error(problem, res.sol) <= 2 * res.sol.error(x) + 1e-15)
            assert res.sol.error(x).max() == pytest.approx(res.error[0], rel=0.05)

    @pytest.mark.parametrize("n_hidden", [10, 20, 40, 60])
    def test_shooting_would_fail_here(self, n_hidden):
        """y'' = 1e4 y between two points: errors grow by exp(100) from either end, and decay as fast."""
        for tol in (1e-3, 1e-8):
            res = sm.train(collocation(STIFF, n_hidden), tol=tol)
            true = true_error(STIFF, res.sol).max()
            assert 0.5 * true <= res.error[0] <= 2 * true
            assert res.success == (res.error[0] <= tol)

    def test_boundary_values_of_the_error_equation(self):
        """e_k+1 = P_k e_k + q_k, zero in its first half at both ends."""
        P, q = np.random.default_rng(0).normal(size=(2, 7, 4, 4))
        e = defect._between(P, q[:, 0])
        after = (P @ e[:, :, None])[..., 0] + q[:, 0]
        assert_allclose(after[:-1], e[1:], rtol=0, atol=1e-12 * abs(e).max())
        assert_allclose([e[0, :2], after[-1, :2]], 0, atol=1e-12 * abs(e).max())
        assert abs(e[0, 2:]).min() > 0.01

    def test_a_singular_boundary_value_problem_has_no_estimate(self):
        assert np.isinf(defect._between(np.eye(2)[None], np.zeros((1, 2)))).all()


class TestSuccessIsHonest:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("rate", [3.6, 4.0, 20.0])
    def test_bratu_beyond_its_last_solution(self, rate, method):
        col = sm.Collocation(
            lambda x, y, dy: -rate * np.exp(y), (0, 1), (0.0, 0.0), 12, order=2, conditions="two-point"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            res = sm.train(col, method=method, max_iter=60)
        assert not res.success
        assert res.status in (1, 2)
        assert "does a solution exist" in res.message

    def test_a_resonance_without_solution(self):
        col = sm.Collocation(lambda x, y, dy: -(np.pi**2) * y, (0, 1), (0.0, 1.0), order=2, conditions="two-point")
        res = sm.train(col, tol=1e-3)
        assert not res.success

    def test_an_initial_value_problem_whose_errors_explode(self):
        """y = exp(-100 x) is a solution of y'' = 1e4 y that nothing can follow: errors grow as exp(100 x)."""
        res = sm.train(sm.Collocation(STIFF.fun, (0, 1), (1.0, -100.0), 40, order=2))
        assert not res.success
        assert res.error[0] > 1e6

    @pytest.mark.parametrize("conditions", CONDITIONS)
    def test_growth_that_no_window_follows(self, conditions):
        fun = lambda x, y, dy: 1e14 * (y - np.sin(x)) - np.sin(x)
        values = (0.0, 1.0) if conditions == "initial" else (0.0, np.sin(1))
        assert not sm.train(sm.Collocation(fun, (0, 1), values, order=2, conditions=conditions)).success

    @pytest.mark.parametrize("conditions", CONDITIONS)
    @pytest.mark.parametrize("width", [6e-4, 1e-2])
    def test_bumps_of_fun_between_the_points(self, width, conditions):
        """Each moves y by 1e-5 or more."""
        for centre in np.random.default_rng(0).uniform(0.1, 0.8, 20):
            fun = lambda x, y, dy, c=centre: -y + np.exp(-(((x - c) / width) ** 2))
            col = sm.Collocation(fun, (0, 1), (1.0, 0.0), order=2, conditions=conditions)
            assert not sm.train(col, method="output", tol=1e-7).success

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("problem", [LAGARIS_3, LAGARIS_3_TWO], ids=lambda p: p.name)
    @pytest.mark.parametrize("part", [0, 1])
    def test_a_wrong_jac_is_replaced_by_differences(self, part, problem, method):
        def jac(x, y, dy):
            right = list(lagaris_3_jac(x, y, dy))
            right[part] = right[part] + 3.0
            return tuple(right)

        with pytest.warns(UserWarning, match="`jac` does not agree"):
            res = sm.train(collocation(problem, 10, jac=jac), method=method, max_iter=30)
        without = sm.train(collocation(problem, 10, jac=None), method=method, max_iter=30)
        x = np.linspace(*problem.span, 101)
        assert_allclose(res.sol(x), without.sol(x), rtol=0, atol=1e-6)  # the accuracy of ten units

    def test_a_jac_that_is_wrong_at_the_slopes_of_the_solution(self):
        jac = lambda x, y, dy: (0 * y[None], np.where(dy > 5, 4.0, 1.0)[None])
        with pytest.warns(UserWarning, match="`jac` does not agree"):
            res = sm.train(sm.Collocation(lambda x, y, dy: dy - 10, (0, 0.1), (0.0, 10.0), jac=jac, order=2))
        assert res.success

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("conditions", CONDITIONS)
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_fun_not_finite_on_a_part_of_the_span(self, value, conditions, method):
        col = sm.Collocation(
            lambda x, y, dy: np.where(x > 0.7, value, -y), (0, 1), (0.0, 1.0), order=2, conditions=conditions
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss, gradient = col.loss_and_gradient(col.initial())
            res = sm.train(col, method=method)
        assert not np.isfinite(loss)
        assert not np.isfinite(gradient).all()
        assert not res.success
        assert res.status == -1
        assert "x = 0.7" in res.message

    @pytest.mark.parametrize("method", METHODS)
    def test_past_a_blow_up(self, method):
        col = sm.Collocation(lambda x, y, dy: 6 * y**2, (0, 2), (1.0, 2.0), order=2)  # y = 1/(1 - x)**2
        res = sm.train(col, method=method, max_iter=60, tol=1e-3)
        assert not res.success


class TestResult:
    def test_same_bits_run_after_run_and_for_any_number_of_threads(self, monkeypatch):
        threads = numba.get_num_threads()
        try:
            results = []
            for count in (1, threads, threads):
                numba.set_num_threads(count)
                results.append(sm.train(collocation(CIRCLE_TWO, 30, n_points=1000), method="L-BFGS-B", max_iter=15))
        finally:
            numba.set_num_threads(threads)
        for res in results[1:]:
            assert_array_equal(res.theta, results[0].theta)
            assert_array_equal(res.error, results[0].error)

    @pytest.mark.parametrize("problem", [LAGARIS_3, CIRCLE_TWO], ids=lambda p: p.name)
    def test_files(self, problem, tmp_path):
        sol = sm.train(collocation(problem, 20)).sol
        sol.save(tmp_path / "sol")
        back = sm.Solution.load(tmp_path / "sol")
        x = np.linspace(*problem.span, 77)
        for nu in (0, 1, 2):
            assert_array_equal(back(x, nu), sol(x, nu))
        assert_array_equal(back.error(x), sol.error(x))
        with np.load(tmp_path / "sol") as file:
            parts = dict(file)
        for change in ({"form": np.array([3, 0])}, {"form": np.array([2])}, {"second": np.zeros((2, 2))}):
            np.savez(tmp_path / "broken.npz", **{**parts, **change})
            with pytest.raises(ValueError, match="`path` must name a file"):
                sm.Solution.load(tmp_path / "broken.npz")

    def test_files_of_first_order_are_those_of_earlier_versions(self, tmp_path):
        sol = sm.train(sm.Collocation(lambda x, y: -y, (0, 1), [1.0])).sol
        sol.save(tmp_path / "sol")
        with np.load(tmp_path / "sol") as file:
            assert set(file) == {"x", "y", "theta", "h", "network", "error_x", "error_y"}
        assert_array_equal(sm.Solution.load(tmp_path / "sol")([0.2, 0.9], 1), sol([0.2, 0.9], 1))

    def test_fields_and_callback(self):
        seen = []
        col = collocation(CIRCLE_TWO, 20)
        res = sm.train(col, callback=seen.append)
        assert res.error.shape == (2,)
        assert res.theta.shape == (col.n_theta,) == (80,)
        assert res.sol(0.5).shape == (2,)
        assert res.sol.error([0.1, 0.2]).shape == (2, 2)
        assert len(seen) == res.nit >= 1
        assert res.loss == col.loss(res.theta)
        assert repr(col).startswith("<Collocation of 2 equations of second order on [0, 2]")

    def test_theta0_is_used(self):
        theta0 = collocation(LAGARIS_3, 20, seed=5).initial()
        res = sm.train(collocation(LAGARIS_3, 20), theta0, method="output")
        assert_array_equal(res.theta[:40], theta0[:40])


class TestCalls:
    @pytest.mark.parametrize("conditions", CONDITIONS)
    def test_fun_sees_x_y_and_dy_and_never_a_point_outside(self, conditions):
        seen = []

        def fun(x, y, dy, rate):
            seen.append(x)
            assert y.shape == dy.shape == (2, x.size)
            x += 1e9  # its own copy
            return -rate * y

        values = np.array([[1.0, 0.0], [0.5, 1.0]])
        col = sm.Collocation(fun, (0.3, 0.1), values, points="uniform", args=(2.0,), order=2, conditions=conditions)
        assert sm.train(col).success
        x = np.concatenate(seen) - 1e9
        assert x.min() >= 0.1 - 1e-6
        assert x.max() <= 0.3 + 1e-6

    def test_a_wrong_number_of_arguments_is_pythons_own_error(self):
        col = sm.Collocation(lambda x, y: -y, (0, 1), (0.0, 1.0), order=2)
        with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
            sm.train(col)

    @pytest.mark.parametrize(
        ("fun", "message"),
        [
            (lambda x, y, dy: None, "`fun` must return an array.*returned None"),
            (lambda x, y, dy: np.concatenate([dy, -y]), r"shape \(2, (8|64)\).*returned shape \(4, (8|64)\)"),
            (lambda x, y, dy: y + 1j, "`fun` returned complex"),
        ],
    )
    @pytest.mark.parametrize("method", ["residual", "loss", "loss_and_gradient", "jacobian"])
    def test_what_fun_returns_is_checked(self, fun, message, method):
        col = sm.Collocation(fun, (0, 1), np.ones((2, 2)), 4, order=2)
        with pytest.raises(ValueError, match=message):
            getattr(col, method)(col.initial())

    @pytest.mark.parametrize(
        ("jac", "message"),
        [
            (lambda x, y, dy: None, r"`jac` must return two arrays \(df_dy, df_ddy\).*NoneType"),
            (lambda x, y, dy: (np.ones((1, 1, x.size)),), "`jac` must return two arrays.*tuple"),
            (lambda x, y, dy: (np.ones((1, 1, x.size)), np.ones((1, 1))), r"`jac` must return an array of shape"),
        ],
    )
    def test_what_jac_returns_is_checked(self, jac, message):
        col = collocation(LAGARIS_3, 4, jac=jac)
        with pytest.raises(ValueError, match=message):
            col.jacobian(col.initial())

    @pytest.mark.parametrize("values", [(0.0, 1.0), ([0.0], [1.0]), np.array([[0.0], [1.0]]), [0, 1]])
    def test_values_in_each_accepted_shape(self, values):
        col = sm.Collocation(lagaris_3, (0, 2), values, order=2)
        assert_array_equal(col.y0, [[0.0], [1.0]])
        assert col.network.n == 1


BAD = [
    ({"order": 3}, ValueError, r"`order` must be 1, .* or 2, for y'' = f\(x, y, y'\), got 3"),
    ({"order": 0}, ValueError, "`order` must be 1"),
    ({"order": 1.5}, ValueError, "`order` must be 1.*got 1.5"),
    ({"order": "2"}, ValueError, "`order` must be 1.*got '2'"),
    ({"order": None}, ValueError, "`order` must be 1.*got None"),
    ({"conditions": "periodic"}, ValueError, r"`conditions` must be one of \('initial', 'two-point'\), got 'periodic'"),
    ({"conditions": None}, ValueError, "`conditions` must be one of"),
    ({"conditions": ["initial"]}, ValueError, "`conditions` must be one of"),
    ({"order": 1, "conditions": "two-point", "y0": [0.0]}, ValueError, '`conditions` must be "initial".*order=2'),
    ({"y0": 1.0}, ValueError, r"`y0` must be two values for order 2, \(y0, dy0\) or \(ya, yb\)"),
    ({"y0": [1.0]}, ValueError, "`y0` must be two values"),
    ({"y0": [1.0, 2.0, 3.0]}, ValueError, "`y0` must be two values"),
    ({"y0": [[1.0], [2.0], [3.0]]}, ValueError, "`y0` must be two values"),
    ({"y0": np.zeros((2, 1, 1))}, ValueError, "`y0` must be two values"),
    ({"y0": np.zeros((2, 0))}, ValueError, "`y0` must be two values"),
    ({"y0": ([1.0], [1.0, 2.0])}, ValueError, r"`y0` must be real numbers of shape \(2, n\)"),
    ({"y0": ("a", "b")}, ValueError, "`y0` must be real numbers"),
    ({"y0": (1.0, np.nan)}, ValueError, "All components of `y0` must be finite"),
    ({"y0": (1.0, 1j)}, ValueError, "`y0` is complex"),
    ({"fun": 3}, TypeError, r"`fun` must be callable as fun\(x, y, dy\)"),
    ({"jac": 3}, TypeError, r"`jac` must be callable as jac\(x, y, dy\)"),
    ({"span": (0, 0)}, ValueError, "`span` must have a length"),
    ({"span": (0, 1e-70)}, ValueError, "`span` must have a length between 1e-60 and 1e[+]60 for order 2"),
    ({"span": (1e120, 0)}, ValueError, "`span` must have a length between"),
    ({"n_hidden": 0}, ValueError, "`n_hidden` must be at least 1"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD, ids=[str(row[0]) for row in BAD])
def test_bad_arguments_are_named_before_anything_is_computed(options, error, message):
    def fun(x, y, dy):
        raise AssertionError("computed something")

    arguments = {"fun": fun, "span": (0, 1), "y0": (0.0, 1.0), "order": 2, **options}
    with pytest.raises(error, match=message):
        sm.Collocation(**arguments)
