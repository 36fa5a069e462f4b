"""Kinks at even distances are foreseen: where they are expected, for how long, and what that saves."""

import math

import numba
import numpy as np
import pytest
import scipy.integrate
from numpy.testing import assert_allclose

import sigmode as sm
from sigmode import NeuralCollocation
from sigmode.ivp.foreseen import Foreseen


def located(*times, uncertain=0.0):
    """What is foreseen after these kinks, each of them located by a march at the one before."""
    foreseen = Foreseen()
    for before, at in zip((times[0] - 1.0, *times[:-1]), times, strict=True):
        foreseen.add(at, uncertain, 0.0, before)
    return foreseen


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_three_even_kinks_foresee_the_next_one(sign):
    assert located(sign * 0.1, sign * 0.2).ahead(sign * 0.2)[0] == math.inf
    foreseen = located(sign * 0.1, sign * 0.2, sign * 0.3)
    assert foreseen.ahead(sign * 0.3)[0] == pytest.approx(sign * 0.4)
    assert foreseen.ahead(sign * 0.35)[0] == pytest.approx(sign * 0.4)
    assert foreseen.ahead(foreseen.ahead(sign * 0.35)[0])[0] == pytest.approx(sign * 0.5)


def test_uneven_kinks_foresee_nothing():
    assert located(0.1, 0.2, 0.3001).ahead(0.3001)[0] == math.inf
    assert located(0.1, 0.2, 0.3001, uncertain=1e-4).ahead(0.3001)[0] < 0.5
    so_uncertain_that_all_are_even = located(0.1, 0.2, 0.31, uncertain=1e-2)
    assert so_uncertain_that_all_are_even.ahead(0.31)[0] == math.inf


def test_a_kink_at_zero_may_be_a_rounding_error_off():
    assert located(-0.3, -0.2, -0.1, 3e-17).ahead(3e-17)[0] == pytest.approx(0.1)
    foreseen = located(-0.3, -0.2, -0.1)
    assert foreseen.ahead(-0.1)[0] == pytest.approx(0.0, abs=1e-15)


def test_others_may_lie_between():
    assert located(0.1, 0.163, 0.2, 0.247, 0.3).ahead(0.3)[0] == pytest.approx(0.4)


def test_two_trains_are_followed_at_once():
    foreseen = located(0.0, 0.3, 1.0, 1.3, 2.0, 2.3)
    assert foreseen.ahead(2.3)[0] == pytest.approx(3.0)
    assert foreseen.ahead(3.0)[0] == pytest.approx(3.3)


def test_the_same_kink_located_again_counts_once():
    foreseen = Foreseen()
    for at in (0.1, 0.1 + 1e-9, 0.1 + 2e-9):
        foreseen.add(at, 0.0, 0.0, 0.0)
    assert foreseen.ahead(0.1 + 2e-9)[0] == math.inf
    assert located(0.1, 0.1, 0.1, 0.1).ahead(0.1)[0] == math.inf


def test_now_and_then_a_kink_is_looked_for():
    """After two that were taken for granted, and twice as many each time that it is there."""
    foreseen, granted, runs = located(0.0, 1.0, 2.0), 0, []
    t = 2.0
    for _ in range(40):
        at = foreseen.ahead(t)[0]
        if at == math.inf:
            runs.append(granted)
            granted, at = 0, round(t) + 1.0
            foreseen.add(at, 0.0, 0.0, t)
        else:
            granted += 1
        t = at
    assert runs == [2, 4, 8, 16]


def test_kinks_that_have_ceased_are_no_longer_foreseen():
    foreseen = located(0.0, 1.0, 2.0)
    assert [foreseen.ahead(t)[0] for t in (2.0, 3.0, 4.0, 5.5, 6.5, 7.5)] == [3.0, 4.0, *[math.inf] * 4]
    foreseen.add(9.0, 0.0, 0.0, 8.5)  # and this one is at the same distances
    assert foreseen.ahead(9.0)[0] == 10.0


def test_kinks_that_were_foreseen_wrongly_four_times_are_given_up():
    foreseen = located(0.0, 1.0, 2.0)
    assert [foreseen.ahead(t)[0] for t in (2.0, 3.0, 4.0)] == [3.0, 4.0, math.inf]
    foreseen.add(5.0, 0.0, 0.0, 4.0)
    for at, off in (6.0, -1e-3), (7.0, 2e-3), (8.0, 1e-2), (9.0, -5e-3):
        assert foreseen.ahead(at - 0.5)[0] == at
        foreseen.add(at + off, 0.0, 0.0, at - 0.5)
    foreseen.add(10.0, 0.0, 0.0, 9.5)
    assert foreseen.ahead(10.0)[0] == math.inf


STEPS = np.random.default_rng(5).normal(size=101)


def pulses(t, y):
    """Thirty percent of each second."""
    return (-y[0] + (1.0 if t - np.floor(t) < 0.3 else 0.0),)


def pulses_at(t):
    """y(t) for y(0) = 0, pulse by pulse; t : an integer."""
    y = 0.0
    for _ in range(t):
        y = (1.0 + (y - 1.0) * math.exp(-0.3)) * math.exp(-0.7)
    return y


@pytest.mark.parametrize("solve", [scipy.integrate.solve_ivp, sm.solve_ivp])
@pytest.mark.parametrize("compiled", [False, True])
def test_regular_pulses_cost_little(solve, compiled):
    fun = numba.njit(pulses) if compiled else pulses
    res = solve(fun, (0, 20), [0.0], method=NeuralCollocation, rtol=1e-6, atol=1e-9)
    assert res.success
    assert_allclose(res.y[0, -1], pulses_at(20), rtol=1e-6)
    # Each of 40 jumps was located before: 341 and 431 calls with plain f.
    assert compiled or res.nfev < 40 * (200 if solve is scipy.integrate.solve_ivp else 310)


@pytest.mark.parametrize("kind", ["complex", "backwards", "many equations"])
def test_other_ways_of_marching_foresee_kinks_too(kind):
    calls = [0]

    def fun(t, y):
        calls[0] += 1
        return -y + STEPS[int(np.floor(10.0 * t + 1e-9)) % 100]

    n, span, y0 = (40 if kind == "many equations" else 1), (0.0, 4.0), 0.0
    if kind == "backwards":
        span = 4.0, 0.0
    start = np.full(n, y0 + 0j if kind == "complex" else y0)
    res = sm.solve_ivp(fun, span, start, rtol=1e-6, atol=1e-9)
    exact, h = 0.0, 0.1 * np.sign(span[1] - span[0])
    for k in range(40) if h > 0 else reversed(range(40)):
        exact = (exact - STEPS[k]) * math.exp(-h) + STEPS[k]
    assert res.success
    assert_allclose(res.y[:, -1], exact, rtol=1e-6)
    assert kind == "many equations" or calls[0] < 40 * 190  # 300 when each jump was located


def solved_in_steps(at, values, end, rtol, start=0.0):
    """The result for y' = -y + the value that is held, y = 0.5 at first, and the exact y at the jumps `at`."""
    res = sm.solve_ivp(
        lambda t, y: -y + values[np.searchsorted(at, t, side="right")], (start, end), [0.5], rtol=rtol, atol=rtol
    )
    exact = [0.5]
    for h, value in zip(np.diff([start, *at]), values[:-1], strict=True):
        exact.append((exact[-1] - value) * math.exp(-h) + value)
    return res, np.array(exact[1:])


@pytest.mark.parametrize(("start", "early", "rtol"), [(1.7e9, 2e-4, 1e-6), (1.7e9, 1e-5, 1e-6), (1e6, 1e-7, 1e-9)])
def test_a_jump_that_is_not_where_it_was_foreseen(start, early, rtol):
    """By less than the room that is kept clear of it; times are so large that much happens between two of them."""
    at = start + np.arange(1.0, 31.0)
    at[12] -= early
    values = np.arange(31.0) % 2.0
    res, exact = solved_in_steps(at, values, start + 31.0, rtol, start)
    assert res.success
    assert_allclose(res.sol(at)[0], exact, rtol=rtol, atol=rtol)
    later = at[:, None] + np.linspace(0.0, 1500.0, 31) * np.spacing(start)
    behind = (exact - values[1:])[:, None] * np.exp(at[:, None] - later) + values[1:, None]
    assert_allclose(res.sol(later.ravel())[0].reshape(later.shape), behind, rtol=2 * rtol, atol=2 * rtol)


@pytest.mark.parametrize("rtol", [1e-3, 1e-4])
def test_where_times_are_coarse_nothing_is_foreseen(rtol):
    """40000 floating-point numbers in a period: to keep 4000 of them clear of each jump would be seen."""
    start, period = 1.7e9, 0.01
    at, values = start + period * np.arange(1, 31), np.arange(31) % 2
    fun = lambda t, y: (-y + values[np.searchsorted(at, t, side="right")]) / period
    res = sm.solve_ivp(fun, (start, start + 31 * period), [0.5], rtol=rtol, atol=rtol)
    exact = [0.5]
    for h, value in zip(np.diff([start, *at]), values[:-1], strict=True):
        exact.append((exact[-1] - value) * math.exp(-h / period) + value)
    assert res.success
    assert_allclose(res.sol(at)[0], exact[1:], rtol=rtol, atol=rtol)


def test_jitter_makes_nothing_dearer():
    rng = np.random.default_rng(0)
    at, values = np.arange(1, 60) + 1e-9 * rng.uniform(-1, 1, 59), rng.normal(size=60)
    res, exact = solved_in_steps(at, values, 60.0, 1e-8)
    assert res.success
    assert_allclose(res.sol(at)[0], exact, rtol=1e-8, atol=1e-8)
    assert res.nfev < 60 * 1000  # 3500 where such distances were taken for even


@pytest.mark.parametrize("seed", [2, 4, 7])
def test_a_pulse_between_two_jumps_that_are_foreseen_is_seen(seed):
    """Three hundredths of a window long. The windows are probed for it: half as long it may be missed."""
    rng = np.random.default_rng(seed)
    begins = rng.uniform(12, 25)
    at = np.sort(np.append(np.arange(1.0, 30.0), [begins, begins + 0.03]))
    middles = 0.5 * (np.append(0.0, at) + np.append(at, 30.0))
    values = rng.normal(size=30)[middles.astype(int)] + ((begins < middles) & (middles < begins + 0.03))
    res, exact = solved_in_steps(at, values, 30.0, 1e-8)
    assert res.success
    assert_allclose(res.sol(at)[0], exact, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_trains_pass_zero(sign):
    values = np.arange(31.0) % 2.0
    at = -1.5 + 0.1 * np.arange(1, 31)
    fun = lambda t, y: sign * (-y + values[np.searchsorted(at, sign * t, side="right")])
    res = sm.solve_ivp(fun, (-1.5 * sign, 1.55 * sign), [0.5], rtol=1e-8, atol=1e-8)
    exact = [0.5]
    for value in values[:-1]:
        exact.append((exact[-1] - value) * math.exp(-0.1) + value)
    assert res.success
    assert_allclose(res.sol(sign * at)[0], exact[1:], rtol=1e-8, atol=1e-8)
    assert res.nfev < 30 * 350


def test_what_has_become_smooth_is_solved_by_long_windows():
    fun = lambda t, y: [-y[0] + (float(np.floor(10 * t) % 2) if t < 3.0 else 0.0)]
    res = sm.solve_ivp(fun, (0, 30), [0.0], rtol=1e-6, atol=1e-9)
    assert res.success
    assert np.diff(res.sol.x)[res.sol.x[:-1] > 5.0].mean() > 1.0


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_kink_that_is_foreseen_at_the_end_does_not_lead_beyond_it(direction):
    fun = lambda t, y: -y + STEPS[int(np.floor(10.0 * abs(t) + 1e-9)) % 100]
    for k in range(4, 40):
        end = direction * k * 0.1
        res = sm.solve_ivp(fun, (0.0, end), [0.0], rtol=1e-4, atol=1e-6)
        exact, h = 0.0, 0.1 * direction
        for step in STEPS[:k]:
            exact = (exact - step) * math.exp(-h) + step
        assert res.success
        assert res.t[-1] == end
        assert (direction * np.diff(res.sol.x) > 0.0).all()
        assert_allclose(res.y[0, -1], exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
def test_breaks_may_be_off_by_a_rounding_error_of_f(rtol):
    period, duty = 0.02, 0.3
    fun = lambda t, y: [(12.0 * ((t % period) < duty * period) - 2.0 * y[0]) / 0.05]
    edges = np.add.outer(period * np.arange(50), [0.0, duty * period]).ravel()
    res = sm.solve_ivp(fun, (0, 1), [0.0], rtol=rtol, atol=1e-3 * rtol, breaks=edges)
    exact = 0.0
    for _ in range(50):
        exact = (exact - 6.0) * math.exp(-duty * period / 0.025) + 6.0
        exact *= math.exp(-(1.0 - duty) * period / 0.025)
    assert res.success
    assert_allclose(res.y[0, -1], exact, rtol=rtol)
    assert res.nfev < 100 * (80 if rtol > 1e-4 else 120)  # 230 and 530 where f had jumped a little earlier or later


@pytest.mark.parametrize("compiled", [False, True])
def test_a_break_may_be_a_rounding_error_behind_the_end(compiled):
    fun = numba.njit(lambda t, y: -y) if compiled else lambda t, y: -y
    for end in (2.0, -2.0):
        for ulps in (-3, -1, 0, 1, 3):
            res = sm.solve_ivp(fun, (0.0, end), [1.0], breaks=[end + ulps * np.spacing(end)], rtol=1e-8, atol=1e-8)
            assert res.success
            assert res.t[-1] == end
            assert (np.sign(end) * np.diff(res.sol.x) > 0.0).all()
            assert_allclose(res.y[0, -1], math.exp(-end), rtol=1e-10)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("ulps", range(996, 1004))
def test_a_window_may_end_exactly_where_one_is_cut_off_before_a_break(compiled, ulps):
    fun = lambda t, y: -y + (t > 1.0)
    res = sm.solve_ivp(
        numba.njit(fun) if compiled else fun, (0, 2), [0.0], breaks=[1.0], first_step=1.0 - ulps * np.spacing(1.0),
        rtol=1e-8, atol=1e-8,
    )  # fmt: skip
    assert res.success
    assert_allclose(res.y[0, -1], 1.0 - math.exp(-1.0), rtol=1e-8)
