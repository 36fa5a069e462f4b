"""Derivatives by differences against closed forms, and what counts as a wrong derivative of the user's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import diags_array

from sigmode.user.differences import Sparsity, alternating, at_once, central, disagreement, forward

RNG = np.random.default_rng(0)


def f(x, y):
    return np.array([np.sin(x) * y[0] ** 2 + y[1], np.exp(-y[1]) * y[0], y[0] - x])


def df_dy(x, y):
    one, zero = np.ones_like(x), np.zeros_like(x)
    return np.array(
        [[2 * np.sin(x) * y[0], one], [np.exp(-y[1]), -np.exp(-y[1]) * y[0]], [one, zero]],
    )


def test_central_differences_have_ten_digits():
    x, y = RNG.uniform(size=20), RNG.normal(size=(2, 20))
    assert_allclose(central(f, x, y), df_dy(x, y), rtol=1e-9, atol=1e-9)


def test_central_differences_are_one_sided_where_f_ends():
    x, y = np.zeros(3), np.array([[0.0, 1.0, 4.0]])
    with np.errstate(invalid="ignore"):
        found = central(lambda x, y: y * np.sqrt(y), x, y)
    assert_allclose(found[0, 0], 1.5 * np.sqrt(y[0]), atol=1e-2)
    assert np.isfinite(found).all()


def test_forward_differences_by_columns_and_at_once():
    x, y = RNG.uniform(size=5), RNG.normal(size=(2, 5))
    assert_allclose(forward(lambda v: f(x, v), y, f(x, y)), df_dy(x, y), rtol=1e-6, atol=1e-6)
    at = lambda rows: np.array([f(0.5, row)[:2] for row in rows])
    found = at_once(at, y[:, 0], at(y[:, :1].T)[0], np.full(2, 1e-8))
    assert_allclose(found, df_dy(np.array(0.5), y[:, 0])[:2], rtol=1e-6, atol=1e-6)


def test_sparse_differences_need_one_call_per_group():
    n, calls = 30, []
    A = diags_array([RNG.normal(size=n - 1), RNG.normal(size=n), RNG.normal(size=n - 1)], offsets=[-1, 0, 1])

    def columns(rows):
        calls.append(len(rows))
        return rows @ A.T.toarray()

    found = Sparsity(A != 0, n).differences(columns, np.ones(n), A @ np.ones(n), np.full(n, 1e-6))
    assert_allclose(found.toarray(), A.toarray(), atol=1e-8)
    assert calls == [3]


def wrong(function, said, y):
    """Whether `said` passes for the derivative of a scalar function at y."""
    step = alternating(np.array([y if y else 1.0]))
    along = lambda t: np.array([function(y + t * step[0])])
    return bool(disagreement(along, said * step, abs(said * step), np.array([function(y)])).any())


@pytest.mark.parametrize(
    ("function", "derivative", "y"),
    [
        (np.sin, np.cos, 0.3),
        (lambda y: y**3, lambda y: 3 * y**2, 0.0),  # the change is of third order
        (lambda y: y**2, lambda y: 2 * y, 0.0),
        (lambda y: np.tanh(1e7 * y), lambda y: 1e7 / np.cosh(1e7 * y) ** 2, 1e-8),  # bends within the step
        (lambda y: 1e8 + y, lambda y: 1.0, 1.0),  # little more than rounding
        (np.log, lambda y: 1 / y, 1e-9),
        (abs, lambda y: 1.0, 0.0),  # a kink at y: either side may be meant
        (lambda y: max(y, 0.0), lambda y: 0.0, 0.0),
        (lambda y: y * abs(y), lambda y: 0.0, 0.0),
        (np.sqrt, lambda y: np.inf, 0.0),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_right_derivative_is_never_called_wrong(function, derivative, y):
    assert not wrong(function, derivative(y), y)


@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.98, 1.02, 1e6])
def test_a_slip_in_a_formula_is_found(factor):
    assert wrong(np.sin, factor * np.cos(0.3), 0.3)
    assert wrong(lambda y: 1e6 * y**2, factor * 2e6 * 1e-4, 1e-4)
