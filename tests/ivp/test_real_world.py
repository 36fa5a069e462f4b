"""Right-hand sides as they are written: nothing moves at first, branches on exact zeros, tables, switches, noise."""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
import scipy.integrate
from numpy.testing import assert_allclose, assert_array_equal

import sigmode as sm
from sigmode import NeuralCollocation


def nodes_and_compiled(fun):
    return pytest.mark.parametrize("fun", [fun, numba.njit(fun)], ids=["plain", "compiled"])


def on_the_pad(t, y):
    thrust = 2000.0 * min(t / 0.05, 1.0) if t < 4.0 else 0.0
    a = max(thrust / 20.0 - 9.81, 0.0) if y[0] <= 0.0 else thrust / 20.0 - 9.81
    return y[1], a


@nodes_and_compiled(on_the_pad)
def test_a_rocket_that_has_not_ignited_yet_is_not_stepped_over(fun):
    res = scipy.integrate.solve_ivp(fun, (0, 600), [0.0, 0.0], method=NeuralCollocation, rtol=1e-6, atol=1e-9)
    assert res.success
    assert np.interp(4.0, res.t, res.y[1]) == pytest.approx(4 * 90.19, rel=0.02)


def lifts_off(t, y):
    return y[1], max(20.0 * t - 9.81, 0.0) if y[0] < 1e-3 else 20.0 * t - 9.81


@nodes_and_compiled(lifts_off)
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_what_is_at_rest_stays_exactly_there_until_it_moves(fun, rtol):
    res = scipy.integrate.solve_ivp(
        fun, (0, 2), [0.0, 0.0], method=NeuralCollocation, rtol=rtol, atol=1e-3 * rtol, dense_output=True
    )
    assert res.y.min() >= 0.0
    first = res.t[np.flatnonzero(res.y[1])[0] - 1]  # where the last step at rest ends
    assert_array_equal(res.sol(np.linspace(0.0, first, 50))[:, :-1], 0.0)


def branches_on_an_exact_zero(t, y):
    sideways = y[1] ** 2 + y[2] ** 2
    return -y[0], 0.3 if sideways != 0.0 else 0.0, y[1] * y[0]


@nodes_and_compiled(branches_on_an_exact_zero)
def test_differences_do_not_disturb_what_is_at_rest(fun):
    for solve in (scipy.integrate.solve_ivp, sm.solve_ivp):
        res = solve(fun, (0, 3), [1.0, 0.0, 0.0], method=NeuralCollocation)
        assert res.success
        assert_array_equal(res.y[1:], 0.0)
        assert res.nfev < 500


def starts_at_zero(t, y):  # a stiff chain whose later components are at rest at first, and do move
    return -1e4 * y[0] + 1e4 * (1.0 - y[0]), 1e4 * (y[0] - y[1]), 1e4 * y[1] - 2e4 * y[2]


@nodes_and_compiled(starts_at_zero)
def test_what_is_at_rest_at_first_may_move(fun):
    res = sm.solve_ivp(fun, (0, 1), [0.0, 0.0, 0.0], rtol=1e-6, atol=1e-9)
    assert res.success
    assert_allclose(res.y[:, -1], [0.5, 0.5, 0.25], rtol=1e-6)


@pytest.mark.parametrize("solver", [scipy.integrate.RK45, NeuralCollocation])
@pytest.mark.parametrize("compiled", [False, True])
def test_users_who_drive_the_solver_may_move_its_end(solver, compiled):
    fun = lambda t, y: -2.0 * y
    driven = solver(numba.njit(fun) if compiled else fun, 0.0, [1.0], 0.25, rtol=1e-8, atol=1e-10)
    seen = []
    for bound in (0.25, 0.5, 2.0):
        driven.t_bound, driven.status = bound, "running"
        while driven.status == "running":
            driven.step()
        seen.append(driven.t)
        assert driven.y[0] == pytest.approx(math.exp(-2.0 * bound), rel=1e-7)
    assert seen == [0.25, 0.5, 2.0]


def test_one_equation_may_return_a_list_of_an_array():
    for solve in (scipy.integrate.solve_ivp, sm.solve_ivp):
        res = solve(lambda t, y: [-2.0 * y], (0, 1), [1.0], method=NeuralCollocation)
        assert_allclose(res.y[0, -1], math.exp(-2.0), rtol=1e-3)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
def test_relative_tolerances_alone_give_the_digits_of_what_is_tiny(rtol, compiled):
    fun = lambda t, y: -3.0 * y
    for solve in (scipy.integrate.solve_ivp, sm.solve_ivp):
        res = solve(numba.njit(fun) if compiled else fun, (0, 30), [1.0], method=NeuralCollocation, rtol=rtol, atol=0.0)
        assert res.success
        assert_allclose(res.y[0, -1], math.exp(-90.0), rtol=10 * rtol)
