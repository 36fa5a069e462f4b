"""The source's formulas: the full gradient is exact, and each form that the source rejects is wrong."""

import honest_numpy
import numpy as np
import pytest

from sigmode import reference
from sigmode.problems import LAGARIS_1, LAGARIS_4

X = np.linspace(0.0, 1.0, 11)
N_HIDDEN = 3


def fun(x, y):
    return np.cos(x) - 2.0 * x * y


def df_dy(x, y):
    return -2.0 * x


def complex_step(theta):
    steps = theta + 1e-40j * np.eye(theta.size)
    return np.array([reference.loss(t, X, (0, 1), np.ones(1), fun, N_HIDDEN).imag for t in steps]) / 1e-40


def error_of_w(formula, theta):
    exact = complex_step(theta)
    computed = reference.gradient(theta, X, 1.0, fun, df_dy, N_HIDDEN, formula)
    error = np.abs(computed - exact) / np.abs(exact[:N_HIDDEN]).max()
    return error[:N_HIDDEN].max(), error[N_HIDDEN:].max()


@pytest.mark.parametrize("seed", range(5))
def test_the_full_gradient_is_exact(seed):
    theta = np.random.default_rng(seed).normal(size=3 * N_HIDDEN)
    assert max(error_of_w("full", theta)) < 1e-14


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("formula", ["eq9", "eq11", "eq12", "eq24"])
def test_each_rejected_formula_is_wrong_in_w_and_only_there(formula, seed):
    theta = np.random.default_rng(seed).normal(size=3 * N_HIDDEN)
    wrong, rest = error_of_w(formula, theta)
    assert wrong > 1e-3
    assert rest < 1e-14


def test_mending_the_sign_of_eq_24_makes_it_exact():
    """dE/dw = sum v Ds (x N_bar + dN_bar (1 + x (1-2s) w)), the printed form with the sign of (1-2s) w turned."""
    theta = np.random.default_rng(0).normal(size=3 * N_HIDDEN)
    w, b, V, _ = reference.split(theta, 1, N_HIDDEN)
    s, ds, _ = reference.activation(np.outer(X, w) + b)
    r = reference.residual(theta, X, (0, 1), np.ones(1), fun, N_HIDDEN)[0][:, None]
    x = X[:, None]
    N_bar, dN_bar = 2 * r * (1 - x * df_dy(x, None)), 2 * r * x
    mended = (V[0] * ds * (x * N_bar + dN_bar * (1 + x * (1 - 2 * s) * w))).sum(0)
    np.testing.assert_allclose(mended, complex_step(theta)[:N_HIDDEN], rtol=1e-13)


def test_the_source_and_the_general_gradient_agree():
    theta = np.random.default_rng(1).normal(size=3 * N_HIDDEN)
    jac = lambda x, y: df_dy(x, y)[None, None]
    loss, gradient = reference.loss_and_gradient(theta, X, (0, 1), np.ones(1), fun, jac, N_HIDDEN)
    np.testing.assert_allclose(gradient, reference.gradient(theta, X, 1.0, fun, df_dy, N_HIDDEN), rtol=1e-13)
    assert loss == reference.loss(theta, X, (0, 1), np.ones(1), fun, N_HIDDEN)


def test_complex_parameters_pass_through_the_gradient():
    theta = np.random.default_rng(2).normal(size=3 * N_HIDDEN)
    second = reference.gradient(theta + 1e-40j * np.eye(9)[1], X, 1.0, fun, df_dy, N_HIDDEN).imag / 1e-40
    other = reference.gradient(theta + 1e-40j * np.eye(9)[4], X, 1.0, fun, df_dy, N_HIDDEN).imag / 1e-40
    assert second[4] == pytest.approx(other[1], rel=1e-12)  # the Hessian is symmetric


def test_unknown_formula():
    with pytest.raises(ValueError, match="`formula` must be one of"):
        reference.gradient(np.zeros(9), X, 1.0, fun, df_dy, N_HIDDEN, "eq99")


@pytest.mark.parametrize("p", [LAGARIS_1, LAGARIS_4], ids=lambda p: p.name)
@pytest.mark.parametrize("make", [honest_numpy.plain, honest_numpy.Blocked])
def test_the_baseline_of_the_benchmarks_equals_the_oracle(make, p):
    x, n_hidden = np.linspace(*p.span, 2500), 11
    theta = np.random.default_rng(0).normal(size=(2 + len(p.y0)) * n_hidden)
    loss, gradient = make(p.fun, p.jac, p.span, p.y0, x, n_hidden)(theta)
    expected = reference.loss_and_gradient(theta, x, p.span, np.array(p.y0), p.fun, p.jac, n_hidden)
    assert loss == pytest.approx(expected[0], rel=1e-13)
    np.testing.assert_allclose(gradient, expected[1], rtol=0, atol=1e-12 * np.abs(expected[1]).max())
