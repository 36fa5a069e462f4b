"""Broyden's update by stored steps against one with matrices."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

import sigmode as sm
from sigmode.ivp.secants import Secants

RNG = np.random.default_rng(0)


def test_steps_are_those_of_broydens_good_update():
    n = 6
    matrix, weight = RNG.normal(size=(n, n)) + 4.0 * np.eye(n), RNG.uniform(0.5, 2.0, size=(n, 1))
    gap = lambda y: matrix @ y + np.sin(y) - 1.0  # its Jacobian is not `matrix`
    y, other = np.zeros((n, 1)), np.zeros((n, 1))
    inverse, secants, B = np.linalg.inv(matrix), Secants(weight), matrix.copy()
    for _ in range(6):
        step, change = secants.corrected(-inverse @ gap(y), -2.0 * inverse @ gap(y))
        assert_allclose(change, 2.0 * step, rtol=1e-10)  # the same is done to both
        expected = -np.linalg.solve(B, gap(other))
        assert_allclose(step, expected, rtol=1e-7, atol=1e-14)
        y = y + step
        before, other = gap(other), other + expected
        v = expected / weight**2
        B += (gap(other) - before - B @ expected) @ v.T / (v.T @ expected)


def test_steps_beyond_all_measure_are_left_as_they_are():
    secants = Secants(np.array([[1e-300, 1.0]]))
    for step in (np.array([[1e-10, 1.0]]), np.array([[0.0, 1.0]]), np.array([[0.0, 0.5]])):
        found, change = secants.corrected(step, step)
        assert np.isfinite(found).all()
        assert np.array_equal(found, change)
    assert np.array_equal(found, [[0.0, 1.0]])  # 0.5, half of the step before: as much again is still to come


def brusselator(t, w):
    n = len(w) // 2
    u, v = np.append(np.append(1.0, w[:n]), 1.0), np.append(np.append(3.0, w[n:]), 3.0)
    reaction = u[1:-1] ** 2 * v[1:-1]
    diffusion = 0.02 * (n + 1) ** 2 * np.array([np.diff(u, 2), np.diff(v, 2)])
    return np.append(1.0 + reaction - 4.0 * u[1:-1] + diffusion[0], 3.0 * u[1:-1] - reaction + diffusion[1])


def test_fewer_sweeps_of_many_equations(monkeypatch):
    x = np.arange(1, 21) / 21.0
    y0 = np.append(1.0 + np.sin(2.0 * np.pi * x), 3.0 + 0.0 * x)
    solved = lambda: sm.solve_ivp(brusselator, (0, 10), y0, rtol=1e-6, atol=1e-8, error_control="local")
    with_secants = solved()
    monkeypatch.setattr(Secants, "corrected", lambda self, *step: step)
    without = solved()
    assert_allclose(with_secants.y[:, -1], without.y[:, -1], rtol=1e-6, atol=1e-8)
    assert with_secants.nfev < 0.95 * without.nfev


@pytest.mark.parametrize("equations", [2, 12])
def test_df_dy_is_made_once_at_a_place(equations):
    at = []

    def jac(t, y):
        at.append(t)
        return np.diag(-3.0 * y**2)

    res = solve_ivp(
        lambda t, y: 100.0 * math.cos(20.0 * t) - y**3, (0, 3), np.zeros(equations), method=sm.NeuralCollocation,
        jac=jac, first_step=2.0, rtol=1e-6, atol=1e-8,
    )  # fmt: skip
    assert res.success
    assert len(at) > 3
    assert len(set(at)) == len(at)
