"""Roots and extrema: against problems with closed forms, and against a dense search along random networks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import PPoly
from scipy.optimize import brentq

import sigmode as sm
from sigmode.trial.form import FORMS
from sigmode.trial.network import Network


def circle(span):
    y0 = [np.sin(span[0]), np.cos(span[0])]
    return sm.solve_ivp(lambda t, y: [y[1], -y[0]], span, y0, rtol=1e-12, atol=1e-12).sol


def integrated(slope, y0, span=(0, 3)):
    """The solution of y' = slope(t)."""
    return sm.solve_ivp(lambda t, y: [slope(t)], span, [y0], rtol=1e-12, atol=1e-12).sol


def random_solution(activation, slope, x, form=(1, "initial"), seed=0):
    net = Network(2, 6, activation, True)
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(len(x) - 1, net.n_theta))
    theta[:, :6] *= slope
    theta[:, 6:12] = -theta[:, :6] * rng.uniform(-0.1, 1.1, (len(theta), 6))
    y, second = rng.normal(size=(2, len(theta), 2))
    sol = sm.Solution(np.array(x), y, theta, net, form=FORMS[form], second=second)
    for k in range(1, len(theta)):  # continuous: y + N at the end of the window before
        y[k] = y[k - 1] + net.derivative(theta[k - 1], np.ones(1), 0)[:, 0]
    return sol


@pytest.mark.parametrize("span", [(0.0, 100.0), (100.0, 0.0), (1.0, 50.0)])
def test_of_a_circle(span):
    sol = circle(span)
    lo, hi = sorted(span)
    multiples = np.pi * np.arange(40)
    for k, shift in ((0, 0.0), (1, np.pi / 2)):
        expected = multiples + shift
        found = sol.roots(component=k)  # the one at zero is lost or not by an error of 1e-14
        assert_allclose(
            found[found > 1e-3], expected[(expected > 1e-3) & (expected >= lo) & (expected <= hi)], rtol=1e-12
        )
    expected = np.sort(np.concatenate([2 * multiples + np.arcsin(0.3), 2 * multiples + np.pi - np.arcsin(0.3)]))
    assert_allclose(sol.roots(0.3), expected[(expected >= lo) & (expected <= hi)], rtol=1e-12)
    assert sol.roots(1.5).shape == (0,)
    assert_allclose(sol.maximum().y, 1.0, rtol=1e-12)
    assert_allclose(sol.minimum(1).y, -1.0, rtol=1e-12)
    for found, k, shift in ((sol.maximum(), 0, 0.25), (sol.minimum(), 0, 0.75), (sol.minimum(1), 1, 0.5)):
        assert type(found.x) is type(found.y) is float
        assert_allclose((found.x / (2 * np.pi) - shift + 0.5) % 1.0 - 0.5, 0.0, rtol=0, atol=1e-11)
        assert_allclose(found.y, sol(found.x)[k], rtol=1e-14)


def test_a_root_is_a_change_of_sign_between_neighbouring_numbers():
    sol = circle((1.0, 50.0))
    x = sol.roots(0.3)
    before, after = sol(x * (1 - 2e-15)) - 0.3, sol(x * (1 + 2e-15)) - 0.3
    assert (before[0] * after[0] <= 0).mean() > 0.9  # up to the rounding of y
    assert abs(sol(x)[0] - 0.3).max() < 1e-14


@pytest.mark.parametrize("x", [(1.0, 3.0, 3.5), (3.5, 3.0, 1.0)])
@pytest.mark.parametrize(("activation", "slope"), [
    ("sigmoid", 8.0), ("tanh", 8.0), ("sin", 8.0), ("sigmoid", 300.0), ("tanh", 100.0), ("sin", 60.0),
])  # fmt: skip
def test_none_is_missed(activation, slope, x):
    for seed in range(2):
        sol = random_solution(activation, slope, x, seed=seed)
        dense = np.linspace(1.0, 3.5, 50_001)
        for k in (0, 1):
            values = sol(dense)[k]
            for value in np.quantile(values, (0.02, 0.31, 0.5, 0.83)) + 1e-7:
                at = np.flatnonzero((values[:-1] - value) * (values[1:] - value) < 0)
                off = lambda t, k=k, value=value, sol=sol: sol(t)[k] - value
                one_by_one = [brentq(off, dense[i], dense[i + 1], xtol=1e-15, rtol=1e-15) for i in at]
                found = sol.roots(value, k)
                assert (np.diff(found) > 0).all()
                assert_allclose(found, one_by_one, rtol=1e-11)
            for found, sign in ((sol.minimum(k), 1), (sol.maximum(k), -1)):
                assert sign * found.y <= (sign * values).min() + 1e-14
                assert_allclose(found.y, sign * (sign * values).min(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_of_every_form(form):
    sol = random_solution("sigmoid", 8.0, (1.0, 3.0), form)
    dense = np.linspace(1.0, 3.0, 100_001)
    values = sol(dense)[0]
    value = np.quantile(values, 0.4) + 1e-7
    signs = (values[:-1] - value) * (values[1:] - value) < 0
    assert_allclose(sol.roots(value), dense[:-1][signs], rtol=0, atol=3e-5)
    assert_allclose([sol.minimum().y, sol.maximum().y], [values.min(), values.max()], rtol=1e-7)


class TestTouching:
    """What is seen of double roots depends on rounding: (t - 1)**2 is 1e-16 at a distance of 1e-8."""

    def test_double(self):
        sol = integrated(lambda t: 2 * (t - 1), 1.0)
        assert_allclose(sol.roots(), [1.0], rtol=0, atol=1e-7)
        assert_allclose(sol.roots(1e-6), [1 - 1e-3, 1 + 1e-3], rtol=0, atol=1e-9)
        assert_allclose(sol.roots(1e-12), [1 - 1e-6, 1 + 1e-6], rtol=0, atol=1e-8)
        assert sol.roots(-1e-12).size == 0
        assert_allclose(sol.minimum(), (1.0, 0.0), rtol=0, atol=1e-11)
        assert_allclose(sol.maximum(), (3.0, 4.0), rtol=0, atol=1e-12)

    def test_of_third_and_fourth_order(self):
        assert_allclose(integrated(lambda t: 3 * (t - 1) ** 2, -1.0).roots(), [1.0], rtol=0, atol=1e-4)
        assert_allclose(integrated(lambda t: 4 * (t - 1) ** 3, 1.0).roots(), [1.0], rtol=0, atol=1e-3)

    def test_at_the_ends(self):
        assert_allclose(integrated(lambda t: 2 * t, 0.0).roots(), [0.0], rtol=0, atol=1e-7)
        assert_allclose(integrated(lambda t: 1.0, -3.0).roots(), [3.0], rtol=1e-14)
        assert_allclose(integrated(lambda t: 1.0, 0.0, (3, 1)).roots(), [3.0], rtol=1e-14)


def test_what_stays_at_the_value_is_nan_from_there_on():
    """As PPoly has it: the start of the stretch, and NaN."""
    sol = sm.solve_ivp(lambda t, y: [0.0, y[0]], (0, 3), [1.0, -2.0], rtol=1e-9, atol=1e-9).sol
    assert_array_equal(sol.roots(1.0), [0.0, np.nan])
    assert_array_equal(PPoly([[0.0]], [0.0, 3.0]).roots(), [0.0, np.nan])
    assert sol.roots(0.0).size == 0
    assert_allclose(sol.roots(0.0, 1), [2.0], rtol=1e-14)
    settled = sm.solve_ivp(lambda t, y: -1e4 * (y - 1), (0, 3), [2.0], rtol=1e-8, atol=1e-8).sol
    first, nan = settled.roots(1.0)
    assert 1e-3 < first < 5e-3
    assert np.isnan(nan)
    backwards = sm.solve_ivp(lambda t, y: [0.0], (3, 0), [1.0]).sol
    assert_array_equal(backwards.roots(1.0), [0.0, np.nan])
    assert backwards.minimum() == (3.0, 1.0)


def test_what_decays_never_vanishes():
    sol = sm.solve_ivp(lambda t, y: -y, (0, 100), [2.0], rtol=1e-8, atol=0).sol
    assert sol.roots().size == 0
    assert_allclose(sol.roots(1e-30), [np.log(2e30)], rtol=1e-9)
    assert_allclose(sol.minimum(), (100.0, 2 * np.exp(-100)), rtol=1e-6)


def test_where_the_derivative_jumps():
    """abs(t - 1) is smallest at its kink, where no derivative is zero."""
    sol = sm.solve_ivp(lambda t, y: [1.0 if t > 1 else -1.0], (0, 3), [1.0], breaks=[1.0], rtol=1e-9, atol=1e-9).sol
    assert_allclose(sol.minimum(), (1.0, 0.0), rtol=0, atol=1e-8)
    assert_allclose(sol.roots(0.5), [0.5, 1.5], rtol=1e-8)


def test_a_trained_solution_of_second_order():
    """y'' = -y between y(0) = 0 and y(5) = sin 5."""
    col = sm.Collocation(lambda x, y, dy: -y, (0, 5), ([0.0], [np.sin(5)]), order=2, conditions="two-point")
    sol = sm.train(col, tol=1e-8).sol
    assert_allclose(sol.roots(), [0.0, np.pi], rtol=0, atol=1e-8)
    assert_allclose(sol.maximum(), (np.pi / 2, 1.0), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("value", "component", "kind", "message"), [
    ("a", 0, TypeError, "`value` must be a number"), (np.nan, 0, ValueError, "`value` must be finite, got nan"),
    (1j, 0, TypeError, "`value` must be a number"), (0.0, 2, ValueError, "`component` must be from 0 to 1, got 2"),
    (0.0, -1, ValueError, "`component` must be from 0 to 1, got -1"),
    (0.0, 0.5, TypeError, "`component` must be an integer, got 0.5"), (0.0, None, TypeError, "`component` must be an"),
])  # fmt: skip
def test_bad_arguments(value, component, kind, message):
    sol = random_solution("sigmoid", 4.0, (1.0, 3.0))
    with pytest.raises(kind, match=message):
        sol.roots(value, component)
    if value == 0.0:
        for search in (sol.minimum, sol.maximum):
            with pytest.raises(kind, match=message):
                search(component)


def test_complex_solutions_have_no_order():
    sol = sm.solve_ivp(lambda t, y: 1j * y, (0, 1), [1.0 + 0j]).sol
    for search in (sol.roots, sol.minimum, sol.maximum):
        with pytest.raises(ValueError, match="complex"):
            search()
