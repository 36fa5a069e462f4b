"""The search for a minimum, against SciPy's and closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import least_squares

from sigmode.fit.descent import descend

ENDLESS = np.array([-np.inf] * 2), np.array([np.inf] * 2)


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), np.array([[-20 * x[0], 10.0], [-1.0, 0.0]])


def exponentials(x):
    """With a remainder that no parameters take away."""
    t = np.linspace(0, 3, 20)
    e = np.exp(-x[1] * t)
    return x[0] * e - 2 * np.exp(-0.7 * t) - 0.3 * np.sin(5 * t), np.column_stack([e, -x[0] * t * e])


@pytest.mark.parametrize("start", [(-1.2, 1.0), (5.0, -3.0), (0.0, 0.0), (1.0, 1.0)])
def test_rosenbrock(start):
    found = descend(rosenbrock, np.array(start), *ENDLESS, 200)
    assert found.success
    assert_allclose(found.x, [1.0, 1.0], rtol=1e-8)
    assert found.cost < 1e-20


@pytest.mark.parametrize("start", [(1.0, 1.0), (10.0, 0.1), (0.1, 3.0)])
def test_a_remainder(start):
    found = descend(exponentials, np.array(start), *ENDLESS, 200)
    best = least_squares(lambda x: exponentials(x)[0], (2.0, 0.7), lambda x: exponentials(x)[1], xtol=1e-15, ftol=1e-15)
    assert found.success
    assert_allclose(found.x, best.x, rtol=1e-6)
    assert_allclose(found.cost, best.cost, rtol=1e-12)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ((-2.0, 1.5), (0.5, 2.0)),
        ((-np.inf, -np.inf), (0.8, 0.1)),
        ((1.5, -1.0), (3.0, np.inf)),
        ((2.0, 0.0), (3.0, 1.0)),
    ],
)
@pytest.mark.parametrize("problem", [rosenbrock, exponentials])
def test_bounds(problem, lower, upper):
    lower, upper = np.array(lower), np.array(upper)
    start = np.clip([0.4, 0.6], lower, upper)
    found = descend(problem, start, lower, upper, 200)
    inside = np.clip(start, lower + 1e-8, upper - 1e-8)
    best = least_squares(
        lambda x: problem(x)[0], inside, lambda x: problem(x)[1], (lower, upper), xtol=1e-15, ftol=1e-15, gtol=1e-14
    )
    assert found.success
    assert (found.x >= lower).all()
    assert (found.x <= upper).all()
    assert_allclose(found.cost, best.cost, rtol=1e-6)
    assert_allclose(found.x, best.x, atol=1e-5)
    assert (found.active_mask == np.where(found.x == lower, -1, np.where(found.x == upper, 1, 0))).all()


def test_what_cannot_be_evaluated():
    """The logarithm wants x > 0, a full step goes beyond."""

    def evaluate(x):
        return None if x[0] <= 0 else (np.array([np.log(x[0]) + 5.0]), np.array([[1.0 / x[0]]]))

    found = descend(evaluate, np.array([3.0]), np.array([-np.inf]), np.array([np.inf]), 200)
    assert found.success
    assert_allclose(found.x, np.exp(-5.0), rtol=1e-6)


def test_a_direction_without_effect():
    evaluate = lambda x: (np.array([x[0] + x[1] - 3.0, 2 * (x[0] + x[1]) - 6.0]), np.array([[1.0, 1.0], [2.0, 2.0]]))
    found = descend(evaluate, np.array([5.0, 5.0]), *ENDLESS, 50)
    assert found.success
    assert_allclose(found.x.sum(), 3.0)


def test_the_limit():
    found = descend(rosenbrock, np.array([-1.2, 1.0]), *ENDLESS, 3)
    assert not found.success
    assert found.cost < 0.5 * float(rosenbrock(np.array([-1.2, 1.0]))[0] @ rosenbrock(np.array([-1.2, 1.0]))[0])
