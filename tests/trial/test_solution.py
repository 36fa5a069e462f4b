"""The closed-form solution: values, derivatives, shapes, files."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import sigmode as sm
from sigmode.problems import LAGARIS_3, LAGARIS_4
from sigmode.trial.network import Network


@pytest.fixture(scope="module")
def solved():
    p = LAGARIS_3
    return sm.train(sm.Collocation(p.fun, p.span, p.y0, 40, jac=p.jac)).sol


def random_solution(activation="sigmoid", bias=True, x=(1.0, 3.0, 3.5)):
    net = Network(2, 6, activation, bias)
    rng = np.random.default_rng(0)
    x = np.array(x)
    windows = x.size - 1
    return sm.Solution(x, rng.normal(size=(windows, 2)), rng.normal(size=(windows, net.n_theta)), net)


class TestDerivatives:
    def test_of_the_exact_solution(self, solved):
        x = np.linspace(0, 2, 301)
        e = np.exp(-x / 5)
        y = e * np.sin(x)
        dy = e * (np.cos(x) - np.sin(x) / 5)
        d2y = e * (np.sin(x) / 25 - 0.4 * np.cos(x) - np.sin(x))
        assert_allclose(solved(x), [y, dy], atol=1e-13)
        assert_allclose(solved(x, 1), [dy, d2y], atol=1e-12)
        assert_allclose(solved(x, nu=2)[0], d2y, atol=1e-10)

    @pytest.mark.parametrize("activation", ["sigmoid", "tanh", "sin"])
    @pytest.mark.parametrize("x", [(1.0, 3.0, 3.5), (3.5, 3.0, 1.0)])
    def test_are_those_of_the_values(self, activation, x):
        sol = random_solution(activation, x=x)
        inner = np.array([1.2, 2.0, 2.9, 3.2, 3.4])
        h = 1e-4
        stencil = (sol(inner - 2 * h) - 8 * sol(inner - h) + 8 * sol(inner + h) - sol(inner + 2 * h)) / (12 * h)
        assert_allclose(sol(inner, 1), stencil, atol=1e-10)
        slopes = [sol(inner + k * h, 1) for k in (-2, -1, 1, 2)]
        assert_allclose(sol(inner, 2), (slopes[0] - 8 * slopes[1] + 8 * slopes[2] - slopes[3]) / (12 * h), atol=1e-9)

    @pytest.mark.parametrize("activation", ["sigmoid", "tanh", "sin"])
    @pytest.mark.parametrize("nu", [3, 4, 5])
    def test_higher_ones_are_those_of_the_ones_below(self, activation, nu):
        """By central differences: the closed form has them all."""
        theta = np.random.default_rng(0).normal(size=(1, 9))
        sol = sm.Solution(np.array([0.0, 2.0]), np.ones((1, 1)), theta, Network(1, 3, activation))
        x, step = np.linspace(0.1, 1.9, 7), 1e-5
        differences = (sol(x + step, nu - 1) - sol(x - step, nu - 1)) / (2 * step)
        assert_allclose(sol(x, nu), differences, atol=1e-7)

    @pytest.mark.parametrize("nu", [-1, 1.5, "a", None])
    def test_others_are_refused(self, nu):
        with pytest.raises(ValueError, match="`nu` must be a non-negative integer"):
            random_solution()(1.5, nu)


class TestShapes:
    def test_number_and_arrays(self, solved):
        assert solved(0.5).shape == (2,)
        assert solved(np.float64(0.5), 2).shape == (2,)
        assert solved([0.5]).shape == (2, 1)
        assert solved(np.zeros(0)).shape == (2, 0)
        assert solved.error(0.5).shape == (2,)
        assert solved.error([0.5, 0.7, 0.9]).shape == (2, 3)

    def test_order_of_the_points_does_not_matter(self):
        sol = random_solution()
        x = np.linspace(1, 3.5, 50)
        shuffled = np.random.default_rng(1).permutation(50)
        assert_array_equal(sol(x[shuffled]), sol(x)[:, shuffled])

    @pytest.mark.parametrize("points", ["few", "many"])
    @pytest.mark.parametrize("x", [(1.0, 3.0, 3.5), (3.5, 3.0, 1.0)])
    def test_points_in_any_shape(self, x, points):
        sol = random_solution(x=x)
        sol = sm.Solution(
            sol.x, sol.y, sol.theta, sol.network, np.array(x), np.array([[0.0, 1.0, 3.0], [1.0, 5.0, 2.0]])
        )
        grid = np.linspace(0.9, 3.6, 24 if points == "few" else 24_000).reshape(4, -1, 3)
        one_by_one = sol(grid.ravel()).reshape(2, *grid.shape)
        for shaped in (grid, grid.transpose(2, 0, 1), grid[:, ::2], np.asfortranarray(grid)):
            assert sol(shaped).shape == sol.error(shaped).shape == sol(shaped, 4).shape == (2, *shaped.shape)
        assert_array_equal(sol(grid), one_by_one)
        assert_array_equal(sol(grid.transpose(2, 0, 1)), one_by_one.transpose(0, 3, 1, 2))
        assert_array_equal(sol.error(grid), sol.error(grid.ravel()).reshape(2, *grid.shape))
        for empty in ((0,), (3, 0), (0, 2)):
            assert sol(np.empty(empty)).shape == sol.error(np.empty(empty)).shape == (2, *empty)
        assert_allclose(sol.error(np.array(x))[0], [0.0, 1.0, 3.0])

    def test_components_and_span(self, solved):
        assert (solved.n, solved.span) == (2, (0.0, 2.0))
        assert random_solution(x=(3.5, 3.0, 1.0)).span == (3.5, 1.0)
        assert all(type(end) is float for end in solved.span)

    @pytest.mark.parametrize("x", ["a", [1j], [[0.5], [1.0, 2.0]], None])
    def test_bad_x(self, x):
        for call in (random_solution(), random_solution().error):
            with pytest.raises(ValueError, match="`x` must be a number or"):
                call(x)

    def test_initial_value_is_exact_to_the_bit(self, solved):
        assert_array_equal(solved(0.0), [0.0, 1.0])

    def test_outside_is_nan_unless_asked_for(self, solved):
        x = np.array([-0.1, 0.0, 2.0, 2.1])
        assert_array_equal(np.isnan(solved(x)), [[True, False, False, True]] * 2)
        assert_array_equal(np.isnan(solved.error(x)), [[True, False, False, True]] * 2)
        assert np.isnan(solved(-1.0)).all()
        assert_allclose(solved(2.01, extrapolate=True)[0], np.exp(-0.402) * np.sin(2.01), atol=1e-9)
        assert np.isfinite(solved(x, 1, extrapolate=True)).all()


class TestFiles:
    @pytest.mark.parametrize("activation", ["sigmoid", "tanh", "sin"])
    def test_round_trip_to_the_bit(self, activation, tmp_path):
        sol = random_solution(activation)
        path = tmp_path / "any name"
        sol.save(path)
        back = sm.Solution.load(path)
        x = np.linspace(1, 3.5, 101)
        for nu in (0, 1, 2):
            assert_array_equal(back(x, nu), sol(x, nu))
        assert np.isnan(back.error(x)).all()
        assert back.network == sol.network

    def test_error_estimate_is_saved(self, solved, tmp_path):
        solved.save(str(tmp_path / "sol.npz"))
        back = sm.Solution.load(str(tmp_path / "sol.npz"))
        x = np.linspace(0, 2, 77)
        assert_array_equal(back.error(x), solved.error(x))

    def test_other_files_are_refused(self, tmp_path):
        np.savez(tmp_path / "other.npz", a=1)
        (tmp_path / "text").write_text("hello")
        (tmp_path / "empty").write_bytes(b"")
        random_solution().save(tmp_path / "good")
        whole = (tmp_path / "good").read_bytes()
        (tmp_path / "short").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "flipped").write_bytes(whole[:200] + bytes([whole[200] ^ 255]) + whole[201:])
        with np.load(tmp_path / "good") as file:
            parts = dict(file)
        np.savez(tmp_path / "narrow.npz", **{**parts, "theta": parts["theta"][:, :5]})
        np.savez(tmp_path / "kind.npz", **{**parts, "network": np.array([2, 6, -1, 1])})
        for name in ("other.npz", "text", "empty", "short", "flipped", "narrow.npz", "kind.npz"):
            with pytest.raises(ValueError, match="`path` must name a file written by"):
                sm.Solution.load(tmp_path / name)
        with pytest.raises(FileNotFoundError):
            sm.Solution.load(tmp_path / "missing")

    def test_pickle_and_copy(self, solved):
        x = np.linspace(0, 2, 77)
        for back in (pickle.loads(pickle.dumps(solved)), copy.deepcopy(solved)):
            assert_array_equal(back(x), solved(x))
            assert_array_equal(back.error(x), solved.error(x))

    def test_repr(self, solved):
        assert repr(solved) == "<Solution of 2 equations on [0, 2]: 1 window, 40 hidden units (sigmoid)>"


def test_no_estimate_is_nan_not_zero():
    p = LAGARIS_4
    col = sm.Collocation(p.fun, p.span, p.y0)
    assert np.isnan(col.solution(col.initial()).error([0.0, 1.0])).all()


def test_help_shows_what_is_for_users():
    names = {name for name in dir(sm.Solution) if not name.startswith("_")}
    assert not names & {"at_windows", "window_values", "magnitude", "with_error", "constant"}
