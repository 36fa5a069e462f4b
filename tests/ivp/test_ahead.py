"""In SciPy's loop the march of a compiled f is some windows ahead of the steps: nobody may notice."""

import math

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp

import sigmode as sm
from sigmode.ivp.ahead import Ahead


def oscillator(t, y):
    return (y[1], -y[0])


compiled = numba.njit(oscillator)


@numba.njit
def raises_late(t, y):
    if t > 20.0:
        raise ValueError("too late")
    return (y[1], -y[0])


@numba.njit
def not_finite_late(t, y):
    return (y[1], math.nan if t > 20.0 else -y[0])


def at_12(t, y):
    return t - 12.0


at_12.terminal = True


def solve(fun, span=(0, 40), **options):
    return solve_ivp(fun, span, [1.0, 0.0], method=sm.NeuralCollocation, rtol=1e-7, atol=1e-9, **options)


def windows_fetched(monkeypatch):
    fetched = []
    original = Ahead._with_steps
    monkeypatch.setattr(
        Ahead, "_with_steps", lambda self, arrays: fetched.append(len(arrays[0])) or original(self, arrays)
    )
    return fetched


def test_it_is_ahead_by_what_was_used(monkeypatch):
    fetched = windows_fetched(monkeypatch)
    res = solve(compiled, (0, 200), dense_output=True)
    assert fetched[:4] == [1, 2, 4, 8]
    assert max(fetched) <= 16
    t = np.linspace(0, 200, 999)
    assert_allclose(res.sol(t)[0], np.cos(t), atol=2e-6)
    assert_allclose(res.sol(res.t), res.y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"dense_output": True}, {"t_eval": [3.0, 17.0]}, {"substeps": 1}])
def test_as_plain_f(options):
    ahead, plain = solve(compiled, **options), solve(oscillator, **options)
    assert ahead.t[-1] == plain.t[-1]
    assert_allclose(ahead.y[:, -1], plain.y[:, -1], atol=1e-7)


@pytest.mark.parametrize("fun", [raises_late, not_finite_late])
def test_what_comes_behind_a_terminal_event_does_not_count(fun):
    res = solve(fun, events=at_12)
    assert (res.status, res.t[-1]) == (1, pytest.approx(12.0))
    assert_allclose(res.y[0, -1], math.cos(12.0), atol=1e-6)


def test_what_f_raises_comes_after_the_windows_before_it():
    seen = []
    with pytest.raises(ValueError, match="too late"):
        solve(raises_late, events=lambda t, y: seen.append(t) or 1.0)
    assert 15.0 < max(seen) <= 20.0


def test_a_failure_comes_after_the_windows_before_it():
    res = solve(not_finite_late)
    assert res.status == -1
    assert "not finite" in res.message
    assert 15.0 < res.t[-1] <= 20.0


@pytest.mark.parametrize("bound", [7.5, 30.0, 90.0])
def test_the_end_may_be_moved_by_hand(bound):
    solver = sm.NeuralCollocation(compiled, 0.0, [1.0, 0.0], 40.0, rtol=1e-7, atol=1e-9)
    while solver.t < 6.0:
        solver.step()
    at = solver.t
    solver.t_bound = bound
    while solver.status == "running":
        solver.step()
        assert solver.t > at
    assert solver.t == bound
    assert_allclose(solver.y, [math.cos(bound), -math.sin(bound)], atol=2e-6)


def test_the_same_bits_every_time():
    first, second = (solve(compiled, (0, 50), dense_output=True) for _ in range(2))
    assert_array_equal(first.y, second.y)
    assert_array_equal(first.sol(np.linspace(0, 50, 77)), second.sol(np.linspace(0, 50, 77)))
    assert first.nfev == second.nfev


@pytest.mark.parametrize("call", [1, 5, 38, 39, 90])
def test_a_step_that_was_interrupted_is_taken_again(call):
    calls = []

    def watched(t, y):
        calls.append(t)
        if len(calls) == call + 20:
            raise KeyboardInterrupt
        return np.array(oscillator(t, y))

    solver = sm.NeuralCollocation(watched, 0.0, [1.0, 0.0], 10.0, rtol=1e-7, atol=1e-9)
    interrupted = 0
    while solver.status == "running":
        try:
            solver.step()
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted == 1
    assert_allclose(solver.y, [math.cos(10.0), -math.sin(10.0)], atol=2e-6)


def to_the_end(solver):
    while solver.status == "running":
        solver.step()


def test_the_end_may_be_moved_before_what_f_raises():
    solver = sm.NeuralCollocation(raises_late, 0.0, [1.0, 0.0], 40.0, rtol=1e-7, atol=1e-9)
    for _ in range(2):
        with pytest.raises(ValueError, match="too late"):
            to_the_end(solver)
    at = solver.t
    solver.t_bound = 0.5 * (at + 20.0)
    to_the_end(solver)
    assert solver.t == solver.t_bound
    assert_allclose(solver.y, [math.cos(solver.t), -math.sin(solver.t)], atol=2e-6)
