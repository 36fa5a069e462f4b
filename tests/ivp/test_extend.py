"""`res.extend`: the solution goes on, and the estimate of its error goes with it."""

import copy
import pickle

import numba
import numpy as np
import pytest
import scipy.integrate
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import diags_array

import sigmode as sm


def circle(t, y):
    return np.array([y[1], -y[0]])


def on_circle(t):
    return np.array([np.sin(t), np.cos(t)])


# Name: f, times, y0, exact solution
CLOSED = {
    "decay": (lambda t, y: -y, (0, 5, 9, 20), [1.0], lambda t: np.exp(-t)[None]),
    "growth": (lambda t, y: y, (0, 3, 6, 10), [1.0], lambda t: np.exp(t)[None]),
    "errors grow": (lambda t, y: 3 * (y - np.sin(t)) + np.cos(t), (0, 2, 3, 5), [0.0], lambda t: np.sin(t)[None]),
    "stiff": (lambda t, y: -1e4 * (y - np.sin(t)) + np.cos(t), (0, 2, 4, 6), [0.0], lambda t: np.sin(t)[None]),
    "circle": (circle, (0, 10, 20, 30), on_circle(0), on_circle),
    "backward": (circle, (30, 20, 10, 0), on_circle(30), on_circle),
    "compiled": (numba.njit(circle), (0, 10, 20, 30), on_circle(0), on_circle),
    "complex": (lambda t, y: 1j * y, (0, 5, 10, 30), [1.0 + 0j], lambda t: np.exp(1j * t)[None]),
    "nonlinear": (lambda t, y: y * (1 - y), (0, 4, 5, 12), [0.01], lambda t: 1 / (1 + 99 * np.exp(-t))[None]),
}


@pytest.mark.parametrize("tol", [1e-4, 1e-7, 1e-9])
@pytest.mark.parametrize("name", CLOSED)
def test_error_and_estimate_over_the_whole_span(name, tol):
    fun, times, y0, exact = CLOSED[name]
    res = sm.solve_ivp(fun, times[:2], y0, rtol=tol, atol=tol)
    parts = [res]
    for end in times[2:]:
        res = res.extend(end)
        parts.append(res)
    assert res.success
    assert res.sol.span == (times[0], times[-1])
    t = np.linspace(times[0], times[-1], 3001)
    true, estimate = abs(res.sol(t) - exact(t)), res.sol.error(t)
    assert (true <= 3 * (tol + tol * abs(exact(t)))).all()
    # What rounding does to the first windows may grow by exp(15), to 4e-10, unseen.
    rounding = 2.0**-53 * np.exp(3.0 * times[-1]) if name == "errors grow" else 0.0
    assert 0.3 * (true.max() - rounding) < estimate.max() < max(4 * true.max(), tol)
    assert_allclose(res.error, res.sol.error(res.t))
    assert (np.diff(res.t) * np.sign(times[-1] - times[0]) > 0).all()
    assert_allclose(res.y, res.sol(res.t), rtol=1e-12, atol=1e-13)
    assert parts[0].sol.span == times[:2]  # stays as it is
    first = t[(t - times[1]) * np.sign(times[1] - times[0]) < 0]
    assert_allclose(res.sol(first), parts[0].sol(first), rtol=1e-13, atol=1e-13)
    assert (res.sol.error(first) >= 0.999 * parts[0].sol.error(first)).all()
    assert_array_equal(res.sol.error(first[:300]), parts[0].sol.error(first[:300]))
    assert res.nfev > parts[0].nfev


@pytest.mark.parametrize(("how", "tol"), [(lambda f: f, 1e-5), (numba.njit, 1e-6)], ids=["plain", "compiled"])
def test_what_the_error_of_the_first_part_becomes(how, tol):
    """y' = 3 (y - sin t) + cos t: an error is 400 times as large after two units of time."""
    fun, _, y0, _ = CLOSED["errors grow"]
    res = sm.solve_ivp(how(fun), (0, 2), y0, rtol=tol, atol=tol)
    longer = res.extend(4)
    before, after = abs(res.sol(2.0)[0] - np.sin(2)), abs(longer.sol(4.0)[0] - np.sin(4))
    assert_allclose(after / before, np.exp(6), rtol=0.1)
    assert_allclose(longer.sol.error(4.0)[0], after, rtol=0.1)


def lorenz(t, y):
    return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])


@pytest.mark.parametrize("fun", [lorenz, numba.njit(lorenz)], ids=["plain", "compiled"])
def test_errors_of_many_parts_add_up_with_their_signs(fun):
    """Lorenz's equations in 16 parts: each adds its errors to those before, which grow and turn."""
    res = sm.solve_ivp(fun, (0, 5), [1.0, 1.0, 1.0], rtol=1e-7, atol=1e-7)
    for end in np.linspace(5, 9, 17)[1:]:
        res = res.extend(end)
    t = np.linspace(5, 9, 401)
    exact = scipy.integrate.solve_ivp(lorenz, (0, 9), [1.0] * 3, method="DOP853", t_eval=t, rtol=1e-13, atol=1e-13).y
    true = abs(res.sol(t) - exact).max(axis=1)
    assert_allclose(res.sol.error(t).max(axis=1), true, rtol=0.4)


def test_an_error_that_outgrows_the_tolerance_is_said():
    fun, _, y0, _ = CLOSED["errors grow"]
    res = sm.solve_ivp(fun, (0, 2), y0, rtol=1e-5, atol=1e-5).extend(7)
    assert (res.success, res.status) == (False, -2)
    assert "solve the whole span at once" in res.message
    true = abs(res.sol(7.0)[0] - np.sin(7))
    assert true > 2e-5
    assert_allclose(res.sol.error(7.0)[0], true, rtol=0.2)
    assert sm.solve_ivp(fun, (0, 7), y0, rtol=1e-5, atol=1e-5).success
    again = res.extend(7.5)
    assert again.status == -2
    assert_allclose(again.sol.error(7.5)[0], abs(again.sol(7.5)[0] - np.sin(7.5)), rtol=0.3)


def test_a_first_part_that_failed_its_tolerance_is_not_forgotten():
    relaxing = lambda t, y: -3 * (y - np.sin(t)) + np.cos(t) if t > 3 else 11 * (y - np.sin(t)) + np.cos(t)
    res = sm.solve_ivp(relaxing, (0, 3), [0.0], rtol=1e-8, atol=1e-8)
    assert res.status == -2
    whole = res.extend(20)
    assert (whole.status, whole.success) == (-2, False)
    assert whole.message.startswith(res.message)
    assert whole.error[0, -1] < 1e-7
    late = sm.solve_ivp(relaxing, (0, 3), [0.0], rtol=1e-8, atol=1e-8).extend(20).extend(25)
    assert (late.status, late.message) == (-2, whole.message)


def test_windows_of_different_widths_become_one_solution():
    """Where a part was solved again with tighter tolerances its windows have more functions."""
    tight = sm.solve_ivp(circle, (0, 5), on_circle(0), rtol=1e-10, atol=1e-10)
    loose = sm.solve_ivp(circle, (5, 9), on_circle(5), rtol=1e-4, atol=1e-4)
    for first, second in ((tight, loose), (sm.solve_ivp(circle, (1, 5), on_circle(1), rtol=1e-4, atol=1e-4), tight)):
        from sigmode.ivp.extension import _one_solution

        if second is tight:
            second = sm.solve_ivp(circle, (5, 9), on_circle(5), rtol=1e-10, atol=1e-10)
        one = _one_solution(first.sol, second.sol)
        for part in (first.sol, second.sol):
            t = np.linspace(*part.span, 101)[1:-1]
            for nu in (0, 1, 2):
                assert_allclose(one(t, nu), part(t, nu), rtol=1e-9, atol=1e-10 * 10**nu)
            assert_array_equal(one.error(t), part.error(t))
        assert one.n == 2
        assert one.shared


class TestTimesAndEvents:
    def test_t_eval_of_both_parts(self):
        res = sm.solve_ivp(circle, (0, 3), on_circle(0), t_eval=[1.0, 3.0])
        assert_array_equal(res.extend(6, t_eval=[3.0, 4.0, 5.5]).t, [1.0, 3.0, 4.0, 5.5])
        assert_array_equal(res.extend(6, t_eval=[4.0]).t, [1.0, 3.0, 4.0])
        dense = res.extend(6)
        assert_array_equal(dense.t[:2], [1.0, 3.0])
        assert dense.t[-1] == 6.0
        with pytest.raises(ValueError, match="Values in `t_eval` are not within"):
            res.extend(6, t_eval=[2.0])

    def test_events_go_on(self):
        def zero(t, y):
            return y[0]

        res = sm.solve_ivp(circle, (1, 5), on_circle(1), events=zero, rtol=1e-9, atol=1e-9).extend(8).extend(13)
        assert_allclose(res.t_events[0], np.pi * np.arange(1, 5), rtol=1e-8)
        assert_allclose(res.y_events[0], on_circle(res.t_events[0]).T, rtol=0, atol=1e-7)

    def test_an_event_at_the_border_counts_once(self):
        res = sm.solve_ivp(lambda t, y: [1.0], (0, 2), [-2.0], events=lambda t, y: t - 2.0).extend(4)
        assert_array_equal(res.t_events[0], [2.0])
        assert_array_equal(
            sm.solve_ivp(lambda t, y: [1.0], (0, 1), [0.0], events=lambda t, y: 1.0).extend(2).t_events, [[]]
        )

    def test_terminal_events_are_counted_over_both_parts(self):
        def zero(t, y):
            return y[0]

        zero.terminal = 3
        res = sm.solve_ivp(circle, (1, 7), on_circle(1), events=zero, rtol=1e-9, atol=1e-9)
        assert res.status == 0
        res = res.extend(20)
        assert res.status == 1
        assert_allclose(res.t[-1], 3 * np.pi, rtol=1e-8)
        with pytest.raises(ValueError, match=r"ended at t = 9.42478 by a terminal event"):
            res.extend(30)
        assert sm.solve_ivp(circle, (1, 7), on_circle(1), events=zero).extend(np.inf).status == 1

    def test_args_and_options_are_the_same(self):
        calls = []

        def fun(t, y, rate):
            calls.append(t)
            return -rate * y

        options = {"max_step": 0.5, "first_step": 0.1, "jac": lambda t, y, rate: [[-rate]]}
        res = sm.solve_ivp(fun, (0, 2), [1.0], args=(0.5,), rtol=1e-8, atol=1e-8, **options).extend(4)
        assert_allclose(res.y[0, -1], np.exp(-2), rtol=1e-7)
        assert (np.diff(res.sol.x) <= 0.5 + 1e-12).all()
        assert max(calls) <= 4.0

    def test_after_a_callback_stopped_it(self):
        def stop(intermediate_result):
            if intermediate_result.t > limit:
                raise StopIteration

        limit = 5.0
        res = sm.solve_ivp(circle, (0, 30), on_circle(0), callback=stop, rtol=1e-8, atol=1e-8)
        assert not res.success
        assert res.t[-1] < 10.0
        limit = 100.0
        res = res.extend(30)
        assert res.success
        t = np.linspace(0, 30, 301)
        assert abs(res.sol(t) - on_circle(t)).max() < 1e-7


class TestNothingToGoOnFrom:
    def test_a_failure(self):
        res = sm.solve_ivp(lambda t, y: y**2, (0, 2), [1.0])
        assert res.status == -1
        with pytest.raises(ValueError, match=r"ended at t = .* by a failure"):
            res.extend(3)

    @pytest.mark.parametrize("of", [lambda t, y, k: -k * y[0], numba.njit(lambda t, y, k: -k * y[0])])
    def test_files_pickles_and_copies_need_fun_again(self, of, tmp_path):
        """Then they go on as the original does, to the same bits, and can be saved and continued again."""
        res = sm.solve_ivp(of, (0, 3), [1.0], args=(0.5,), rtol=1e-8, atol=1e-8)
        longer = res.extend(4, t_eval=[3.5]).extend(5)
        res.save(tmp_path / "res.npz")
        for other in (pickle.loads(pickle.dumps(res)), copy.deepcopy(res), sm.load(tmp_path / "res.npz"), res):
            assert type(other) is type(res)
            if other is not res:
                with pytest.raises(ValueError, match=r"`fun` is missing: .* res\.extend\(t_end, fun=fun\)"):
                    other.extend(4)
            with pytest.raises(ValueError, match="go together with `fun`, which is missing"):
                other.extend(4, args=(1.0,))
            more = other.extend(4, t_eval=[3.5], fun=of)
            more.save(tmp_path / "more.npz")
            for again in (more.extend(5), sm.load(tmp_path / "more.npz").extend(5, fun=of)):
                assert_array_equal(again.sol.theta, longer.sol.theta)
                assert_array_equal(again.t, longer.t)
                assert_array_equal(again.error, longer.error)
                assert again.nfev == longer.nfev
            assert_allclose(other.extend(4, fun=of, args=(0.0,)).y[0, -1], np.exp(-1.5), rtol=1e-7)

    def test_options_and_jacobians_of_files(self, tmp_path):
        constant, stiff = np.diag([-1e4]), lambda t, y: -1e4 * (y - np.sin(t))
        for jac in (constant, lambda t, y: constant):
            res = sm.solve_ivp(stiff, (0, 1), [0.0], jac=jac, rtol=1e-7, atol=1e-9, max_step=0.5)
            res.save(tmp_path / "res")
            again = sm.load(tmp_path / "res").extend(2, fun=stiff, jac=None if jac is constant else jac)
            assert_array_equal(again.sol.x, res.extend(2).sol.x)
            assert_array_equal(again.sol.theta, res.extend(2).sol.theta)
        with pytest.raises(TypeError, match="`fun` must be callable"):
            sm.load(tmp_path / "res").extend(2, fun=3)

    def test_events_of_files_are_given_again(self, tmp_path):
        crossing = lambda t, y: y[0]
        res = sm.solve_ivp(circle, (0, 4), on_circle(0), events=crossing)
        res.save(tmp_path / "res")
        back = sm.load(tmp_path / "res")
        with pytest.raises(ValueError, match="`events` must be those from before, 1 function, got 0"):
            back.extend(8, fun=circle)
        assert_array_equal(back.extend(8, fun=circle, events=crossing).t_events[0], res.extend(8).t_events[0])

    def test_args_that_no_file_holds(self, tmp_path):
        """An object: it must be given again."""
        rate = type("Rate", (), {"k": 0.5})()
        res = sm.solve_ivp(lambda t, y, rate: -rate.k * y, (0, 3), [1.0], args=(rate,))
        res.save(tmp_path / "res")
        fun = lambda t, y, rate: -rate.k * y
        with pytest.raises(ValueError, match="`args` are missing"):
            sm.load(tmp_path / "res").extend(4, fun=fun)
        with pytest.raises(TypeError, match="`args` must be a tuple"):
            sm.load(tmp_path / "res").extend(4, fun=fun, args=rate)
        assert_array_equal(sm.load(tmp_path / "res").extend(4, fun=fun, args=(rate,)).y, res.extend(4).y)

    def test_derivatives(self):
        res = sm.sensitivity(lambda t, y, k: -k * y, (0, 2), [3.0], args=(0.5,))
        with pytest.raises(ValueError, match="call `sensitivity` for the whole span"):
            res.extend(4)

    def test_what_the_solution_has(self):
        res = sm.solve_ivp(circle, (0, 1), [1.0, 0.0])
        assert not hasattr(res, "plot")
        with pytest.raises(AttributeError, match=r"has no `roots`: the solution has it, call res\.sol\.roots"):
            res.roots()
        with pytest.raises(AttributeError, match=r"has no `load`\.$"):
            res.load("file")

    def test_other_solvers_say_what_to_do(self):
        many = sm.solve_ensemble(circle, (0, 1), np.ones((2, 2)))
        col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0])
        for res, remedy in ((many, "solve again over the longer `t_span`"), (sm.assess(col, col.initial()), "train a")):
            assert not hasattr(res, "extend")
            with pytest.raises(AttributeError, match=f"has no `extend`: .*{remedy}"):
                res.extend(2)
        with pytest.raises(AttributeError, match="A result of `solve_ensemble` has no `sols`"):
            many.sols  # noqa: B018

    @pytest.mark.parametrize(("t_end", "kind", "message"), [
        (3.0, ValueError, "`t_end` must lie beyond the end of the solution, t = 3.0, got 3.0"),
        (1, ValueError, "`t_end` must lie beyond"), (np.nan, ValueError, "`t_end` must lie beyond"),
        (np.inf, ValueError, "`t_end` must be finite unless an event is terminal, got inf"),
        ("a", TypeError, "`t_end` must be a number, got 'a'"), (None, TypeError, "`t_end` must be a number"),
    ])  # fmt: skip
    def test_bad_ends(self, t_end, kind, message):
        with pytest.raises(kind, match=message):
            sm.solve_ivp(circle, (0, 3), on_circle(0)).extend(t_end)
        if t_end in (1, "a"):
            with pytest.raises(kind, match=message):
                sm.solve_ivp(circle, (0, -3), on_circle(0)).extend(-t_end if t_end == 1 else t_end)


def test_from_a_span_of_no_length_in_either_direction():
    still = sm.solve_ivp(lambda t, y: -y, (1, 1), [2.0], rtol=1e-8, atol=1e-8)
    assert_allclose(still.extend(3).y[0, -1], 2 * np.exp(-2), rtol=1e-7)
    assert_allclose(still.extend(-1).y[0, -1], 2 * np.exp(2), rtol=1e-7)
    assert still.extend(3).extend(4).sol.span == (1.0, 4.0)


def test_many_equations():
    """Beyond what is marched in compiled code: the heat equation on 60 points."""
    n = 60
    A = diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1]).tocsc() * 100
    y0 = np.sin(np.pi * np.arange(1, n + 1) / (n + 1))
    res = sm.solve_ivp(lambda t, y: A @ y, (0, 1), y0, rtol=1e-8, atol=1e-10, jac=A).extend(2).extend(5)
    assert res.success
    t = np.linspace(0, 5, 101)
    exact = np.exp(-400 * np.sin(np.pi / (2 * (n + 1))) ** 2 * t) * y0[:, None]
    assert (abs(res.sol(t) - exact) <= 1e-10 + 1e-8 * abs(exact)).all()
    assert (abs(res.sol(t) - exact) <= 5 * res.sol.error(t) + 1e-15).all()


def test_across_jumps():
    switched = lambda t, y: [-y[0] + (1.0 if t % 1.0 < 0.5 else 0.0)]
    whole = sm.solve_ivp(switched, (0, 4.7), [0.0], rtol=1e-9, atol=1e-9)
    t = np.linspace(0, 4.7, 501)
    for end in (2.0, 2.3):
        for breaks in (None, np.arange(0.5, 5, 0.5)):
            res = sm.solve_ivp(switched, (0, end), [0.0], rtol=1e-9, atol=1e-9, breaks=breaks).extend(4.7)
            assert res.success
            assert_allclose(res.sol(t), whole.sol(t), rtol=0, atol=2e-9)
    assert_allclose(res.sol.integrate(0, 4.7), 2.5 - res.sol(4.7), rtol=1e-8)  # of y' = 1 or 0, minus y


def test_no_equations():
    assert sm.solve_ivp(lambda t, y: y, (0, 1), []).extend(2).sol.span == (0.0, 2.0)


def test_the_fields_are_those_of_scipy():
    theirs = scipy.integrate.solve_ivp(circle, (0, 3), on_circle(0))
    ours = sm.solve_ivp(circle, (0, 3), on_circle(0))
    for res in (ours, ours.extend(5)):
        assert set(res.keys()) == {*theirs.keys(), "error"}
        assert {"extend", "save", "t", "y", "error", "sol"} <= set(dir(res))
        assert "further" not in repr(res)
