"""solve_bvp: accuracy, estimates, honest failures, arguments. The problems are bench/bvps.py's."""

import pickle
import threading
import warnings

import bvps
import numpy as np
import pytest
from scipy.integrate import solve_bvp as scipy_solve_bvp

import sigmode as sm
from sigmode.compiled import launch

BY_NAME = {problem.name: problem for problem in bvps.problems()}
LAYERS = {p.name: p for family in (bvps.t1, bvps.t2, bvps.t6) for eps in (1e-4, 1e-5, 1e-6) for p in [family(eps)]}


def solve(problem, tol, **options):
    return sm.solve_bvp(problem.fun, problem.bc, problem.x, problem.y, p=problem.p, tol=tol, **options)


def bratu(strength):
    return lambda x, y: np.vstack([y[1], -strength * np.exp(y[0])]), lambda ya, yb: np.array([ya[0], yb[0]])


MESH = np.linspace(0, 1, 5)
ZEROS = np.zeros((2, 5))


class TestAccuracy:
    @pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9, 1e-12])
    @pytest.mark.parametrize("name", BY_NAME)
    def test_the_error_is_below_the_tolerance(self, name, tol):
        problem = BY_NAME[name]
        res = solve(problem, tol)
        assert res.success, res.message
        assert bvps.error(problem, res.sol) <= tol

    @pytest.mark.parametrize("tol", [1e-6, 1e-9])
    @pytest.mark.parametrize("name", LAYERS)
    def test_layers_without_a_hand_made_mesh(self, name, tol):
        res = solve(LAYERS[name], tol)
        assert res.success, res.message
        assert bvps.error(LAYERS[name], res.sol) <= tol

    @pytest.mark.parametrize("name", [name for name in BY_NAME if not name.startswith("T20 0.00")])
    def test_the_estimate_is_sharp(self, name):
        problem = BY_NAME[name]
        res = solve(problem, 1e-5)
        assert 0.1 < res.error[0] / bvps.error(problem, res.sol) < 10

    def test_the_estimate_follows_the_error(self):
        """Not only its maximum: window by window."""
        problem = bvps.t4(0.1)
        sol = solve(problem, 1e-4).sol
        for left, right in zip(sol.x[:-1], sol.x[1:], strict=True):
            x = np.linspace(left, right, 101)[1:-1]
            true = abs(sol(x)[0] - problem.exact(x)).max()
            assert 0.5 * true < sol.error(x)[0].max()

    def test_parameters(self):
        res = solve(bvps.sturm_liouville(), 1e-10)
        assert res.p[0] == pytest.approx(2 * np.pi, abs=1e-10)

    def test_bratus_branches_are_two(self):
        values = [solve(bvps.bratu(branch), 1e-10).sol(0.5)[0] for branch in (0, 1)]
        np.testing.assert_allclose(values, [0.14053921440047180, 4.0914672461892603], atol=1e-9)

    def test_a_nonlinear_system_with_a_poor_guess(self):
        """Cash and Mazzia's T32, where the guess is far away: y'''' = R (y' y'' - y y''')."""
        R = 1000.0
        fun = lambda x, y: np.array([y[1], y[2], y[3], R * (y[1] * y[2] - y[0] * y[3])])
        bc = lambda ya, yb: np.array([ya[0], ya[1], yb[0] - 1, yb[1]])
        res = sm.solve_bvp(fun, bc, MESH, np.zeros((4, 5)), tol=1e-8)
        fine = scipy_solve_bvp(
            fun, bc, np.linspace(0, 1, 200), res.sol(np.linspace(0, 1, 200)), tol=1e-7, max_nodes=20000
        )
        x = np.linspace(0, 1, 301)
        assert res.success
        np.testing.assert_allclose(res.sol(x)[:2], fine.sol(x)[:2], atol=1e-7)

    def test_a_guess_from_which_no_newton_step_descends(self):
        R = 10000.0
        fun = lambda x, y: np.array([y[1], y[2], y[3], R * (y[1] * y[2] - y[0] * y[3])])
        bc = lambda ya, yb: np.array([ya[0], ya[1], yb[0] - 1, yb[1]])
        poor = sm.solve_bvp(fun, bc, MESH, np.zeros((4, 5)), tol=1e-7)
        x = np.linspace(0, 1, 9)
        good = sm.solve_bvp(
            fun, bc, x, np.array([3 * x**2 - 2 * x**3, 6 * x - 6 * x**2, 6 - 12 * x, -12 + 0 * x]), tol=1e-9
        )
        assert poor.success
        assert good.success
        np.testing.assert_allclose(poor.sol(x)[0], good.sol(x)[0], atol=1e-7)

    def test_a_jump_of_f_inside_a_window(self):
        res = sm.solve_bvp(
            lambda x, y: np.vstack([y[1], np.sign(x - 0.3)]), lambda ya, yb: [ya[0], yb[0]], MESH, ZEROS, tol=1e-6
        )
        x = np.linspace(0, 1, 1001)
        bend = np.where(x < 0.3, -(x**2) / 2, (x - 0.3) ** 2 / 2 - 0.3 * (x - 0.3) - 0.045)
        exact = bend - bend[-1] * x
        assert res.success
        np.testing.assert_allclose(res.sol(x)[0], exact, atol=1e-6)

    def test_singular_term(self):
        """Bessel's equation of order 0, y'' + y'/x + y = 0: J_0(x)/J_0(1)."""
        from scipy.special import j0

        fun = lambda x, y: np.vstack([y[1], -y[0]])
        bc = lambda ya, yb: np.array([ya[1], yb[0] - 1.0])
        res = sm.solve_bvp(fun, bc, MESH, np.ones((2, 5)), S=[[0, 0], [0, -1]], tol=1e-10)
        x = np.linspace(0, 1, 201)
        assert res.success
        np.testing.assert_allclose(res.sol(x)[0], j0(x) / j0(1), atol=1e-10)

    def test_complex_with_a_complex_parameter(self):
        """y' = p y, y(0) = 1, y(1) = exp(2 + 3j) determines p."""
        goal = 2.0 + 3.0j
        res = sm.solve_bvp(
            lambda x, y, p: p[0] * y,
            lambda ya, yb, p: np.array([ya[0] - 1.0, yb[0] - np.exp(goal)]),
            MESH,
            np.exp((2.2 + 2.8j) * MESH)[None],
            p=[2.2 + 2.8j],
            tol=1e-9,
        )
        x = np.linspace(0, 1, 101)
        assert res.success
        assert res.p[0] == pytest.approx(goal, abs=1e-9)
        np.testing.assert_allclose(res.sol(x)[0], np.exp(goal * x), rtol=1e-8)
        assert res.sol(x, 1).dtype == complex
        assert res.error.dtype == float

    def test_the_error_of_p(self):
        fun = lambda x, y, p: np.vstack([y[1], -p[0] * y[0]])
        bc = lambda ya, yb, p: np.array([ya[0], yb[0], ya[1] - 1])
        res = sm.solve_bvp(fun, bc, MESH, np.ones((2, 5)), p=[9.0])
        assert res.p_error[0] == pytest.approx(abs(res.p[0] - np.pi**2), rel=0.5)
        assert sm.solve_bvp(*bratu(1.0), MESH, ZEROS).p_error is None


class TestHonesty:
    @pytest.mark.parametrize("strength", [3.514, 3.6, 4.0, 10.0, 100.0])
    def test_bratu_above_the_critical_parameter(self, strength):
        res = sm.solve_bvp(*bratu(strength), MESH, ZEROS)
        assert not res.success
        assert "Does a solution exist" in res.message
        assert (res.error > 1e-3).all()

    def test_bratu_next_to_the_critical_parameter(self):
        assert sm.solve_bvp(*bratu(3.5138), MESH, ZEROS, tol=1e-6).success

    @pytest.mark.parametrize(
        "bc",
        [
            lambda ya, yb: np.array([ya[0], ya[0] - 1.0]),  # contradictory
            lambda ya, yb: np.array([ya[0], 2.0 * ya[0]]),  # one condition twice
            lambda ya, yb: np.array([ya[0] - yb[0], ya[1] - yb[1]]),  # periodic: any constant
        ],
    )
    def test_conditions_that_do_not_determine_the_solution(self, bc):
        res = sm.solve_bvp(lambda x, y: np.vstack([y[1], 0.0 * x]), bc, MESH, ZEROS + 1.0)
        assert res.status == 2
        assert "Do the boundary conditions determine" in res.message

    def test_resonance_without_a_solution(self):
        fun = lambda x, y: np.vstack([y[1], -(np.pi**2) * y[0]])
        res = sm.solve_bvp(fun, lambda ya, yb: np.array([ya[0], yb[0] - 1.0]), MESH, ZEROS + 1.0, tol=1e-6)
        assert not res.success

    @pytest.mark.parametrize(("at", "status"), [(0.3, 2), (2.0, 0)])
    def test_nan_from_fun(self, at, status):
        fun = lambda x, y: np.vstack([y[1], np.where(x > at, np.nan, y[0])])
        res = sm.solve_bvp(fun, lambda ya, yb: np.array([ya[0] - 1, yb[0]]), MESH, ZEROS)
        assert res.status == status
        assert ("non-finite residual at x = 0.3" in res.message) == (status == 2)

    def test_nan_in_the_guess_and_from_bc(self):
        res = sm.solve_bvp(*bratu(1.0), MESH, ZEROS + np.nan)
        assert res.status == 2
        assert "non-finite residual at x = " in res.message
        res = sm.solve_bvp(bratu(1.0)[0], lambda ya, yb: np.array([ya[0], np.nan]), MESH, ZEROS)
        assert res.status == 2
        assert "non-finite residual of the boundary conditions" in res.message

    def test_a_solution_that_leaves_the_domain_of_f(self):
        fun = lambda x, y: np.vstack([y[1], np.sqrt(y[0] - 0.5)])
        res = sm.solve_bvp(fun, lambda ya, yb: np.array([ya[0] - 1.0, yb[0]]), MESH, ZEROS + 1.0)
        assert not res.success

    def test_noise_ends(self):
        rng = np.random.default_rng(0)
        fun = lambda x, y: np.vstack([y[1], y[0] + 1e-4 * rng.normal(size=x.size)])
        res = sm.solve_bvp(fun, lambda ya, yb: np.array([ya[0] - 1, yb[0]]), MESH, ZEROS, tol=1e-8)
        assert not res.success

    def test_too_few_nodes_come_with_the_best_and_its_error(self):
        problem = bvps.t1(1e-4)
        res = solve(problem, 1e-9, max_nodes=30)
        assert res.status == 1
        assert "estimated error is" in res.message
        assert res.error[0] == pytest.approx(bvps.error(problem, res.sol), rel=1.0)
        assert (res.x.size - 1) * (res.sol.network.n_hidden + 1) <= 2 * 30 - 1 or res.x.size == 5

    def test_more_nodes_in_the_mesh_than_allowed(self):
        assert sm.solve_bvp(*bratu(1.0), np.linspace(0, 1, 50), np.zeros((2, 50)), max_nodes=10).status == 1

    def test_a_wrong_jacobian_is_found_out(self):
        wrong = lambda x, y: np.zeros((2, 2, x.size))  # with this the equations would be singular
        with pytest.warns(UserWarning, match="`fun_jac` does not agree"):
            res = sm.solve_bvp(*bratu(1.0), MESH, ZEROS, fun_jac=wrong, tol=1e-8)
        assert res.success
        assert res.sol(0.5)[0] == pytest.approx(0.14053921440047180, abs=1e-8)

    def test_a_bc_jac_with_nan_is_found_out(self):
        bad = lambda ya, yb: (np.array([[np.nan, 0], [0, 0]]), np.array([[0, 0], [1.0, 0]]))
        with pytest.warns(UserWarning, match="`bc_jac` does not agree"):
            assert sm.solve_bvp(*bratu(1.0), MESH, ZEROS, bc_jac=bad).success

    def test_arrays_of_any_order_from_the_user(self):
        def fun(x, y):
            f = np.asfortranarray(bratu(1.0)[0](x, y))
            f.flags.writeable = False
            return f

        parts = lambda ya, yb: (np.array([[1.0, 0], [0, 0]]).T, np.array([[0, 1.0], [0, 0]]).T)
        res = sm.solve_bvp(fun, bratu(1.0)[1], MESH, ZEROS, bc_jac=parts, tol=1e-8)
        assert res.sol(0.5)[0] == pytest.approx(0.14053921440047180, abs=1e-8)

    def test_jacobians_that_are_not_finite_are_named(self):
        res = sm.solve_bvp(*bratu(1.0), MESH, ZEROS, fun_jac=lambda x, y: np.full((2, 2, x.size), np.nan))
        assert res.status == 2
        assert "derivatives of `fun` are not finite" in res.message

    def test_what_fun_raises_passes_through(self):
        error = RuntimeError("mine")

        def fun(x, y):
            raise error

        with pytest.raises(RuntimeError) as caught:
            sm.solve_bvp(fun, bratu(1.0)[1], MESH, ZEROS)
        assert caught.value is error

    def test_a_sharp_boundary_tolerance_is_met(self):
        bc = lambda ya, yb: np.array([ya[0], np.sinh(yb[0] - 1 / 3)])
        res = sm.solve_bvp(bratu(1.0)[0], bc, MESH, ZEROS, bc_tol=1e-14)
        assert res.success
        assert abs(bc(res.y[:, 0], res.y[:, -1])).max() <= 1e-14

    def test_a_boundary_tolerance_that_cannot_be_met(self, monkeypatch):
        monkeypatch.setattr("sigmode.bvp.search.Search._conditions_met", lambda self, outcome: False)
        res = sm.solve_bvp(*bratu(1.0), MESH, ZEROS)
        assert res.status == 3
        assert not res.success
        assert "boundary conditions tolerance" in res.message

    @pytest.mark.timeout(60)
    def test_noise_ends_soon_whatever_the_number_of_nodes(self):
        rng = np.random.default_rng(0)
        fun = lambda x, y: y + 1e-3 * rng.standard_normal(y.shape)
        res = sm.solve_bvp(fun, lambda ya, yb: ya - yb - 1, MESH, np.zeros((6, 5)), tol=1e-6, max_nodes=20000)
        assert not res.success

    def test_a_residual_that_is_not_met_is_mentioned(self):
        fun = lambda x, y: np.vstack([y[1], np.sign(x - 0.612)])
        res = sm.solve_bvp(fun, bratu(1.0)[1], MESH, ZEROS, tol=1e-8)
        assert res.success
        assert "residual is not below `tol`" in res.message

    def test_nan_in_the_guess_is_said_to_be_there(self):
        y = ZEROS.copy()
        y[0, 2] = np.nan
        message = sm.solve_bvp(*bratu(1.0), MESH, y).message
        assert "non-finite residual at x = 0.5. The guess `y` is not finite there" in message

    def test_a_wrong_bc_jac_is_found_out(self):
        wrong = lambda ya, yb: (np.array([[2.0, 0], [0, 0]]), np.array([[0, 0], [1.0, 0]]))
        with pytest.warns(UserWarning, match="`bc_jac` does not agree"):
            res = sm.solve_bvp(*bratu(1.0), MESH, ZEROS, bc_jac=wrong, tol=1e-8)
        assert res.sol(0.5)[0] == pytest.approx(0.14053921440047180, abs=1e-8)

    def test_a_solution_up_to_a_constant_is_called_singular(self):
        fun = lambda x, y: np.vstack([y[1], np.cos(np.pi * x)])
        res = sm.solve_bvp(fun, lambda ya, yb: np.array([ya[1], yb[1]]), MESH, ZEROS)
        assert res.status == 2
        assert "Do the boundary conditions determine" in res.message


class TestWhatLiesBetweenThePoints:
    @pytest.mark.parametrize("tol", [1e-3, 1e-6])
    @pytest.mark.parametrize("slope", [lambda x: 0.5 / np.sqrt(x), lambda x: 1 / x, lambda x: x**-2.0])
    def test_a_singular_end_is_no_exception(self, slope, tol):
        res = sm.solve_bvp(lambda x, y: slope(x)[None], lambda ya, yb: yb - 1, MESH, np.zeros((1, 5)), tol=tol)
        assert res.success == (slope(0.25) == 1.0)  # the square root alone has a solution
        if res.success:
            np.testing.assert_allclose(res.sol(MESH)[0], np.sqrt(MESH), atol=tol)

    @pytest.mark.parametrize(("m", "node"), [(51, 14), (101, 5), (201, 5), (501, 4)])
    def test_a_bump_that_only_the_mesh_of_the_user_sees(self, m, node):
        """A mesh that is thinned out knows where something happens."""
        x, width = np.linspace(0, 1, m), 5e-4
        fun = lambda t, y: (np.exp(-(((t - x[node]) / width) ** 2)) / width / np.sqrt(np.pi))[None]
        res = sm.solve_bvp(fun, lambda ya, yb: ya, x, np.zeros((1, m)))
        assert res.success
        assert res.y[0, -1] == pytest.approx(1.0, abs=1e-3)
        assert res.rms_residuals.max() < 1e-3

    @pytest.mark.parametrize("width", [1e-4, 1e-5])
    def test_a_bump_at_the_left_end(self, width):
        """No right node is there; f is looked at nevertheless."""
        fun = lambda x, y: (np.exp(-((x / width) ** 2)) * 2 / width / np.sqrt(np.pi))[None]
        res = sm.solve_bvp(fun, lambda ya, yb: ya, MESH, np.zeros((1, 5)), tol=1e-6)
        assert res.success
        assert res.y[0, -1] == pytest.approx(1.0, abs=1e-6)

    @pytest.mark.parametrize("tol", [1e-6, 1e-9])
    def test_a_jump_between_the_end_and_the_first_node(self, tol):
        fun = lambda x, y: np.vstack([y[1], (x > 1e-4) * 1.0])
        res = sm.solve_bvp(fun, lambda ya, yb: np.array([ya[0], yb[0]]), MESH, ZEROS, tol=tol)
        assert res.success
        assert res.y[1, 0] == pytest.approx(-((1 - 1e-4) ** 2) / 2, abs=tol)


class TestSciPysManners:
    def test_fields_and_shapes(self):
        res = sm.solve_bvp(*bratu(1.0), MESH, ZEROS)
        theirs = scipy_solve_bvp(*bratu(1.0), MESH, ZEROS)
        assert set(theirs) <= set(res)
        for name in ("x", "y", "yp", "rms_residuals"):
            assert res[name].shape == theirs[name].shape
        assert res.p is theirs.p is None
        assert res.message == theirs.message
        assert res.error.shape == (2,)
        assert type(res.niter) is type(res.status) is int
        assert res.sol(0.5).shape == theirs.sol(0.5).shape
        assert res.sol([0.1, 0.5], 1).shape == theirs.sol([0.1, 0.5], 1).shape

    def test_the_initial_nodes_stay_also_where_the_windows_are_fewer(self):
        x = np.linspace(0, 1, 200)
        res = sm.solve_bvp(*bratu(1.0), x, np.zeros((2, 200)), tol=1e-9)
        assert np.isin(x, res.x).all()
        assert res.sol.x.size < 20
        assert res.rms_residuals.shape == (res.x.size - 1,)
        assert (res.rms_residuals < 1e-9).all()
        np.testing.assert_allclose(res.y, res.sol(res.x), atol=1e-12)
        np.testing.assert_allclose(res.yp, res.sol(res.x, 1), atol=1e-9)

    def test_derivatives(self):
        sol = sm.solve_bvp(*bratu(1.0), MESH, ZEROS, tol=1e-9).sol
        x = np.linspace(0, 1, 33)
        np.testing.assert_allclose(sol(x, 1)[0], sol(x)[1], atol=1e-8)
        np.testing.assert_allclose(sol(x, 2)[0], -np.exp(sol(x)[0]), atol=1e-6)

    def test_values_beyond_the_ends_as_scipy_has_them(self):
        sol = sm.solve_bvp(*bratu(1.0), MESH, ZEROS, tol=1e-9).sol
        assert np.isfinite(sol(1.0 + 1e-12)).all()
        assert np.isnan(sol(1.1, extrapolate=False)).all()

    def test_a_solution_is_a_good_guess(self):
        """Continuation: the coarse mesh of a solution and its values are read with the slopes that belong to them."""
        guess = sm.solve_bvp(*bratu(3.0), MESH, ZEROS, tol=1e-8)
        calls = []

        def counted(fun):
            return lambda x, y: (calls.append(x.size), fun(x, y))[1]

        fun, bc = bratu(3.1)
        sm.solve_bvp(counted(fun), bc, MESH, ZEROS, tol=1e-8)
        cold = len(calls)
        calls.clear()
        assert sm.solve_bvp(counted(fun), bc, guess.x, guess.y, tol=1e-8).success
        assert len(calls) <= cold

    def test_fun_is_called_inside_with_increasing_x_and_may_keep_its_arguments(self):
        seen = []

        def fun(x, y):
            seen.append(x)
            assert (np.diff(x) > 0).all()
            assert x[0] >= 0
            assert x[-1] <= 1
            f = np.vstack([y[1], (y[0] - 1.0) * 1e4])
            y[:] = np.nan  # ours no longer
            x[:] = -1.0
            return f

        assert sm.solve_bvp(fun, lambda ya, yb: np.array([ya[0], yb[0]]), MESH, ZEROS, tol=1e-6).success
        assert len(seen) > 3

    def test_the_guess_is_not_changed(self):
        x, y, p = np.linspace(0, 1, 5), np.array(bvps.sturm_liouville().y), np.array([6.0])
        before = x.copy(), y.copy(), p.copy()
        sm.solve_bvp(bvps.sturm_liouville().fun, bvps.sturm_liouville().bc, x, y, p=p)
        for now, then in zip((x, y, p), before, strict=True):
            np.testing.assert_array_equal(now, then)

    def test_lists_will_do(self):
        assert sm.solve_bvp(lambda x, y: [y[1], -y[0]], lambda a, b: [a[0], b[0] - 1], [0, 1], [[0, 0], [0, 0]]).success

    def test_one_equation_and_one_window(self):
        res = sm.solve_bvp(lambda x, y: -2 * x * y, lambda ya, yb: yb - 1.0, [0.0, 1.0], [[1.0, 1.0]], tol=1e-10)
        assert res.sol(0.0)[0] == pytest.approx(np.e, abs=1e-9)

    def test_callback(self):
        seen = []
        solve(bvps.t6(1e-3), 1e-6, callback=seen.append)
        assert [now.niter for now in seen] == list(range(1, len(seen) + 1))
        assert np.isnan(seen[0].error)
        assert seen[-1].error < 1e-6

        def stop(now):
            raise StopIteration

        res = solve(bvps.t6(1e-3), 1e-6, callback=stop)
        assert res.status == 4
        assert not res.success
        assert "callback" in res.message

    def test_verbose_says_what_failed(self, capsys):
        sm.solve_bvp(*bratu(4.0), MESH, ZEROS, verbose=1)
        assert "does not converge" in capsys.readouterr().out

    def test_low_tolerance_warns(self):
        with pytest.warns(UserWarning, match="`tol` is too low, setting to 2.22e-14"):
            sm.solve_bvp(*bratu(1.0), MESH, ZEROS, tol=1e-16)

    def test_no_other_warning(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            solve(bvps.t20(0.01), 1e-6)

    def test_pickle_save_and_load(self, tmp_path):
        res = solve(bvps.t2(0.1), 1e-6)
        x = np.linspace(-0.1, 1.1, 50)
        res.sol.save(tmp_path / "sol.npz")
        for copy in (pickle.loads(pickle.dumps(res)).sol, sm.Solution.load(tmp_path / "sol.npz")):
            np.testing.assert_array_equal(copy(x), res.sol(x))
            np.testing.assert_array_equal(copy.error(x), res.sol.error(x))

    def test_the_same_bits_again_and_with_one_thread(self, monkeypatch):
        first = solve(bvps.t6(1e-4), 1e-9)
        assert first.sol.theta.tobytes() == solve(bvps.t6(1e-4), 1e-9).sol.theta.tobytes()
        monkeypatch.setattr(launch, "PARALLEL_WORK", 10**12)
        assert first.sol.theta.tobytes() == solve(bvps.t6(1e-4), 1e-9).sol.theta.tobytes()

    def test_eight_threads_at_once(self):
        expected = solve(bvps.t6(1e-3), 1e-8).sol.theta.tobytes()
        found = []
        threads = [threading.Thread(target=lambda: found.append(solve(bvps.t6(1e-3), 1e-8))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [res.sol.theta.tobytes() for res in found] == [expected] * 8

    def test_x_increases_strictly_also_where_nodes_nearly_coincide(self):
        b, orders = 0.1, []

        def fun(x, y):
            orders.append((np.diff(x) > 0).all())
            return (y - np.tanh((x / b - 0.4) * 50)) / b

        res = sm.solve_bvp(fun, lambda ya, yb: ya - 0.5 * yb, np.linspace(0, b, 20), np.zeros((1, 20)), tol=1e-9)
        assert res.success
        assert all(orders)
        assert np.diff(res.x).min() > 1e-9 * b

    @pytest.mark.timeout(60)
    @pytest.mark.parametrize("slope", [lambda x: (x > 0.3) * 1e8, lambda x: 1 / (x - 0.3)])
    def test_x_increases_strictly_where_windows_become_tiny(self, slope):
        def fun(x, y):
            assert (np.diff(x) > 0).all()
            return slope(x)[None]

        assert not sm.solve_bvp(fun, lambda ya, yb: ya, MESH, np.zeros((1, 5)), tol=1e-9).success

    def test_verbose_and_tol_as_people_pass_them(self, capsys):
        assert sm.solve_bvp(*bratu(1.0), MESH, ZEROS, verbose=False, tol=np.array([1e-6])).success
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize(("nodes", "tol", "most"), [(11, 1e-3, 11), (5, 1e-6, 10), (50, 1e-3, 50)])
    def test_the_initial_mesh_is_always_allowed(self, nodes, tol, most):
        x = np.linspace(0, 1, nodes)
        assert sm.solve_bvp(*bratu(1.0), x, np.zeros((2, nodes)), tol=tol, max_nodes=most).success


class TestBadInput:
    """reliability.md, section 2.2, and what is like it."""

    @pytest.mark.timeout(30)
    @pytest.mark.parametrize(
        ("change", "error", "match"),
        [
            ({"x": [0, 1, 0.5], "y": np.zeros((2, 3))}, ValueError, "`x` must be strictly increasing, got 0.5 after 1"),
            (
                {"x": [0, 0.5, np.nan], "y": np.zeros((2, 3))},
                ValueError,
                "All components of `x` must be finite, got nan",
            ),
            ({"x": [0.0], "y": np.zeros((2, 1))}, ValueError, "`x` must have at least two nodes, got 1"),
            ({"x": np.zeros((2, 2))}, ValueError, "`x` must be 1-dimensional"),
            ({"x": "abc"}, ValueError, "`x` must be real numbers of shape"),
            ({"x": MESH + 0j}, ValueError, "`x` is complex, but must be real"),
            ({"y": np.zeros(5)}, ValueError, "`y` is expected to have 5 columns"),
            ({"y": np.zeros((2, 4))}, ValueError, "`y` is expected to have 5 columns"),
            ({"y": np.zeros((0, 5))}, ValueError, "`y` is expected"),
            ({"y": [["a"] * 5] * 2}, ValueError, "`y` must be numbers"),
            ({"y": None}, ValueError, "`y` must be numbers"),
            ({"p": 1.0}, ValueError, "`p` must be 1-dimensional"),
            ({"p": [1j]}, ValueError, "`p` is complex, but `y` is real"),
            ({"fun": None}, TypeError, r"`fun` must be callable as fun\(x, y\), got NoneType"),
            ({"fun": lambda x, y: np.zeros(3)}, ValueError, r"`fun` must return an array of shape \(2, 5\)"),
            ({"fun": lambda x, y: None}, ValueError, "`fun` .* returned None"),
            ({"fun": lambda x, y: y + 0j}, ValueError, "`fun` returned complex values"),
            ({"fun": lambda x, y: [["a"] * x.size] * 2}, ValueError, "`fun` must return real numbers"),
            ({"bc": 3}, TypeError, r"`bc` must be callable as bc\(ya, yb\), got int"),
            ({"bc": lambda ya, yb: np.zeros(3)}, ValueError, r"`bc` must return an array of shape \(2,\)"),
            ({"bc": lambda ya, yb: ya[0]}, ValueError, r"`bc` must return an array of shape \(2,\)"),
            ({"bc": lambda ya, yb: None}, ValueError, "`bc` .* returned None"),
            ({"fun_jac": 1}, TypeError, "`fun_jac` must be callable"),
            ({"fun_jac": lambda x, y: np.zeros((2, 2))}, ValueError, "`fun_jac` must return"),
            ({"fun_jac": lambda x, y: (np.zeros((2, 2, 5)),) * 2}, ValueError, "`fun_jac` must return 1 array"),
            ({"bc_jac": lambda ya, yb: np.zeros((2, 2))}, ValueError, "`bc_jac` must return 2 arrays"),
            ({"S": [[0, 0]]}, ValueError, r"`S` is expected to have shape \(2, 2\)"),
            ({"S": [[0, 0], [0, np.inf]]}, ValueError, "All components of `S` must be finite"),
            ({"tol": 0.0}, ValueError, "`tol` must be positive and finite, got 0"),
            ({"tol": -1e-3}, ValueError, "`tol` must be positive and finite"),
            ({"tol": np.nan}, ValueError, "`tol` must be positive and finite, got nan"),
            ({"tol": "small"}, ValueError, "`tol` must be a positive number, got 'small'"),
            ({"bc_tol": 0.0}, ValueError, "`bc_tol` must be positive and finite"),
            ({"max_nodes": 0}, ValueError, "`max_nodes` must be at least 1"),
            ({"max_nodes": np.nan}, ValueError, "`max_nodes` must be at least 1"),
            ({"max_nodes": None}, ValueError, "`max_nodes` must be a number"),
            ({"verbose": 5}, ValueError, r"`verbose` must be in \[0, 1, 2\], got 5"),
            ({"callback": 1}, TypeError, "`callback` must be callable or None, got int"),
        ],
    )
    def test_says_what_is_wrong(self, change, error, match):
        fun, bc = bratu(1.0)
        arguments = {"fun": fun, "bc": bc, "x": MESH, "y": ZEROS} | change
        with pytest.raises(error, match=match):
            sm.solve_bvp(**arguments)

    def test_max_nodes_may_be_a_float_as_people_write_it(self):
        assert sm.solve_bvp(*bratu(1.0), MESH, ZEROS, max_nodes=1e5).success

    @pytest.mark.parametrize("scale", [1e-150, 1e150])
    def test_extreme_sizes(self, scale):
        res = sm.solve_bvp(
            lambda x, y: np.vstack([y[1], y[0]]),
            lambda a, b: np.array([a[0] - scale, b[0]]),
            MESH,
            np.full((2, 5), scale),
            tol=1e-9,
        )
        x = np.linspace(0, 1, 11)
        exact = scale * np.sinh(1 - x) / np.sinh(1)
        assert res.success
        np.testing.assert_allclose(res.sol(x)[0], exact, atol=1e-8 * max(1.0, scale))

    @pytest.mark.parametrize(("start", "length"), [(1e9, 1.0), (0.0, 1e-12), (0.0, 1e12)])
    def test_extreme_spans(self, start, length):
        x = start + length * np.linspace(0, 1, 5)
        fun = lambda x, y: np.vstack([y[1] / length, y[0] / length])
        res = sm.solve_bvp(fun, lambda a, b: np.array([a[0] - 1, b[0]]), x, np.zeros((2, 5)), tol=1e-6)
        at = start + length * np.linspace(0, 1, 11)
        assert res.success
        np.testing.assert_allclose(res.sol(at)[0], np.sinh(1 - (at - start) / length) / np.sinh(1), atol=1e-6)

    def test_a_wrong_shape_from_bc_is_not_explained_in_terms_of_fun(self):
        with pytest.raises(ValueError, match=r"`bc` must return an array of shape \(2,\), it returned shape \(3,\)"):
            sm.solve_bvp(bratu(1.0)[0], lambda ya, yb: np.zeros(3), MESH, ZEROS)

    def test_complex_values_come_with_the_right_advice(self):
        with pytest.raises(ValueError, match="pass the guess `y` with a complex dtype"):
            sm.solve_bvp(lambda x, y: y + 0j, bratu(1.0)[1], MESH, ZEROS)
