"""The error estimate against errors that are known because they were put in."""

import numpy as np
import pytest

from sigmode.problems import LAGARIS_1, LAGARIS_4, LOGISTIC
from sigmode.training.error import Noise, global_error
from sigmode.user.equation import RightHandSide

QUIET = 1e-16


def derivative(function, x):
    """Complex step: exact to rounding for the analytic functions used here."""
    return function(x + 1e-30j).imag / 1e-30


def estimate(p, error, breaks=21):
    """The estimate for the trial solution exact + error, and the largest true error of each component."""
    trial = lambda x: p.exact(x) + error(x)
    value = lambda x: (trial(x), derivative(trial, x))
    n = len(p.y0)
    noise = Noise(np.full(n, QUIET), np.full(n, QUIET))
    x = np.linspace(*p.span, 5001)
    result = global_error(value, RightHandSide(p.fun, p.jac), np.linspace(*p.span, breaks), noise)
    return result, np.abs(error(x)).max(axis=1)


@pytest.mark.parametrize("size", [1e-5, 1e-7, 1e-9])
@pytest.mark.parametrize("problem", [LAGARIS_1, LAGARIS_4, LOGISTIC])
def test_recovers_a_smooth_error(problem, size):
    p = problem._replace(exact=lambda x: problem.exact(x))
    n = len(p.y0)
    rates = np.arange(1, n + 1)[:, None]
    result, true = estimate(p, lambda x: size * np.sin(7 * rates * (x - p.span[0])))
    np.testing.assert_allclose(result.bound.max(axis=1), true, rtol=0.15)
    assert np.all(result.second <= 0.1 * true)


def test_sees_a_bump_between_the_first_windows():
    """A bump of width 1e-3 in the middle of one of twenty windows; its flanks reach the nodes, the windows split."""
    bump = lambda x: 1e-4 / (1 + ((x - 0.5234) / 1e-3) ** 2)[None]
    result, true = estimate(LAGARIS_1, lambda x: bump(x) - bump(np.zeros(1)))
    assert result.bound.max() == pytest.approx(true[0], rel=0.2)
    assert result.x.size > 21


def test_says_that_the_linearisation_fails():
    """The constant solution y = 0.01 of the logistic equation, far from the true one."""
    p = LOGISTIC._replace(span=(0.0, 10.0), exact=lambda x: 0 * x[None])
    result, _ = estimate(p, lambda x: 0.1 + 0 * x[None])
    assert np.all(result.second > 0.3 * result.bound.max(axis=1)) or not np.isfinite(result.bound).all()


def test_no_estimate_where_fun_is_not_finite():
    p = LOGISTIC._replace(fun=lambda x, y: np.where(x > 3.1, np.nan, y))
    result, _ = estimate(p, lambda x: 0 * x[None])
    assert np.isinf(result.bound).all()
    assert 3.1 < result.bad_x < 3.4
