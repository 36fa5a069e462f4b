"""SciPy's own tests of `solve_bvp` (scipy/integrate/tests/test_bvp.py), with ours in its place."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import erf

from sigmode import solve_bvp


def fun_exp(x, y):
    return np.vstack((y[1], y[0]))


def jac_exp(x, y):
    return np.repeat(np.array([[0.0, 1.0], [1.0, 0.0]])[:, :, None], x.size, axis=2)


def bc_exp(ya, yb):
    return np.hstack((ya[0] - 1, yb[0]))


def bc_exp_complex(ya, yb):
    return np.hstack((ya[0] - 1 - 1j, yb[0]))


def bc_jac_exp(ya, yb):
    return np.array([[1, 0], [0, 0]]), np.array([[0, 0], [1, 0]])


def sol_exp(x):
    return (np.exp(-x) - np.exp(x - 2)) / (1 - np.exp(-2))


def fun_sl(x, y, p):
    return np.vstack((y[1], -(p[0] ** 2) * y[0]))


def jac_sl(x, y, p):
    df_dy = np.zeros((2, 2, x.size))
    df_dy[0, 1] = 1
    df_dy[1, 0] = -(p[0] ** 2)
    df_dp = np.zeros((2, 1, x.size))
    df_dp[1, 0] = -2 * p[0] * y[0]
    return df_dy, df_dp


def bc_sl(ya, yb, p):
    return np.hstack((ya[0], yb[0], ya[1] - p[0]))


def bc_jac_sl(ya, yb, p):
    by_ya, by_yb, by_p = np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((3, 1))
    by_ya[0, 0] = by_ya[2, 1] = by_yb[1, 0] = 1
    by_p[2, 0] = -1
    return by_ya, by_yb, by_p


def fun_emden(x, y):
    return np.vstack((y[1], -(y[0] ** 5)))


def jac_emden(x, y):
    df_dy = np.zeros((2, 2, x.size))
    df_dy[0, 1] = 1
    df_dy[1, 0] = -5 * y[0] ** 4
    return df_dy


def bc_emden(ya, yb):
    return np.array([ya[1], yb[0] - (3 / 4) ** 0.5])


def bc_jac_emden(ya, yb):
    return np.array([[0, 1], [0, 0]]), np.array([[0, 0], [1, 0]])


def fun_many(x, y):
    f = np.zeros_like(y)
    f[::2] = y[1::2]
    return f


def fun_many_parameters(x, y, p):
    f = fun_many(x, y)
    f[1::4] = -(p[0] ** 2) * y[::4]
    f[3::4] = -(p[1] ** 2) * y[2::4]
    return f


def jac_many_parameters(x, y, p):
    n, m = y.shape
    df_dy, df_dp = np.zeros((n, n, m)), np.zeros((n, 2, m))
    df_dy[range(0, n, 2), range(1, n, 2)] = 1
    df_dy[range(1, n, 4), range(0, n, 4)] = -(p[0] ** 2)
    df_dy[range(3, n, 4), range(2, n, 4)] = -(p[1] ** 2)
    df_dp[range(1, n, 4), 0] = -2 * p[0] * y[range(0, n, 4)]
    df_dp[range(3, n, 4), 1] = -2 * p[1] * y[range(2, n, 4)]
    return df_dy, df_dp


def bc_many_parameters(ya, yb, p):
    return np.hstack((ya[::2], yb[::2], ya[1] - p[0], ya[3] - p[1]))


def bc_jac_many_parameters(ya, yb, p):
    n = ya.size
    by_ya, by_yb, by_p = np.zeros((n + 2, n)), np.zeros((n + 2, n)), np.zeros((n + 2, 2))
    by_ya[range(n // 2), range(0, n, 2)] = 1
    by_yb[range(n // 2, n), range(0, n, 2)] = 1
    by_ya[n, 1] = by_ya[n + 1, 3] = 1
    by_p[n, 0] = by_p[n + 1, 1] = -1
    return by_ya, by_yb, by_p


def fun_shock(x, y):
    eps = 1e-3
    return np.vstack(
        (y[1], -(x * y[1] + eps * np.pi**2 * np.cos(np.pi * x) + np.pi * x * np.sin(np.pi * x)) / eps),
    )


def sol_shock(x):
    k = np.sqrt(2e-3)
    return np.cos(np.pi * x) + erf(x / k) / erf(1 / k)


def bc_butler_volmer(ya, yb):
    kappa, anode, cathode, voltage, f = 1.64, 0.01, 1.0e-4, 0.5, 38.9
    at_anode = anode * 2 * np.sinh(f * -ya[0])
    at_cathode = cathode * 2 * np.sinh(f * (voltage - yb[0] - 1.0))
    return np.array([at_anode + kappa * ya[1], at_cathode - kappa * yb[1]])


def both(*jacobians):
    """Every combination of the Jacobians given and left out."""
    return list(product(*((None, jacobian) for jacobian in jacobians)))


def check_consistent(res, f, x, tol=1e-3):
    """The residual is below the tolerance where nobody looked, and the fields say what `sol` says."""
    r = res.sol(x, 1) - f
    assert (np.linalg.norm(abs(r) / (1 + abs(f)), axis=0) < tol).all()
    assert (res.rms_residuals < tol).all()
    assert_allclose(res.sol(res.x), res.y, rtol=1e-10, atol=1e-10)
    assert_allclose(res.sol(res.x, 1), res.yp, rtol=1e-10, atol=1e-10)


def test_arguments_that_do_not_fit():
    x, y = np.linspace(0, 1, 5), np.zeros((2, 5))
    with pytest.raises(ValueError, match="strictly increasing"):
        solve_bvp(fun_exp, bc_exp, [0, 1, 0.5], np.zeros((2, 3)))
    with pytest.raises(ValueError, match="columns"):
        solve_bvp(fun_exp, bc_exp, x, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="`bc`"):
        solve_bvp(lambda x, y, p: fun_exp(x, y), lambda ya, yb, p: bc_exp(ya, yb), x, y, p=[1])
    with pytest.raises(ValueError, match="`fun`"):
        solve_bvp(lambda x, y: np.zeros(3), bc_exp, x, y)
    with pytest.raises(ValueError, match="`S`"):
        solve_bvp(fun_exp, bc_exp, x, y, S=np.array([[0, 0]]))


@pytest.mark.parametrize(("fun_jac", "bc_jac"), both(jac_exp, bc_jac_exp))
def test_no_parameters(fun_jac, bc_jac):
    x = np.linspace(0, 1, 100)
    res = solve_bvp(fun_exp, bc_exp, np.linspace(0, 1, 5), np.zeros((2, 5)), fun_jac=fun_jac, bc_jac=bc_jac)
    assert res.status == 0
    assert res.success
    assert res.x.size == 5
    assert_allclose(res.sol(x)[0], sol_exp(x), atol=1e-5)
    check_consistent(res, fun_exp(x, res.sol(x)), x)


@pytest.mark.parametrize(("fun_jac", "bc_jac"), both(jac_sl, bc_jac_sl))
def test_with_a_parameter(fun_jac, bc_jac):
    mesh, x = np.linspace(0, np.pi, 5), np.linspace(0, np.pi, 100)
    res = solve_bvp(fun_sl, bc_sl, mesh, np.ones((2, 5)), p=[0.5], fun_jac=fun_jac, bc_jac=bc_jac)
    assert res.status == 0
    assert res.success
    assert res.x.size < 10
    assert_allclose(res.p, [1], rtol=1e-4)
    assert_allclose(res.sol(x)[0], np.sin(x), rtol=1e-4, atol=1e-4)
    check_consistent(res, fun_sl(x, res.sol(x), [1]), x)


@pytest.mark.parametrize(("fun_jac", "bc_jac"), both(jac_emden, bc_jac_emden))
def test_singular_term(fun_jac, bc_jac):
    mesh, x = np.linspace(0, 1, 10), np.linspace(0.05, 1, 100)
    guess = np.array([np.full(10, (3 / 4) ** 0.5), np.full(10, 1e-4)])
    S = np.array([[0, 0], [0, -2]])
    res = solve_bvp(fun_emden, bc_emden, mesh, guess, S=S, fun_jac=fun_jac, bc_jac=bc_jac)
    assert res.status == 0
    assert res.success
    assert res.x.size == 10
    assert_allclose(res.sol(x)[0], (1 + x**2 / 3) ** -0.5, atol=1e-5)
    check_consistent(res, fun_emden(x, res.sol(x)) + S @ res.sol(x) / x, x)


@pytest.mark.parametrize(("fun_jac", "bc_jac"), both(jac_exp, bc_jac_exp))
def test_complex(fun_jac, bc_jac):
    mesh, x = np.linspace(0, 1, 5), np.linspace(0, 1, 100)
    guess = np.zeros((2, 5), dtype=complex)
    res = solve_bvp(fun_exp, bc_exp_complex, mesh, guess, fun_jac=fun_jac, bc_jac=bc_jac)
    assert res.status == 0
    assert res.success
    assert_allclose(res.sol(x)[0].real, sol_exp(x), atol=1e-5)
    assert_allclose(res.sol(x)[0].imag, sol_exp(x), atol=1e-5)
    check_consistent(res, fun_exp(x, res.sol(x)), x)


def test_failures():
    res = solve_bvp(fun_exp, bc_exp, np.linspace(0, 1, 2), np.zeros((2, 2)), tol=1e-5, max_nodes=5)
    assert res.status == 1
    assert not res.success
    res = solve_bvp(
        lambda x, y: np.zeros_like(y), lambda ya, yb: [ya[0], yb[0] - 1], np.linspace(0, 1, 5), np.zeros((2, 5))
    )
    assert res.status == 2
    assert not res.success


def test_sixty_equations():
    x = np.linspace(0, 1, 5)
    res = solve_bvp(fun_many, lambda ya, yb: np.hstack((ya[::2], yb[::2] - 1)), x, np.zeros((60, 5)))
    assert res.status == 0
    assert res.success
    assert_allclose(res.sol(x)[0], x, atol=1e-14)
    check_consistent(res, fun_many(x, res.sol(x)), x)


@pytest.mark.parametrize(("fun_jac", "bc_jac"), both(jac_many_parameters, bc_jac_many_parameters))
def test_sixty_equations_with_two_parameters(fun_jac, bc_jac):
    mesh, x = np.linspace(0, np.pi, 5), np.linspace(0, np.pi, 100)
    guess = np.ones((60, 5))
    res = solve_bvp(fun_many_parameters, bc_many_parameters, mesh, guess, p=[0.5, 0.5], fun_jac=fun_jac, bc_jac=bc_jac)
    assert res.status == 0
    assert res.success
    assert_allclose(res.p, [1, 1], rtol=1e-4)
    for k in range(0, 30, 2):
        assert_allclose(res.sol(x)[k], np.sin(x), rtol=1e-4, atol=1e-4)
    check_consistent(res, fun_many_parameters(x, res.sol(x), [1, 1]), x)


def test_shock_layer():
    mesh, x = np.linspace(-1, 1, 5), np.linspace(-1, 1, 100)
    res = solve_bvp(fun_shock, lambda ya, yb: np.array([ya[0] + 2, yb[0]]), mesh, np.zeros((2, 5)))
    assert res.status == 0
    assert res.success
    assert res.x.size < 110
    assert_allclose(res.sol(x)[0], sol_shock(x), rtol=1e-5, atol=1e-5)
    check_consistent(res, fun_shock(x, res.sol(x)), x)


def test_nonlinear_conditions():
    x = np.linspace(0, 0.1, 5)
    fun = lambda x, y: np.stack([y[1], np.zeros_like(x)])
    res = solve_bvp(fun, bc_butler_volmer, x, np.zeros((2, 5)))
    assert res.status == 0
    assert res.success
    assert res.x.size < 8
    assert_allclose(res.sol(x)[0], -0.13426436116763119 - 1.1308709 * x, rtol=1e-5, atol=1e-5)
    check_consistent(res, fun(x, res.sol(x)), x)


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_verbose(verbose, capsys):
    res = solve_bvp(fun_exp, bc_exp, np.linspace(0, 1, 5), np.zeros((2, 5)), verbose=verbose)
    text = capsys.readouterr().out
    assert res.success
    assert bool(text) == (verbose >= 1)
    assert ("Solved in" in text) == (verbose >= 1)
    assert ("Max residual" in text) == (verbose >= 2)
