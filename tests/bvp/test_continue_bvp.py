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
    assert len(axes.lines) == 3
    assert branch.plot(0).get_ylabel() == "largest |y0|"
    assert all(fold.value in axes.lines[0].get_xdata() for fold in branch.folds)  # no corner is cut
    assert len(repr(branch.folds)) < 100


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


class TestNextToFolds:
    @pytest.mark.parametrize("start", [3.5138, 3.51383])
    def test_a_start_that_is_nearly_the_fold(self, start):
        branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (start, 5.0), arclength=True)
        first, last = branch.sol[0](0.5)[0], branch.sol[-1](0.5)[0]
        assert branch.success
        assert branch.sheet[-1] == 1
        assert last > first + 1e-4
        assert_allclose(k_of(last), start, atol=1e-6)

    @pytest.mark.parametrize("end", [3.5, 3.51, 3.5138])
    def test_a_range_that_ends_before_the_fold(self, end):
        branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (0.5, end), arclength=True)
        assert branch.success
        assert branch.value[-1] == end
        assert not branch.folds
        assert branch.sheet[-1] == 0
        assert branch.slope[-1] > 0.0
        assert_allclose(k_of(branch.sol[-1](0.5)[0]), end, atol=1e-5)
        assert branch.sol[-1](0.5)[0] < 2.0 * np.log(np.cosh(THETA))

    def test_a_fold_with_few_nodes(self):
        branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (0.5, 4.0), arclength=True, max_nodes=10)
        if branch.success:
            assert abs(branch.folds[0].value - FOLD) < 1e-5
            assert branch.sheet[-1] == 1
        else:
            assert "fold" in branch.message or "step" in branch.message


class TestJumps:
    def test_a_cubic(self):
        """y**3 - y = k from y = -1.19: the branch ends at k = 2/sqrt(27)."""
        branch = sm.continue_bvp(
            lambda x, y, k: 0 * y,
            lambda ya, yb, k: ya**3 - ya - k,
            (X, -np.ones((1, 5))),
            "k",
            np.linspace(-0.5, 0.5, 11),
        )
        assert not branch.success
        assert branch.value[-1] < 2 / np.sqrt(27)
        assert max(sol(0.5)[0] for sol in branch.sol) < 0.0

    def test_over_the_fold_of_an_s_curve(self):
        def fun(x, y, k):
            return np.vstack([y[1], -k * np.exp(y[0] / (1 + 0.2 * y[0]))])

        branch = sm.continue_bvp(fun, fixed, ZERO, "k", [1.0, 4.6, 4.7])
        assert not branch.success
        assert branch.value.tolist() == [1.0, 4.6]
        assert "far away" in branch.message or "Newton" in branch.message

    def test_up_and_back(self):
        branch = sm.continue_bvp(bratu, fixed, ZERO, "k", [1.0, 2.0, 1.0])
        assert branch.success
        assert_allclose(branch.sol[0](0.5), branch.sol[2](0.5), atol=1e-5)


def test_a_loaded_branch_works_as_the_saved_one(tmp_path):
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", (0.5, 4.0), arclength=True)
    branch.save(tmp_path / "branch.npz")
    same = sm.load(tmp_path / "branch.npz")
    assert same.folds[0].value == branch.folds[0].value
    assert same.results[0].y.tolist() == branch.results[0].y.tolist()
    assert repr(same) == repr(branch)
    on = sm.continue_bvp(bratu, fixed, same.results[-1], "k", (0.5, 0.1))
    assert on.success


@pytest.mark.parametrize("observe", [5, -1, "a", 1.5])
def test_what_cannot_be_observed(observe):
    branch = sm.continue_bvp(bratu, fixed, ZERO, "k", [1.0, 2.0])
    with pytest.raises(ValueError, match="`observe`"):
        branch.plot(observe)


def test_options_that_are_none():
    with pytest.raises(TypeError, match="`sensitivity` is no option"):
        sm.continue_bvp(bratu, fixed, ZERO, "k", [1.0, 2.0], sensitivity=True)
