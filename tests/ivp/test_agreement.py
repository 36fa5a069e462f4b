"""Errors of rounding that grow until they outweigh the tolerance, where what was solved for decays."""

import numba
import numpy as np
import pytest

import sigmode as sm
from sigmode.ivp.agreement import Agreement
from sigmode.ivp.attempt import Attempt
from sigmode.ivp.bound import Worst
from sigmode.trial.network import Network
from sigmode.trial.solution import Solution


def saddle(t, y, k):
    return [y[1], k * k * y[0]]


SADDLES = {"plain": saddle, "compiled": numba.njit(lambda t, y, k: (y[1], k * k * y[0]))}


@pytest.mark.parametrize("kind", SADDLES)
def test_growth_that_the_solution_itself_does_not_show(kind):
    """exp(-k t) (1, -k), and exp(k t) (1, k) from rounding: a difference along y does not know of that.

    (With k = 3 both marches are off alike, by chance, at 2 of 87 settings.)
    """
    wrong, solved = [], 0
    for k in (4.0, 5.0, 6.0, 8.0):
        for reach in np.linspace(18.0, 32.0, 15):
            end = reach / k
            exact = np.array([1.0, -k]) * np.exp(-reach)
            for rtol, atol in ((1e-3, 1e-6), (1e-4, 1e-8), (1e-6, 1e-8)):
                res = sm.solve_ivp(SADDLES[kind], (0, end), [1.0, -k], args=(k,), rtol=rtol, atol=atol)
                solved += res.success
                if res.success and (abs(res.y[:, -1] - exact) > 3 * (atol + rtol * abs(exact))).any():
                    wrong.append((k, end, rtol))
    assert not wrong
    assert solved > 10


def attempt(y, gap, ratio):
    """A constant solution on (0, 1)."""
    network = Network(2, 1, output_bias=True)
    solution = Solution(np.array([0.0, 1.0]), np.array([y]), np.zeros((1, network.n_theta)), network)
    res = {"sol": solution, "gap": np.array(gap)}
    return Attempt(res, Worst(ratio, 0.5, 0), np.inf, lambda: (False, 0))


def test_an_attempt_that_looks_good_is_compared_with_the_one_before():
    agreement = Agreement(np.array(1e-6), np.array(1e-6))
    good = attempt([1.0, 2.0], [1e-7, 1e-7], 0.05)
    assert agreement.judged(good, False) == good.worst
    agreement.add(attempt([1.0, 2.0001], [0.0, 1e-4], 30.0))  # whose better solution is (1, 2)
    assert agreement.judged(good, False) == good.worst
    agreement.add(attempt([1.0, 2.0002], [0.0, 1e-4], 30.0))  # 2.0001, as far off as its own estimate
    worst = agreement.judged(good, False)
    assert worst.ratio == pytest.approx(1e-4 / 3e-6, rel=1e-3)
    assert (worst.t, worst.component, worst.at_zero) == (1.0, 1, False)
    bad = attempt([1.0, 2.0], [1e-7, 1e-7], 1.5)
    assert agreement.judged(bad, False) == bad.worst  # which is known without
    agreement.add(attempt([1.0, 2.00012], [0.0, 1e-4], 30.0))  # 2.00002, a fifth of its estimate
    assert agreement.judged(good, False) == good.worst
    assert agreement.judged(good, True).ratio == pytest.approx(2e-5 / 3e-6, rel=1e-3)
    agreement.add(attempt([1.0, 2.0002], [0.0, np.nan], np.inf))
    assert agreement.judged(good, False) == good.worst
