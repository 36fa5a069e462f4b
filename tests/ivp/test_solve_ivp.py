"""`sm.solve_ivp`: the global error, and what bad input and sick right-hand sides get."""

import math
import os
import pickle
import signal
import threading
import warnings

import numba
import numpy as np
import pytest
import scipy.integrate
from numpy.testing import assert_allclose, assert_equal
from scipy.sparse import diags_array

import sigmode as sm
from sigmode.user.growth import fastest

DECAY = (lambda t, y: -y, (0.0, 2.0), [1.0])


def circle(t, y):
    return np.array([y[1], -y[0]])


# Name: f, span, y0, exact solution
CLOSED = {
    "decay": (lambda t, y: -y, (0, 20), [1.0], lambda t: np.exp(-t)[None]),
    "A2": (lambda t, y: -(y**3) / 2, (0, 20), [1.0], lambda t: (1 + t)[None] ** -0.5),
    "A3": (lambda t, y: y * np.cos(t), (0, 20), [1.0], lambda t: np.exp(np.sin(t))[None]),
    "A4": (lambda t, y: y / 4 * (1 - y / 20), (0, 20), [1.0], lambda t: 20 / (1 + 19 * np.exp(-t / 4))[None]),
    "logistic": (lambda t, y: y * (1 - y), (0, 10), [0.01], lambda t: 1 / (1 + 99 * np.exp(-t))[None]),
    "circle": (circle, (0, 30), [0.0, 1.0], lambda t: np.array([np.sin(t), np.cos(t)])),
    "backward": (circle, (3, -4), [np.sin(3), np.cos(3)], lambda t: np.array([np.sin(t), np.cos(t)])),
    "growth": (lambda t, y: y, (0, 10), [1.0], lambda t: np.exp(t)[None]),
    "stiff": (lambda t, y: -1e6 * (y - np.sin(t)) + np.cos(t), (0, 6), [0.0], lambda t: np.sin(t)[None]),
    "cos 4t": (lambda t, y: y * np.cos(4 * t), (0, 6), [1.0], lambda t: np.exp(np.sin(4 * t) / 4)[None]),
    "Lagaris 4": (
        lambda t, y: [
            np.cos(t) + y[0] ** 2 + y[1] - (1 + t**2 + np.sin(t) ** 2),
            2 * t - (1 + t**2) * np.sin(t) + y[0] * y[1],
        ],
        (0, 3), [0.0, 1.0], lambda t: np.array([np.sin(t), 1 + t**2]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("name", CLOSED)
def test_the_error_is_within_the_tolerance_and_the_estimate_tells_it(name, tol):
    fun, span, y0, exact = CLOSED[name]
    res = sm.solve_ivp(fun, span, y0, rtol=tol, atol=tol)
    assert res.success
    t = np.linspace(*span, 3001)
    true, estimate = abs(res.sol(t) - exact(t)), res.sol.error(t)
    assert (true <= 3 * (tol + tol * abs(exact(t)))).all()
    assert 0.3 < estimate.max() / true.max() < 3
    assert_allclose(res.error, res.sol.error(res.t))
    assert res.error.shape == res.y.shape


def test_tightens_until_the_global_error_meets_the_tolerance():
    def lorenz(t, y):
        return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])

    t = np.linspace(0, 20, 1001)
    arguments = {"t_span": (0, 20), "y0": [1.0, 1.0, 1.0], "t_eval": t}
    exact = scipy.integrate.solve_ivp(lorenz, method="DOP853", rtol=2.3e-14, atol=1e-14, **arguments).y
    bound = 1e-4 + 1e-4 * abs(exact)
    loose = sm.solve_ivp(lorenz, rtol=1e-4, atol=1e-4, error_control="local", **arguments)
    tight = sm.solve_ivp(lorenz, rtol=1e-4, atol=1e-4, **arguments)
    assert loose.success
    assert (abs(loose.y - exact) > 3 * bound).any()
    assert (loose.error > bound).any()
    assert tight.success
    assert (abs(tight.y - exact) <= bound).all()
    assert tight.nfev > loose.nfev


def test_refuses_lorenz_beyond_predictability():
    def lorenz(t, y):
        return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])

    res = sm.solve_ivp(lorenz, (0, 60), [1.0, 1.0, 1.0], rtol=1e-6, atol=1e-9)
    assert not res.success
    assert res.status == -2
    assert "could not be" in res.message
    assert res.t[-1] == 60.0
    assert (res.error[:, -1] > 1.0).all()
    assert (res.error[:, res.t < 5] < 1e-6).all()
    early = sm.solve_ivp(lorenz, (0, 10), [1.0, 1.0, 1.0], rtol=1e-6, atol=1e-9)
    assert early.success
    assert_allclose(early.y[:, -1], [-4.90268754113, -3.74387292180, 24.6908581028], rtol=1e-6)


@pytest.mark.parametrize("width", [0.3, 0.05, 0.02])
def test_a_pulse_after_a_quiet_time_is_seen_or_refused(width):
    from scipy.special import erf

    t = np.linspace(0, 10, 2001)
    for centre in np.linspace(0.5, 9.4, 12):
        res = sm.solve_ivp(lambda t, y, c=centre: [np.exp(-(((t - c) / width) ** 2))], (0, 10), [0.0], rtol=1e-6)
        exact = width * np.sqrt(np.pi) / 2 * (erf((t - centre) / width) + erf(centre / width))
        assert not res.success or (abs(res.sol(t)[0] - exact) <= 3 * (1e-6 + 1e-6 * exact)).all()


JUMPS = {
    "step": (lambda c: lambda t, y: np.array([float(t > c)]), lambda t, c: 1 + np.maximum(t - c, 0)),
    "relaxation": (
        lambda c: lambda t, y: -y + (t > c),
        lambda t, c: np.exp(-t) + np.where(t > c, 1 - np.exp(-np.maximum(t - c, 0)), 0),
    ),
    "stiff": (
        lambda c: lambda t, y: -1e4 * (y - (t > c)),
        lambda t, c: np.exp(-1e4 * t) + np.where(t > c, 1 - np.exp(-1e4 * np.maximum(t - c, 0)), 0),
    ),
    "of the state": (
        lambda c: lambda t, y: np.array([1.0 if y[0] < 1 + c else 3.0]),
        lambda t, c: 1 + t + 2 * np.maximum(t - c, 0),
    ),
}


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("name", JUMPS)
def test_jumps_are_never_stepped_over(name, tol):
    make, exact = JUMPS[name]
    t = np.linspace(0, 10, 1501)
    for c in np.random.default_rng(1).uniform(0.5, 9.5, 20):
        res = sm.solve_ivp(make(c), (0, 10), [1.0], rtol=tol, atol=tol)
        assert not res.success or (abs(res.sol(t)[0] - exact(t, c)) <= 3 * (tol + tol * exact(t, c))).all()


@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("start", [1e-6, 1e-12, 1e-30])
def test_growth_is_not_damped_away(start, tol):
    t = np.linspace(0, 12, 1501)
    exact = 1 / (1 + (1 / start - 1) * np.exp(-10 * t))
    res = sm.solve_ivp(lambda t, y: 10 * y * (1 - y), (0, 12), [start], rtol=tol, atol=tol)
    assert not res.success or (abs(res.sol(t)[0] - exact) <= 3 * (tol + tol * exact)).all()
    assert res.success or tol < 1e-8 or start < 1e-20


@pytest.mark.parametrize("kind", ["plain", "point by point", "compiled"])
def test_an_error_that_rounding_feeds_is_refused(kind):
    """cos t and exp(50((t - 1)^2 - 1)): below rounding at t = 1, of size 1e65 at the end."""
    fun = lambda t, y: 100 * (t - 1) * (y - np.cos(t)) - np.sin(t)
    if kind == "compiled":
        fun = numba.njit(fun)
    elif kind == "point by point":
        fun = lambda t, y: [100 * (t - 1) * (float(y[0]) - math.cos(t)) - math.sin(t)]
    for tol in 10.0 ** -np.arange(1.0, 8.1, 0.5 if kind == "point by point" else 0.25):  # luck must not decide
        assert not sm.solve_ivp(fun, (0, 3), [2.0], rtol=tol, atol=tol).success


@pytest.mark.parametrize("kind", ["plain", "compiled", "in SciPy's loop"])
def test_the_border_of_a_domain_is_named_where_windows_shrink_to_it(kind):
    """Windows behind the border have NaN, those before it are only too long: the last one is not to blame."""
    fun = lambda t, y: [-np.sqrt(y[0]) - 0.1]
    if kind == "in SciPy's loop":
        res = scipy.integrate.solve_ivp(fun, (0, 10), [1.0], method=sm.NeuralCollocation)
    else:
        res = sm.solve_ivp(
            numba.njit(lambda t, y: (-np.sqrt(y[0]) - 0.1,)) if kind == "compiled" else fun, (0, 10), [1.0]
        )
    assert res.status == -1
    assert "`fun` returned a value that is not finite at t = 1.52042, component 0" in res.message


def test_growth_of_complex_equations_is_that_of_the_whole_matrix():
    """[[0, i k], [-i k, 0]] has the eigenvalues k and -k; its real part none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        res = sm.solve_ivp(lambda t, y: [1j * y[0], (-1 + 5j) * y[1]], (0, 20), [1 + 0j, 1j])
        assert res.success
        J = np.array([[[0, 6j], [-6j, 0]], [[2j, 0], [0, 1 + 1j]]])
        assert fastest(J) == pytest.approx([6.0, 1.0])
        assert fastest(J[1:, 1:, 1:]) == [1.0]


AT_REST = {
    "a gear": (lambda t, y: np.array([y[1], -y[0] * np.floor(y[2]), 0 * y[2]]), (0, 10), [1.0, 0.0, 2.0]),
    "a switch": (lambda t, y: np.array([-y[0] + 1.0 * (y[1] >= 1.0), 0 * y[1]]), (0, 30), [0.0, 1.0]),
    "the border of a domain": (lambda t, y: np.array([np.sqrt(1 - y[0]), -y[1]]), (0, 10), [1.0, 1.0]),
}


@pytest.mark.parametrize(
    ("name", "k", "compiled"),
    [
        ("a gear", 2, False),
        ("a gear", 2, True),
        ("a switch", 1, False),
        ("a switch", 1, True),
        ("the border of a domain", 0, True),  # differences of plain f reach across it
    ],
)
def test_the_estimate_leaves_at_rest_what_does_not_move(name, k, compiled):
    fun, span, y0 = AT_REST[name]
    res = sm.solve_ivp(numba.njit(fun) if compiled else fun, span, y0, max_step=5.0)
    assert res.success
    assert res.nfev < 5000
    assert (res.y[k] == y0[k]).all()
    assert (res.error[k] < 1e-12).all()


def test_as_many_windows_as_you_like():
    for fun in (lambda t, y: -y, numba.njit(lambda t, y: -y)):
        assert sm.solve_ivp(fun, (0, 1), [1.0], max_windows=10**30).success


@pytest.mark.parametrize("jac", [1e300 * np.eye(2), 1e8 * np.eye(2), 0 * np.eye(2), lambda t, y: 3 * np.eye(2)])
def test_a_wrong_jacobian_is_seen_and_replaced(jac):
    with pytest.warns(UserWarning, match="`jac` does not agree"):
        res = sm.solve_ivp(circle, (0, 30), [0.0, 1.0], rtol=1e-6, atol=1e-6, jac=jac)
    assert res.success
    assert_allclose(res.y[0], np.sin(res.t), atol=3e-6)


def test_a_wrong_sparse_jac_is_replaced_by_sparse_differences():
    """Column by column it would take 400 calls of f for each df/dy."""
    n, calls = 400, []

    def fun(t, y):
        calls.append(t)
        return np.diff(np.concatenate([[0.0], y, [0.0]]), 2)

    minus = -diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1], format="csc")
    with pytest.warns(UserWarning, match="`jac` does not agree"):
        res = scipy.integrate.solve_ivp(fun, (0, 1), np.ones(n), method=sm.NeuralCollocation, jac=lambda t, y: minus)
    assert res.success
    assert len(calls) < res.nfev + 10 * res.njev + 20


def test_complex_values():
    res = sm.solve_ivp(lambda t, y: 1j * y, (0, 20), [1.0 + 0j], rtol=1e-8, atol=1e-8)
    assert res.success
    t = np.linspace(0, 20, 101)
    assert abs(res.sol(t)[0] - np.exp(1j * t)).max() < 1e-8
    assert_allclose(res.sol(t, nu=1)[0], 1j * np.exp(1j * t), atol=1e-6)


def test_the_solution_has_derivatives_and_can_be_saved(tmp_path):
    res = sm.solve_ivp(circle, (0, 30), [0.0, 1.0], rtol=1e-9, atol=1e-9)
    t = np.linspace(0, 30, 1001)
    assert_allclose(res.sol(t, nu=1)[0], np.cos(t), atol=1e-7)
    assert_allclose(res.sol(t, nu=2)[0], -np.sin(t), atol=1e-5)
    assert_allclose(res.sol(res.t), res.y, rtol=1e-14, atol=1e-14)
    assert np.isnan(res.sol(31.0)).all()
    assert (res.sol.t_min, res.sol.t_max) == (0.0, 30.0)
    assert np.isin(res.sol.ts, res.t).all()
    res.sol.save(tmp_path / "circle")
    again = sm.Solution.load(tmp_path / "circle")
    assert_equal(again(t), res.sol(t))
    assert_equal(again.error(t), res.sol.error(t))
    assert_equal(pickle.loads(pickle.dumps(res)).sol(t), res.sol(t))


def test_scipys_dense_output_becomes_one_solution():
    res = scipy.integrate.solve_ivp(
        circle, (0, 30), [0.0, 1.0], method=sm.NeuralCollocation, rtol=1e-9, atol=1e-9, dense_output=True
    )
    sol = sm.Solution.from_ode_solution(res.sol)
    t = np.linspace(0, 30, 777)
    assert_allclose(sol(t), res.sol(t), rtol=1e-13, atol=1e-13)
    assert_allclose(sol(t, nu=1)[1], -np.sin(t), atol=1e-7)
    other = scipy.integrate.solve_ivp(circle, (0, 1), [0.0, 1.0], dense_output=True)
    with pytest.raises(ValueError, match="`sol`"):
        sm.Solution.from_ode_solution(other.sol)
    for wrong in (res, None):
        with pytest.raises(ValueError, match=r"`sol` must be `res\.sol`"):
            sm.Solution.from_ode_solution(wrong)


def test_events_are_found_within_a_window():
    zero = lambda t, y: y[0]
    res = sm.solve_ivp(circle, (0, 100), [0.0, 1.0], rtol=1e-10, atol=1e-10, events=zero)
    assert_allclose(res.t_events[0][-31:], np.pi * np.arange(1, 32), rtol=1e-9)
    for tol in (1e-3, 1e-6, 1e-9):
        res = scipy.integrate.solve_ivp(
            circle, (0, 100), [0.1, 1.0], method=sm.NeuralCollocation, rtol=tol, atol=tol, events=zero
        )
        assert len(res.t_events[0]) == 31
    pair = lambda t, y: y[0] - 0.9
    for tol in (1e-3, 1e-6, 1e-9):
        assert len(sm.solve_ivp(circle, (0, 100), [0.0, 1.0], rtol=tol, atol=tol, events=pair).t_events[0]) == 32


def test_terminal_event_ends_the_solution():
    ground = lambda t, y: y[0]
    ground.terminal, ground.direction = True, -1
    res = sm.solve_ivp(lambda t, y: [y[1], -9.81], (0, np.inf), [1.0, 5.0], events=ground, rtol=1e-9, atol=1e-12)
    assert res.status == 1
    fall = (5 + np.sqrt(25 + 2 * 9.81)) / 9.81
    assert_allclose(res.t_events[0], [fall], rtol=1e-9)
    assert res.t[-1] == res.sol.x[-1] == res.t_events[0][0]
    assert_allclose(res.sol(fall / 2)[0], 1 + 5 * fall / 2 - 9.81 * fall**2 / 8)


@pytest.mark.parametrize("kwargs", [{"t_eval": np.linspace(0, 2, 7)}, {"t_eval": [0.5, 1.0]}, {"args": (3.0,)}])
def test_scipys_arguments(kwargs):
    fun = (lambda t, y, a: -a * y) if "args" in kwargs else DECAY[0]
    rate = kwargs.get("args", (1.0,))[0]
    res = sm.solve_ivp(fun, (0, 2), [1.0], **kwargs)
    if "t_eval" in kwargs:
        assert_equal(res.t, kwargs["t_eval"])
    assert_allclose(res.y[0], np.exp(-rate * res.t), rtol=1e-3)
    assert res.error.shape == (1, len(res.t))


def test_an_event_at_the_start_that_ends_it():
    start = lambda t, y: y[0]
    start.terminal = True
    res = sm.solve_ivp(circle, (0, 10), [0.0, 1.0], events=start)
    assert res.status == 1
    assert_equal(res.t_events[0], [0.0])


def test_the_message_names_the_way_out_where_atol_is_what_cannot_be_met():
    of_rounding = lambda t, y: [y[1], -y[0], y[0] ** 2 + y[1] ** 2 - 1.0]
    res = sm.solve_ivp(of_rounding, (0, 20), [0.0, 1.0, 0.0], rtol=1e-10, atol=0.0)
    assert not res.success
    assert "loosen it, `atol` above all" in res.message


def test_a_zero_that_is_passed_asks_for_nothing_special():
    assert sm.solve_ivp(circle, (0, 20), [0.0, 1.0], rtol=1e-10, atol=0.0).success


@pytest.mark.parametrize("compiled", [False, True])
def test_a_throw_from_the_ground_is_solved_once(compiled):
    def thrown(t, y):
        return np.array([y[1], -9.81 - 0.01 * y[1]])

    attempts = []
    res = sm.solve_ivp(
        numba.njit(thrown) if compiled else thrown,
        (0.0, 10.0),
        [0.0, 100.0],  # the height at the start is known to be 0: no error there to be held against atol
        callback=lambda intermediate_result: attempts.append(intermediate_result.attempt),
    )
    assert res.success
    assert set(attempts) == {1}


def test_unknown_options_warn_once():
    with pytest.warns(UserWarning, match="`min_step`") as seen:
        sm.solve_ivp(*DECAY, min_step=1e-3)
    assert len(seen) == 1


def test_t_eval_empty():
    res = sm.solve_ivp(*DECAY, t_eval=[])
    assert res.success
    assert res.t.shape == (0,)
    assert res.y.shape == (1, 0)
    assert res.error.shape == (1, 0)


def test_other_methods_only_with_local_control():
    res = sm.solve_ivp(*DECAY, method="RK45", error_control="local")
    assert res.success
    with pytest.raises(ValueError, match="error_control='local'"):
        sm.solve_ivp(*DECAY, method="RK45")
    with pytest.raises(ValueError, match="method"):
        sm.solve_ivp(*DECAY, method="RK54", error_control="local")


def test_callback_watches_and_stops():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result.t)
        if intermediate_result.t > 15:
            raise StopIteration

    res = sm.solve_ivp(circle, (0, 30), [0.0, 1.0], rtol=1e-8, atol=1e-8, callback=callback)
    assert not res.success
    assert "callback" in res.message
    assert len(seen) > 2
    assert 0 < res.t[-1] <= seen[-1] < 30


def test_a_callback_that_stops_a_later_attempt_ends_with_what_it_saw():
    """Lorenz is solved a second time, more accurately: the stop must not be lost."""
    seen = []

    def lorenz(t, y):
        return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])

    def callback(state):
        if state.phase == "estimate":
            return
        again = bool(seen) and state.t < seen[-1]
        seen.append(state.t)
        if again:
            raise StopIteration

    res = sm.solve_ivp(lorenz, (0, 20), [1.0, 1.0, 1.0], rtol=1e-4, atol=1e-4, callback=callback)
    assert seen[-1] < seen[-2]
    assert not res.success
    assert "`callback` stopped" in res.message
    assert res.t[-1] <= seen[-1]


def test_an_infinite_span_ends_at_its_event_however_far():
    """More windows than the limit for a march that is stuck."""
    event = lambda t, y: t - 6000.0
    event.terminal = True
    res = sm.solve_ivp(
        lambda t, y: np.array([y[1], -y[0]]), (0, np.inf), [0.0, 1.0], events=event, error_control="local"
    )
    assert res.status == 1
    assert res.t_events[0] == pytest.approx([6000.0])


# ---------------------------------------------------------------------------------------------------------
# Bad input: every row of the table, each under a timeout.


def same(n):
    return lambda t, y: np.zeros(n)


BAD = {
    "y0 2-D": ({"y0": [[1.0]]}, ValueError, "`y0` must be 1-dimensional"),
    "y0 scalar": ({"y0": 1.0}, ValueError, "`y0` must be 1-dimensional"),
    "y0 NaN": ({"y0": [np.nan]}, ValueError, "initial state `y0` must be finite"),
    "y0 inf": ({"y0": [np.inf]}, ValueError, "initial state `y0` must be finite"),
    "y0 strings": ({"y0": ["a"]}, ValueError, "`y0`"),
    "f complex": ({"fun": lambda t, y: 1j * y}, ValueError, "pass a complex `y0`"),
    "fun not callable": ({"fun": 3}, TypeError, "`fun` must be callable"),
    "fun too long": ({"fun": lambda t, y: [1.0, 2.0]}, ValueError, r"shape \(1,\).*shape \(2,\)"),
    "fun scalar for two": ({"fun": lambda t, y: 1.0, "y0": [1.0, 1.0]}, ValueError, r"shape \(2,\).*shape \(\)"),
    "fun column": ({"fun": lambda t, y: np.ones((2, 1)), "y0": [1.0, 1.0]}, ValueError, "flat array"),
    "fun None": ({"fun": lambda t, y: None}, ValueError, "None"),
    "fun strings": ({"fun": lambda t, y: ["a"]}, ValueError, "numbers"),
    "fun ragged": ({"fun": lambda t, y: [1.0, [2.0]], "y0": [1.0, 1.0]}, ValueError, "`fun`"),
    "t_span of three": ({"t_span": (0, 1, 2)}, ValueError, "`t_span`"),
    "t_span scalar": ({"t_span": 1.0}, TypeError, "`t_span`"),
    "t_span complex": ({"t_span": (0, 1j)}, TypeError, "`t_span`"),
    "t_span strings": ({"t_span": ("a", "b")}, TypeError, "`t_span`"),
    "t_span NaN": ({"t_span": (0, np.nan)}, ValueError, "`t_span`"),
    "t_span infinite": ({"t_span": (0, np.inf)}, ValueError, "`t_span` must be finite"),
    "t_span from infinity": ({"t_span": (-np.inf, 0)}, ValueError, "`t_span` must be finite"),
    "max_step 0": ({"max_step": 0}, ValueError, "`max_step` must be positive"),
    "max_step -1": ({"max_step": -1}, ValueError, "`max_step` must be positive"),
    "max_step NaN": ({"max_step": np.nan}, ValueError, "`max_step` must be positive"),
    "max_step string": ({"max_step": "a"}, TypeError, "`max_step`"),
    "first_step 0": ({"first_step": 0}, ValueError, "`first_step` must be positive"),
    "first_step beyond": ({"first_step": 5}, ValueError, "`first_step` exceeds bounds"),
    "rtol -1": ({"rtol": -1}, ValueError, "`rtol`"),
    "atol infinite": ({"atol": np.inf}, ValueError, "`atol` must be finite and not negative, got inf"),
    "rtol infinite": ({"rtol": np.inf}, ValueError, "`rtol` must be finite"),
    "rtol NaN": ({"rtol": np.nan}, ValueError, "`rtol`"),
    "rtol shape": ({"rtol": [1e-3, 1e-3]}, ValueError, "`rtol` has wrong shape"),
    "rtol string": ({"rtol": "a"}, ValueError, "`rtol`"),
    "atol -1": ({"atol": -1}, ValueError, "`atol`"),
    "atol NaN": ({"atol": np.nan}, ValueError, "`atol`"),
    "atol shape": ({"atol": [1e-3, 1e-3]}, ValueError, "`atol` has wrong shape"),
    "method typo": ({"method": "Neural"}, ValueError, "`method`"),
    "error_control typo": ({"error_control": "globl"}, ValueError, "`error_control`"),
    "t_eval outside": ({"t_eval": [0.0, 3.0]}, ValueError, "not within `t_span`, got 3.0 outside"),
    "t_eval unsorted": ({"t_eval": [1.0, 0.5]}, ValueError, "not properly sorted, got 0.5 after 1.0"),
    "t_eval twice": ({"t_eval": [1.0, 1.0]}, ValueError, "not properly sorted"),
    "t_eval 2-D": ({"t_eval": [[1.0]]}, ValueError, "`t_eval` must be 1-dimensional"),
    "t_eval NaN": ({"t_eval": [0.5, np.nan]}, ValueError, "`t_eval`"),
    "args no tuple": ({"args": 3.0}, TypeError, "args"),
    "event not callable": ({"events": 3}, TypeError, "`events`"),
    "event not callable in list": ({"events": [3]}, TypeError, "`events`"),
    "event array": ({"events": lambda t, y: [y[0], 1.0]}, ValueError, "`events` must return one real number"),
    "jac shape": ({"jac": np.eye(2)}, ValueError, "`jac` is expected to have shape"),
    "jac callable shape": ({"jac": lambda t, y: np.eye(2)}, ValueError, "`jac` is expected to have shape"),
    "jac of one row": ({"jac": [1.0, 2.0], "y0": [1.0, 1.0], "fun": circle}, ValueError, r"actually has \(2,\)"),
    "jac None": ({"jac": lambda t, y: None}, ValueError, "it gave None"),
    "jac_sparsity string": ({"jac_sparsity": "a"}, ValueError, "`jac_sparsity`"),
    "rtol number in a string": ({"rtol": "1e-3"}, ValueError, "`rtol`"),
    "jac_sparsity shape": ({"jac_sparsity": np.eye(2)}, ValueError, "`jac_sparsity` is expected to have shape"),
    "max_windows": ({"max_windows": 0}, ValueError, "`max_windows`"),
    "substeps": ({"substeps": 1.5}, TypeError, "`substeps`"),
    "callback": ({"callback": 3}, TypeError, "`callback`"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    changed, error, message = BAD[case]
    arguments = {"fun": DECAY[0], "t_span": DECAY[1], "y0": DECAY[2], **changed}
    with pytest.raises(error, match=message):
        sm.solve_ivp(**arguments)


@pytest.mark.timeout(30)
def test_input_that_is_fine():
    assert sm.solve_ivp(DECAY[0], (0, 2), [1]).y.dtype == float
    assert sm.solve_ivp(lambda t, y: -y[0], (0, 2), [1.0]).success  # one equation may return a number
    empty = sm.solve_ivp(lambda t, y: y, (0, 2), [])
    assert empty.success
    assert empty.y.shape[0] == 0
    assert empty.sol(1.0).shape == (0,)
    assert empty.sol([0.0, 1.0, 2.0]).shape == (0, 3)
    none = sm.solve_ivp(DECAY[0], (1.0, 1.0), [2.0])
    assert none.success
    assert_equal(none.y[0], [2.0, 2.0])
    assert_equal(none.sol(1.0), [2.0])
    assert_equal(none.error, 0.0)
    with pytest.warns(UserWarning, match="rtol"):
        assert sm.solve_ivp(*DECAY, rtol=0.0, atol=1e-6).success
    with pytest.warns(UserWarning, match="no effect"):
        assert sm.solve_ivp(*DECAY, nonsense=1).success
    with pytest.warns(UserWarning, match=r"`maxstep`\. Did you mean `max_step`\?$"):
        assert sm.solve_ivp(*DECAY, maxstep=1.0).success
    start = sm.solve_ivp(lambda t, y: np.cos(t) + 0 * y, (0, 1), [0.0], atol=0.0)
    assert start.success
    assert_allclose(start.y[0, -1], np.sin(1), rtol=1e-3)


def after(moment, value):
    return lambda t, y: np.array([value]) if t > moment else -y


RNG = np.random.default_rng(0)

SICK = {
    "NaN at t0": (lambda t, y: np.array([np.nan]), "not finite at t = 0, component 0"),
    "inf at t0": (lambda t, y: np.array([np.inf]), "not finite at t = 0, component 0"),
    "NaN later": (after(1.0, np.nan), "not finite"),
    "inf later": (after(1.0, np.inf), "not finite"),
    "blow-up": (lambda t, y: y**2, ""),
    "noise": (lambda t, y: RNG.normal(size=1), ""),
    "jump": (lambda t, y: np.array([1e30 if y[0] > 1.0 else 1.0]), ""),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", SICK)
def test_sick_right_hand_sides_end_with_a_status(case):
    fun, message = SICK[case]
    res = sm.solve_ivp(fun, (0, 2), [1.0], rtol=1e-6, atol=1e-9)
    assert not res.success
    assert res.status < 0
    assert message in res.message
    assert np.isfinite(res.y).all()
    if "later" in case:
        assert 0.9 < res.t[-1] <= 1.0
        assert_allclose(res.y[0], np.exp(-res.t), rtol=1e-5)


@pytest.mark.timeout(30)
def test_a_limit_on_windows_ends_with_a_status():
    res = sm.solve_ivp(circle, (0, 1e6), [0.0, 1.0], max_windows=50)
    assert res.status == -1
    assert "max_windows" in res.message


class OwnError(Exception):
    pass


@pytest.mark.parametrize("error", [OwnError, KeyboardInterrupt, ZeroDivisionError])
def test_what_fun_raises_passes_through(error):
    def fun(t, y):
        if t > 0.5:
            raise error("mine")
        return -y

    with pytest.raises(error, match="mine"):
        sm.solve_ivp(fun, (0, 1), [1.0])
    assert sm.solve_ivp(*DECAY).success


def test_fun_may_write_to_its_arguments_and_keep_its_result():
    kept = np.empty(2)

    def fun(t, y):
        kept[:] = y[1], -y[0]
        y[:] = np.nan
        return kept

    y0 = np.array([0.0, 1.0])
    res = sm.solve_ivp(fun, (0, 5), y0, rtol=1e-8, atol=1e-8)
    assert_allclose(res.y[0], np.sin(res.t), atol=1e-7)
    assert_equal(y0, [0.0, 1.0])


@pytest.mark.parametrize(
    "convert",
    [list, tuple, lambda f: np.asfortranarray(f), lambda f: np.asarray(f, dtype=object), lambda f: f.astype(">f8")],
)
def test_kinds_of_results(convert):
    res = sm.solve_ivp(lambda t, y: convert(np.array([y[1], -y[0]])), (0, 5), [0.0, 1.0], rtol=1e-8, atol=1e-8)
    assert_allclose(res.y[0], np.sin(res.t), atol=1e-7)


@pytest.mark.parametrize("jac", [np.array([[np.nan]]), lambda t, y: np.array([[np.nan]])])
def test_a_jacobian_that_is_not_finite_is_named(jac):
    res = sm.solve_ivp(*DECAY, jac=jac)
    assert res.status == -1
    assert "`jac`" in res.message


@pytest.mark.parametrize("scale", [1e-200, 1e-150, 1e150, 1e200])
def test_extreme_sizes(scale):
    res = sm.solve_ivp(lambda t, y: -y, (0, 5), [scale], rtol=1e-8, atol=1e-10 * scale)
    assert res.success
    assert_allclose(res.y[0], scale * np.exp(-res.t), rtol=1e-7)
    assert sm.solve_ivp(lambda t, y: -y, (0, 5), [scale], rtol=1e-8, atol=0.0).success


def test_spans_at_the_limits_of_floating_point():
    assert sm.solve_ivp(lambda t, y: -y, (0, 5e-324), [1.0]).success
    with pytest.raises(ValueError, match="too long"):
        sm.solve_ivp(lambda t, y: -y, (-1e308, 1e308), [1.0])


@pytest.mark.parametrize("span", [1e-12, 1e12])
def test_extreme_spans(span):
    res = sm.solve_ivp(lambda t, y: -y / span, (0, span), [1.0], rtol=1e-8, atol=1e-10)
    assert res.success
    assert_allclose(res.y[0], np.exp(-res.t / span), rtol=1e-7)


def test_far_from_zero():
    res = sm.solve_ivp(lambda t, y: [np.cos(t - 1e9)], (1e9, 1e9 + 3), [0.0], rtol=1e-6, atol=1e-6)
    assert res.success
    assert_allclose(res.y[0], np.sin(res.t - 1e9), atol=1e-6)


def test_no_warning_and_the_same_bits_again():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (sm.solve_ivp(lambda t, y: 1 - np.exp(y), (0, 5), [50.0], rtol=1e-8) for _ in range(2))
    assert_equal(first.y, second.y)
    assert_equal(first.error, second.error)


def test_threads():
    results = [None] * 8

    def work(k):
        results[k] = sm.solve_ivp(circle, (0, 10 + k), [0.0, 1.0], rtol=1e-9, atol=1e-9)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, res in enumerate(results):
        assert res.success
        assert_allclose(res.y[0, -1], np.sin(10 + k), atol=1e-8)


def end_of_a_circle(k):
    return sm.solve_ivp(circle, (0, 1 + k), [0.0, 1.0], rtol=1e-9, atol=1e-9).y[0, -1]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_process_pools(context):
    import multiprocessing

    end_of_a_circle(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads of another test
        with multiprocessing.get_context(context).Pool(2) as pool:
            assert_allclose(pool.map(end_of_a_circle, range(4)), np.sin(np.arange(1, 5)), atol=1e-8)


def test_ctrl_c():
    def fun(t, y):
        return circle(t, y)

    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sm.solve_ivp(fun, (0, 1e7), [0.0, 1.0], rtol=1e-10, atol=1e-10)
    finally:
        timer.cancel()
    assert sm.solve_ivp(*DECAY).success


@pytest.mark.parametrize("compile_it", [False, True])
def test_a_stopped_run_ends_with_the_window_that_the_callback_saw_last(compile_it):
    seen = []

    def watch(state):
        seen.append((state.t, state.y))
        if len(seen) == 3:
            raise StopIteration

    fun = lambda t, y: np.array([y[1], -y[0]])
    fun = numba.njit(fun) if compile_it else fun
    res = sm.solve_ivp(fun, (0, 100), [1.0, 0.0], rtol=1e-6, callback=watch)
    assert (res.status, res.success) == (-1, False)
    assert res.t[-1] == res.sol.x[-1] == seen[-1][0]
    assert_equal(res.y[:, -1], seen[-1][1])
    assert abs(res.y[0, -1] - np.cos(res.t[-1])) < 1e-4
