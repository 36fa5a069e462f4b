"""The look between the nodes: what matters where the equation is stiff, and what does not."""

import numba
import numpy as np
import pytest

import sigmode as sm


def chemistry(t, y):
    """E5: of 17 windows to 1e3 the last ones take most of the span."""
    a, b, c = 7.89e-10 * y[0], 1.1e7 * y[0] * y[2], 1.13e9 * y[1] * y[2]
    d = 1.13e3 * y[3]
    return (-a - b, a - c, a - b + d - c, b - d)


def relaxing(t, y):
    """Between 40 and 41 the equilibrium is 1, not 0; the equation gets there within 0.001."""
    return (1000.0 * ((1.0 if 40.0 <= t < 41.0 else 0.0) - y[0]), -0.01 * y[1])


def arrays(fun):
    return lambda t, y: np.array(fun(t, y))


@pytest.mark.parametrize("kind", [arrays, numba.njit], ids=["plain", "compiled"])
@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-9])
def test_what_stiffness_damps_is_nothing_that_was_missed(kind, rtol):
    options = {"rtol": rtol, "atol": 1e-9 * rtol}
    once = sm.solve_ivp(kind(chemistry), (0, 1000), [1.76e-3, 0, 0, 0], error_control="local", **options)
    res = sm.solve_ivp(kind(chemistry), (0, 1000), [1.76e-3, 0, 0, 0], **options)
    assert res.success
    assert len(res.sol.h) == len(once.sol.h)  # not solved again by shorter windows
    assert res.nfev < once.nfev + 512


@pytest.mark.parametrize("kind", [arrays, numba.njit], ids=["plain", "compiled"])
def test_a_pulse_that_a_stiff_equation_follows_is_seen_or_refused(kind):
    res = sm.solve_ivp(kind(relaxing), (0, 100), [0.0, 1.0], rtol=1e-6, atol=1e-6)
    t = np.array([39.9, 40.5, 41.5])
    assert not res.success or abs(res.sol(t)[0] - [0.0, 1.0, 0.0]).max() < 1e-5
