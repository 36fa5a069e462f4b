"""Branches of solutions: `continue_bvp`, against closed forms and against initial value problems."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, minimize_scalar

import sigmode as sm

X = np.linspace(0, 1, 5)
ZERO = X, np.zeros((2, 5))
# The largest k of Bratu's problem: sqrt(8) / sinh(theta) with theta tanh(theta) = 1.
THETA = brentq(lambda theta: theta * np.tanh(theta) - 1.0, 1.0, 1.5, xtol=1e-15)
FOLD = 8.0 / np.sinh(THETA) ** 2


def bratu(x, y, k):
    return np.vstack([y[1], -k * np.exp(y[0])])


def fixed(ya, yb, k):
    return np.array([ya[0], yb[0]])


def k_of(middle):
    """k of the closed form with this value in the middle: y(1/2) = 2 log(cosh(theta)), k = 8 (theta/cosh theta)**2."""
    theta = np.arccosh(np.exp(middle / 2.0))
    return 8.0 * (theta / np.cosh(theta)) ** 2


def test_values_in_their_order():
    wanted = [0.5, 1.0, 3.0, 2.0]
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", wanted, tol=1e-8)
    assert branch.success
    assert branch.status == 0
    assert_allclose(branch.value, wanted)
    assert_allclose([k_of(sol(0.5)[0]) for sol in branch.sol], wanted, rtol=1e-7)
    assert branch.error.shape == (4, 2)
    assert (branch.error < 1e-7).all()
    assert branch.value_error.tolist() == [0.0] * 4
    assert not branch.folds


def test_a_step_that_is_too_long_is_halved_and_a_fold_ends_it():
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", [1.0, 3.5, 5.0])
    assert not branch.success
    assert branch.status == 2
    assert_allclose(branch.value, [1.0, 3.5])
    assert "No step from 3.51" in branch.message
    assert "arclength=True" in branch.message


def test_around_a_fold():
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (0.5, 4.0), arclength=True)
    assert branch.success
    assert "left the range at 0.5" in branch.message
    (fold,) = branch.folds
    assert abs(fold.value - FOLD) < 1e-8
    assert fold.value_error < 1e-8
    assert_allclose(fold.sol(0.5)[0], 2.0 * np.log(np.cosh(THETA)), atol=1e-4)
    middle = np.array([sol(0.5)[0] for sol in branch.sol])
    assert (np.diff(middle) > 0.0).all()
    assert_allclose(k_of(middle), branch.value, atol=2e-5)
    assert (branch.slope[: fold.index] > 0.0).all()
    assert (branch.slope[fold.index :] < 0.0).all()
    assert branch.sheet.tolist() == [0] * fold.index + [1] * (branch.value.size - fold.index)


def test_the_two_folds_of_an_exothermic_pellet():
    """c'' = phi**2 c exp(gamma (1 - 1/(1 + beta (1 - c)))); with r = phi x it is an initial value problem in c(0)."""
    beta, gamma = 0.4, 20.0
    rate = lambda c: c * np.exp(gamma * (1.0 - 1.0 / (1.0 + beta * (1.0 - c))))

    def phi_of(start):
        reached = lambda r, y: y[0] - 1.0
        reached.terminal = True
        res = solve_ivp(
            lambda r, y: [y[1], rate(y[0])], (0, 50), [start, 0.0], "DOP853", events=reached, rtol=1e-12, atol=1e-13
        )
        return res.t_events[0][0]

    upper = -minimize_scalar(lambda c: -phi_of(c), bracket=(0.7, 0.8, 0.9)).fun
    lower = minimize_scalar(phi_of, bracket=(0.1, 0.2, 0.4)).fun
    branch = sm.continue_bvp(
        lambda x, y, phi: np.vstack([y[1], phi**2 * rate(y[0])]),
        lambda ya, yb, phi: np.array([ya[1], yb[0] - 1.0]),
        (X, np.vstack([np.ones(5), np.zeros(5)])),
        "phi",
        (0.05, 0.6),
        arclength=True,
        tol=1e-8,
    )
    assert branch.success
    assert_allclose([fold.value for fold in branch.folds], [upper, lower], atol=1e-8)
    assert_allclose([upper, lower], [0.3709, 0.2792], atol=5e-5)
    assert branch.sheet[-1] == 2
    assert branch.value[-1] == 0.6
    for value, sol in list(zip(branch.value, branch.sol, strict=True))[1::6]:
        assert_allclose(phi_of(sol(0.0)[0]), value, rtol=1e-6)


def test_an_unknown_parameter_beside_it():
    """y'' + p**2 c y = 0, y(0) = y(1) = 0, y'(0) = 1: p = pi/sqrt(c)."""
    fun = lambda x, y, p, c: np.vstack([y[1], -(p[0] ** 2) * c * y[0]])
    bc = lambda ya, yb, p, c: np.array([ya[0], yb[0], ya[1] - 1.0])
    guess = X, np.vstack([np.sin(np.pi * X) / np.pi, np.cos(np.pi * X)]), [3.0]
    for arclength in (False, True):
        branch = sm.continue_bvp(fun, bc, guess, "c", [1.0, 2.0, 4.0], arclength=arclength, tol=1e-8)
        assert branch.success
        assert_allclose([res.p[0] for res in branch.results], np.pi / np.sqrt(branch.value), rtol=1e-7)
        assert branch.results[-1].p.shape == (1,)


def test_a_place_in_args_and_a_result_as_guess():
    fun = lambda x, y, a, k: np.vstack([y[1], -a * k * np.exp(y[0])])
    bc = lambda ya, yb, a, k: np.array([ya[0], yb[0]])
    first = sm.solve_bvp(fun, bc, *ZERO, args=(0.5, 2.0))
    branch = sm.continue_bvp(fun, bc, first, 1, [2.0, 4.0], args=(0.5, 2.0), tol=1e-8)
    assert_allclose([k_of(sol(0.5)[0]) for sol in branch.sol], [1.0, 2.0], rtol=1e-7)


def test_callback_watches_and_stops():
    seen = []

    def callback(intermediate_result):
        seen.append((intermediate_result.value, intermediate_result.number))
        if len(seen) == 2:
            raise StopIteration

    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", [1.0, 2.0, 3.0], callback=callback)
    assert seen == [(1.0, 1), (2.0, 2)]
    assert branch.status == 4
    assert not branch.success
    assert branch.value.tolist() == [1.0, 2.0]


def test_progress_and_most_points(capsys):
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (1.0, 4.0), arclength=True, max_points=3, progress=True)
    assert branch.status == 1
    assert branch.value.size == 3
    assert "it" in capsys.readouterr().err


def test_no_first_point():
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", [10.0, 11.0])
    assert branch.status == 2
    assert branch.value.size == 0
    assert "There is no first point at 10" in branch.message


def test_plot():
    pytest.importorskip("matplotlib").use("agg")
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (1.0, 4.0), arclength=True)
    axes = branch.plot(lambda sol: sol(0.5)[0])
    assert axes.get_xlabel() == "k"
    assert len(axes.lines) == 2
    assert branch.plot(0).get_ylabel() == "largest |y0|"


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"values": [1.0]}, ValueError, "`values` must be two"),
        ({"values": [1.0, np.nan]}, ValueError, "`values`"),
        ({"values": [[1.0, 2.0]]}, ValueError, "`values`"),
        ({"param": "q"}, ValueError, r"`param` must be one of \['k'\]"),
        ({"param": 1.5}, TypeError, "`param` must be a name"),
        ({"param": 3, "args": (1.0,)}, ValueError, "`param` is place 3"),
        ({"fun": 3}, TypeError, "`fun`"),
        ({"callback": 3}, TypeError, "`callback`"),
        ({"args": 3}, TypeError, "`args`"),
        ({"arclength": True, "fun_jac": lambda x, y, k: 0}, ValueError, "`fun_jac`"),
        ({"arclength": True, "max_step": 0.0}, ValueError, "`max_step`"),
        ({"arclength": True, "max_points": 0}, ValueError, "`max_points`"),
    ],
)
def test_what_does_not_fit(change, error, text):
    given = {"fun": bratu, "bc": fixed, "guess": ZERO, "param": "k", "values": [1.0, 2.0]} | change
    with pytest.raises(error, match=text):
        sm.continue_bvp(**given)


def test_a_branch_in_a_file(tmp_path):
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (2.0, 4.0), arclength=True)
    branch.save(tmp_path / "branch.npz")
    same = sm.load(tmp_path / "branch.npz")
    assert type(same) is type(branch)
    assert same.value.tolist() == branch.value.tolist()
    assert same.sol[3](0.3).tolist() == branch.sol[3](0.3).tolist()
    assert same.folds[0]["value"] == branch.folds[0].value
