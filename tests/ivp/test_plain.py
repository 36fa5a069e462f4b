"""f of Python: a march that asks Python for f alone, against the long way and against closed forms."""

import math
import os
import signal
import threading
import traceback

import numpy as np
import pytest
import scipy.integrate
from numpy.testing import assert_allclose, assert_array_equal

import sigmode as sm
from sigmode.ivp import error, quick_plain
from sigmode.ivp.march import March
from sigmode.ivp.quick_plain import QuickPlain
from sigmode.user.field import VectorField

PROBLEMS = {
    "decay": (lambda t, y: -y, (0.0, 5.0), [1.0]),
    "backwards": (lambda t, y: [-y[0] + math.sin(t)], (3.0, -2.0), [1.0]),
    "Lotka-Volterra": (lambda t, y: (1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]), (0.0, 15.0), [10.0, 5.0]),
    "pendulum": (lambda t, y: [y[1], -math.sin(y[0])], (0.0, 10.0), [2.0, 0.0]),
    "kink": (lambda t, y: [abs(math.sin(t)) - y[0]], (0.0, 7.0), [0.5]),
    "branch": (lambda t, y: [1.0 if t < 1.0 / 3.0 else -y[0]], (0.0, 2.0), [0.0]),
    "stiff": (lambda t, y: [-1e5 * (y[0] - math.cos(t))], (0.0, 3.0), [0.0]),
    "at rest": (lambda t, y: [y[1], 0.0, -y[2]], (0.0, 4.0), [0.0, 0.0, 1.0]),
    "six": (lambda t, y: np.roll(y, 1) - 2.0 * y + np.sin(t), (0.0, 6.0), np.arange(6.0)),
}


def impure(fun, calls):
    """The same function, which notes its calls."""

    def noting(t, y):
        calls.append(t)
        return fun(t, y)

    return noting


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("name", PROBLEMS)
def test_as_the_long_way(monkeypatch, name, rtol):
    fun, span, y0 = PROBLEMS[name]
    options = {"rtol": rtol, "atol": 1e-2 * rtol, "t_eval": np.linspace(*span, 50)}
    quick = sm.solve_ivp(fun, span, y0, **options)
    with monkeypatch.context() as patch:
        patch.setattr("sigmode.ivp.solve_ivp.shortcut", lambda otherwise, *args: otherwise)
        long = sm.solve_ivp(fun, span, y0, **options)
    assert quick.success
    assert long.success
    bound = 2.0 * (1e-2 * rtol + rtol * abs(long.y).max(axis=1, keepdims=True))
    assert (abs(quick.y - long.y) <= bound).all()
    assert (abs(quick.error - long.error) <= bound).all()
    assert_array_equal(quick.t, long.t)
    assert sorted(quick) == sorted(long)


@pytest.mark.parametrize("name", PROBLEMS)
def test_one_t_and_one_y_for_what_notes_its_calls(name):
    fun, span, y0 = PROBLEMS[name]
    calls = []
    res = sm.solve_ivp(impure(fun, calls), span, y0, rtol=1e-6, atol=1e-8)
    pure = sm.solve_ivp(fun, span, y0, rtol=1e-6, atol=1e-8)
    assert res.success
    assert all(isinstance(t, float) for t in calls)
    assert min(span) <= min(calls) <= max(calls) <= max(span)
    assert 0.3 * len(calls) < res.nfev <= len(calls)  # those for differences do not count
    at = np.linspace(*span, 40)
    assert_allclose(res.sol(at), pure.sol(at), rtol=0, atol=2e-6 * (1e-2 + abs(pure.y).max()))


def test_df_dy_of_each_node_saves_sweeps():
    """Newton's steps with it are few: less calls for whole windows, and what the iteration leaves is far below."""
    fun, span, y0 = PROBLEMS["Lotka-Volterra"]
    counted = {}
    for pure in (True, False):
        original, asked = March._answer, []
        March._answer = lambda self, points, asked=asked, original=original: (
            asked.append(points) or original(self, points)
        )
        try:
            sm.solve_ivp(fun if pure else impure(fun, []), span, y0, rtol=1e-8, atol=1e-10)
        finally:
            March._answer = original
        counted[pure] = len([points for points in asked if points])
    assert counted[True] < 0.85 * counted[False]


@pytest.mark.parametrize("kind", [ValueError, ZeroDivisionError, SystemExit, KeyboardInterrupt, StopIteration])
@pytest.mark.parametrize("pure", [True, False])
@pytest.mark.parametrize("method", ["sigmode", "scipy"])
def test_exceptions_come_from_f(kind, pure, method):
    run = sm.solve_ivp if method == "sigmode" else scipy.integrate.solve_ivp
    for at in (1, 2, 7, 60, 300, 900):
        calls, raised = [], kind("no more")

        def fun(t, y, calls=calls, at=at, raised=raised):
            calls.append(t)
            if len(calls) == at:
                raise raised
            return [y[1], -math.sin(y[0])]

        with pytest.raises(kind) as caught:
            run(fun, (0, 30), [1.0, 0.0], method=sm.NeuralCollocation, rtol=1e-8, atol=1e-10)
        assert caught.value is raised
        assert "in fun" in "".join(traceback.format_exception(caught.value))
        assert len(calls) == at
    if pure:  # found out by a call for many points, it is what single calls raise
        with pytest.raises(ZeroDivisionError):
            run(lambda t, y: [1.0 / (1 if t < 1.0 else 0)], (0, 2), [0.0], method=sm.NeuralCollocation)


def solve_again_and_again(fun):
    for _ in range(100):
        sm.solve_ivp(fun, (0, 3000), [2.0, 0.0], rtol=1e-6)


def test_an_interrupt_ends_a_solve():
    def fun(t, y):
        return [y[1], 1000.0 * (1.0 - y[0] ** 2) * y[1] - y[0]]

    for delay in (0.001, 0.004, 0.011, 0.03):
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            solve_again_and_again(fun)
        timer.join()


def test_f_may_solve_a_problem_itself():
    def fun(t, y):
        inner = sm.solve_ivp(lambda s, z: -z, (0.0, 1.0), [y[0]], rtol=1e-9, atol=1e-12)
        return [-inner.y[0, -1]]

    res = sm.solve_ivp(fun, (0, 2), [1.0], rtol=1e-6, atol=1e-8)
    assert res.success
    assert_allclose(res.y[0, -1], math.exp(-2.0 * math.exp(-1.0)), rtol=1e-5)


def test_no_other_march_where_f_is_noisy(monkeypatch):
    """The march notes the noise and goes on."""
    marches = []
    original = quick_plain.March

    monkeypatch.setattr(quick_plain, "March", lambda *given: marches.append(1) or original(*given))
    res = sm.solve_ivp(lambda t, y: np.round(-y + np.sin(t), 4), (0, 5), [1.0], rtol=1e-6, atol=1e-6)
    assert "scatters by about" in res.message
    assert 1 <= len(marches) <= 2


@pytest.mark.parametrize("tol", 10.0 ** -np.arange(3.0, 7.1, 0.5))
def test_luck_does_not_decide_where_errors_grow_a_million_times(tol):
    """An attempt may be far better than the next one, by chance, and still not good enough."""
    lorenz = lambda t, y: [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]
    res = sm.solve_ivp(lorenz, (0, 20), [1.0, 1.0, 1.0], rtol=tol, atol=tol)
    assert res.success


def thrown(t, y):
    return [y[2], y[3], 0.0, -9.81]


def ground(t, y):
    return y[1]


ground.terminal, ground.direction = True, -1


@pytest.mark.parametrize("t_eval", [None, np.linspace(0.5, 12, 24)])
@pytest.mark.parametrize("count", [1, 2])
def test_events_end_the_march(t_eval, count):
    """f is not called behind the window in which it ends, and the result is cut off where it ends."""
    calls = []
    hit = lambda t, y: math.sin(t)
    hit.terminal = count
    fun = impure(lambda t, y: [-y[1], y[0]], calls)
    res = sm.solve_ivp(fun, (0.5, 1000), [1.0, 0.0], events=[hit, lambda t, y: y[0]], rtol=1e-8, t_eval=t_eval)
    end = count * math.pi
    assert (res.status, res.success) == (1, True)
    assert res.message == "A termination event occurred."
    assert_allclose(res.t_events[0], math.pi * np.arange(1, count + 1), rtol=1e-13)
    assert_allclose(res.t_events[1], 0.5 + math.pi * (np.arange(len(res.t_events[1])) + 0.5), rtol=1e-7)
    assert max(calls) < end + 20.0
    assert res.sol.span == (0.5, res.t_events[0][-1])
    assert_allclose(res.y, [np.cos(res.t - 0.5), np.sin(res.t - 0.5)], atol=1e-7)
    assert res.error.shape == res.y.shape
    assert (res.error[:, 1:] > 0.0).all()
    assert t_eval is None or (res.t == t_eval[t_eval <= end]).all()
    assert t_eval is not None or res.t[-1] == res.t_events[0][-1]


def test_a_throw_by_the_long_way_and_the_short_one(monkeypatch):
    given = (thrown, (0, 100), [0.0, 1.0, 50.0, 50.0])
    quick = sm.solve_ivp(*given, events=ground)
    with monkeypatch.context() as patch:
        patch.setattr("sigmode.ivp.solve_ivp.shortcut", lambda otherwise, *args: otherwise)
        long = sm.solve_ivp(*given, events=ground)
    assert_allclose(quick.t_events[0], (50.0 + math.sqrt(2500.0 + 2 * 9.81)) / 9.81, rtol=1e-6)
    assert_allclose(quick.t_events[0], long.t_events[0], rtol=1e-9)
    assert_allclose(quick.y_events[0], long.y_events[0], rtol=1e-6, atol=1e-9)
    assert (quick.status, quick.message) == (long.status, long.message)


def test_an_attempt_with_wrong_calls_for_many_points_is_made_again(monkeypatch):
    """Single nodes are compared; the look between the nodes, at the latest, sees what they missed."""
    monkeypatch.setattr("sigmode.user.field.is_pure", lambda *given: True)
    rng = np.random.default_rng(0)
    for _ in range(40):
        c, end, rtol = rng.uniform(0.5, 4.0), rng.uniform(4.0, 6.0), 10.0 ** rng.uniform(-6, -2)
        res = sm.solve_ivp(
            lambda t, y, c: -y + (np.max(t) > c), (0, end), [0.2] * 3, args=(c,), rtol=rtol, atol=1e-2 * rtol
        )
        before = 0.2 * math.exp(-c)
        exact = np.where(res.t < c, 0.2 * np.exp(-res.t), 1.0 + (before - 1.0) * np.exp(-(res.t - c)))
        assert res.success
        assert_allclose(res.y, np.tile(exact, (3, 1)), rtol=0, atol=3.1 * rtol)


def rober(t, y):
    a, b, c = -0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
    return np.array([a + b, -a - b - c, c])


class TestGrowth:
    """Growth of errors that differences to one side show is looked at again by differences to both."""

    @staticmethod
    def found(fun, y, h, small=0.0, s=10):
        y = np.array(y)
        field = VectorField(fun, y.size, y.dtype, False)
        slope, small = field(0.0, y), np.full(y.size, small)
        J = field.jacobian(0.0, y, slope, np.zeros(y.size), small)
        starts = np.zeros(1), y[None], np.array([h])
        by_eye = np.linalg.eigvals(J).real.max()
        return by_eye, error.fastest_growth(field, small, starts, J[None], error.followed(starts[2], s))

    def test_what_is_conserved_does_not_grow(self):
        by_eye, found = self.found(rober, [2.25773281e-8, 9.03093145e-14, 0.999999977], 7.8e9, small=1e-3)
        assert by_eye > error.FOLLOWED * 10 / 7.8e9
        assert found == 0.0

    def test_f_need_not_be_defined_on_both_sides(self):
        for root in (math.sqrt, np.sqrt):
            fun = lambda t, y, root=root: [5.0 * y[0] + root(y[1]), 0.0]
            assert_allclose(self.found(fun, [1.0, 0.0], 5.0, small=1e-3)[1], 5.0)

    @pytest.mark.parametrize("away", [1e-5, 1e-7, 1e-10, 0.0])
    def test_growth_on_one_side_of_a_kink_is_growth(self, away):
        for start in (1.0 + away, away):
            fun = lambda t, y, kink=start - away: 300.0 * abs(y - kink)
            assert_allclose(self.found(fun, [start], 0.1, small=1e-3)[1], 300.0, rtol=1e-3)

    def test_one_attempt_is_enough(self, monkeypatch):
        seen = []
        attempt = QuickPlain._attempt
        monkeypatch.setattr(QuickPlain, "_attempt", lambda *given: seen.append(attempt(*given)) or seen[-1])
        res = sm.solve_ivp(rober, (0, 1e11), [1.0, 0.0, 0.0], rtol=1e-4, atol=1e-7)
        assert res.success
        assert len(seen) == 1
        assert seen[0].missed()[1] > 0  # f was looked at between the nodes


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_second_march_in_one_call_is_that_of_many(monkeypatch, name, rtol):
    """To the last bit, calls of f included."""
    fun, span, y0 = PROBLEMS[name]

    def window_by_window(field, window, windows, u, first, small):
        weights = window.atol, window.rtol
        return error.one_by_one(field, window.basis, windows, u, first, weights, small, watch=lambda news: None)

    solved = []
    for patched in (False, True):
        if patched:
            monkeypatch.setattr(error, "_in_one_call", window_by_window)
        calls = []
        res = sm.solve_ivp(impure(fun, calls), span, y0, rtol=rtol, atol=1e-2 * rtol)
        assert res.success
        solved.append((res, calls))
    (one, its_calls), (many, their_calls) = solved
    assert_array_equal(one.y, many.y)
    assert_array_equal(one.error, many.error)
    assert (one.njev, one.nlu) == (many.njev, many.nlu)
    if name in ("kink", "branch"):  # df/dy is made at the first node behind a kink, where many calls ask for f twice
        assert set(its_calls) == set(their_calls)
        assert 0 < many.nfev - one.nfev == len(their_calls) - len(its_calls) < 20
    else:
        assert its_calls == their_calls
        assert one.nfev == many.nfev


@pytest.mark.parametrize("name", ["decay", "friction"])
def test_an_exception_in_the_second_march_comes_from_f(name):
    """What takes it is kept until then: methods of lists that f makes came to where it had been, and it was lost."""
    lists = []

    def solved(calls_that_are_answered):
        seen = []

        def fun(t, y):
            seen.append(t)
            if len(seen) > calls_that_are_answered:
                raise KeyError("gone")
            lists.append([].append)
            return -y if name == "decay" else np.array([y[1], math.cos(t) - y[0] - (0.3 if y[1] > 0.0 else -0.3)])

        res = sm.solve_ivp(fun, (0, 5), [1.0] if name == "decay" else [1.0, 0.5])
        return res, len(seen)

    res, calls = solved(math.inf)
    assert res.success
    for at in range(0, calls, 1 if name == "decay" else 7):
        with pytest.raises(KeyError, match="gone"):
            solved(at)
