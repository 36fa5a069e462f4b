"""The second march for all windows at once, and what else plain f is spared."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

import sigmode as sm
from sigmode.compiled.kinks import first_that_leaves, leaves
from sigmode.ivp import error, together
from sigmode.trial.windows import values_and_slopes
from sigmode.user.field import VectorField


def lotka_volterra(t, y):
    return np.array([1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]])


def kepler(t, y):
    cube = (y[0] ** 2 + y[1] ** 2) ** 1.5
    return [y[2], y[3], -y[0] / cube, -y[1] / cube]


def switched(t, y):
    return [np.where(t < 1.3, -y[0], 1.0 - y[0])]


def late(t, y):
    """At rest at first."""
    return [np.where(t < 1.0, 0.0, 1.0), -y[0]]


PROBLEMS = {
    "Lotka-Volterra": (lotka_volterra, (0, 15), [10.0, 5.0]),
    "Kepler": (kepler, (0, 12), [0.9, 0.0, 0.0, 1.1]),
    "backward": (lotka_volterra, (3, -4), [1.0, 2.0]),
    "stiff": (lambda t, y: -1e4 * (y - np.sin(t)), (0, 6), [0.0]),
    "a jump": (switched, (0, 4), [1.0]),
    "at rest": (late, (0, 4), [0.0, 0.0]),
}


def estimates(sol, fun, n, tol):
    """The estimated error by both ways, and the field of the first."""
    field, apart = VectorField(fun, n, float, False), VectorField(fun, n, float, False)
    field.nodes(*(np.ones(shape) for shape in (3, (3, n), (3, n))))
    apart._whole = False
    atol = tol * np.ones(n)
    assert field.at_once
    found = [error.global_error(sol, each, atol, atol, np.ones(n)) for each in (field, apart)]
    return *found, field


@pytest.mark.parametrize("tol", [1e-4, 1e-8])
@pytest.mark.parametrize("name", PROBLEMS)
def test_all_windows_at_once_and_one_after_the_other_agree(name, tol):
    fun, span, y0 = PROBLEMS[name]
    sol = sm.solve_ivp(fun, span, y0, rtol=tol, atol=tol).sol
    one, other, _ = estimates(sol, fun, len(y0), tol)
    assert_allclose(one.x, other.x, rtol=1e-15)
    assert_allclose(one.error, other.error, atol=0.02 * tol)
    assert_allclose(one.gap, other.gap, atol=0.02 * tol)
    assert_allclose(one.size, other.size, rtol=1e-12, atol=1e-13)
    assert one.longest == other.longest


def test_f_is_called_a_few_times_for_the_whole_estimate():
    calls = []

    def fun(t, y):
        calls.append(np.ndim(t))
        return lotka_volterra(t, y)

    sol = sm.solve_ivp(lotka_volterra, (0, 15), [10.0, 5.0], rtol=1e-6, atol=1e-6).sol
    field = VectorField(fun, 2, float, False)
    field._whole, field._turn = True, 1
    error.global_error(sol, field, 1e-6 * np.ones(2), 1e-6 * np.ones(2), np.ones(2))
    assert len(sol.h) > 20
    assert len(calls) < 8


def test_what_newton_does_not_find_at_once_is_looked_for_window_by_window(monkeypatch):
    monkeypatch.setattr(together, "_MOST_SWEEPS", 1)
    sol = sm.solve_ivp(lotka_volterra, (0, 15), [10.0, 5.0], rtol=1e-6, atol=1e-6).sol
    one, other, _ = estimates(sol, lotka_volterra, 2, 1e-6)
    assert_allclose(one.error, other.error, atol=1e-10)


def test_blocks_of_windows_are_joined(monkeypatch):
    sol = sm.solve_ivp(lotka_volterra, (0, 15), [10.0, 5.0], rtol=1e-6, atol=1e-6).sol
    whole, _, _ = estimates(sol, lotka_volterra, 2, 1e-6)
    monkeypatch.setattr(together, "_AT_ONCE", 100)
    parts, _, _ = estimates(sol, lotka_volterra, 2, 1e-6)
    assert_allclose(parts.error, whole.error, atol=1e-10)


def test_numbers_among_rows():
    """A list of arrays and numbers, as of a body that falls, is no array, but says what f is at all points."""
    fall = lambda t, y: [y[2], y[3], 0, -9.81]
    solver = sm.NeuralCollocation(fall, 0.0, [0.0, 0.0, 50.0, 50.0], 10.0)
    while solver.status == "running":
        solver.step()
    assert solver.field._whole
    assert_allclose(solver.y, [500.0, 500.0 - 0.5 * 981.0, 50.0, 50.0 - 98.1], rtol=1e-5)


def test_numbers_only():
    field = VectorField(lambda t, y: [2, -9.81], 2, float, False)
    K = np.empty((3, 2))
    field.nodes(np.arange(3.0), np.ones((3, 2)), K)
    assert field.at_once
    assert_allclose(K, [[2.0, -9.81]] * 3, rtol=0)


@pytest.mark.parametrize("y0", [[1.0, 0.5], [1.0 + 1j, 0.5]])
@pytest.mark.parametrize("span", [(0, 5), (5, 0)])
def test_a_march_read_in_order(y0, span):
    sol = sm.solve_ivp(lambda t, y: [y[1], -y[0]], span, y0, rtol=1e-7, atol=1e-7).sol
    t = np.linspace(*span, 301)
    values, slopes = values_and_slopes(sol, t)
    assert_allclose(values.T, sol(t), rtol=1e-13, atol=1e-13)
    assert_allclose(slopes.T, sol(t, 1), rtol=1e-11, atol=1e-11)


def test_looks_for_kinks_from_python_and_from_compiled_code_agree():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        s, n = rng.integers(4, 25), rng.integers(1, 5)
        t = np.sort(rng.random(s))
        slopes = np.sin(3.0 * t)[:, None] * rng.normal(size=n)
        slopes[rng.integers(0, s) :] += rng.normal(size=n) * 10.0 ** rng.integers(-6, 1)
        weight = 10.0 ** rng.integers(-8, -2) * np.ones(n)
        at = leaves(t, slopes, weight, 1.0)
        found += at >= 0
        assert first_that_leaves(t, slopes, weight, 1.0) == (None if at < 0 else at)
    assert found > 30


def test_columns_of_many_equations_are_one_call():
    calls = []

    def fun(t, y):
        calls.append(np.ndim(t))
        return -(np.arange(1.0, 31.0) * y.T).T

    field = VectorField(fun, 30, float, False)
    field._whole, field._turn = True, 1
    y = np.ones(30)
    df_dy = field.jacobian(0.0, y, fun(0.0, y), np.zeros(30), np.ones(30))
    assert_allclose(df_dy, -np.diag(np.arange(1.0, 31.0)), atol=1e-6)
    assert calls == [0, 1]


def test_as_in_scipys_loop():
    own = sm.solve_ivp(kepler, (0, 12), [0.9, 0.0, 0.0, 1.1], rtol=1e-8, atol=1e-10, error_control="local")
    scipys = solve_ivp(
        kepler, (0, 12), [0.9, 0.0, 0.0, 1.1], method=sm.NeuralCollocation, rtol=1e-8, atol=1e-10, dense_output=True
    )
    t = np.linspace(0, 12, 100)
    assert_allclose(own.sol(t), scipys.sol(t), rtol=1e-13, atol=1e-13)
