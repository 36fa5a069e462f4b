"""Events on the trial solution, the points of `res.t`, what callbacks are told, the progress bar."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import scipy.integrate
from numba import njit
from numpy.testing import assert_allclose, assert_equal

import sigmode as sm


def circle(t, y):
    return [y[1], -y[0]]


def flight(t, y):
    return y[2], y[3], 0.0, -9.81


def having(function, **attributes):
    for name, value in attributes.items():
        setattr(function, name, value)
    return function


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-10])
@pytest.mark.parametrize("backward", [False, True])
def test_every_zero_of_a_fast_event_is_found_and_located(tol, backward):
    span = (20.0, 0.0) if backward else (0.0, 20.0)
    y0 = [math.sin(span[0]), math.cos(span[0])]
    fast = lambda t, y: math.cos(5.0 * t) + 0.1 * y[0]
    res = sm.solve_ivp(circle, span, y0, rtol=tol, atol=tol, events=fast)
    t = np.linspace(0.0, 20.0, 100_001)
    sign = np.sign(np.cos(5 * t) + 0.1 * np.sin(t))
    assert len(res.t_events[0]) == np.count_nonzero(np.diff(sign))
    assert (np.diff(res.t_events[0]) * (span[1] - span[0]) > 0.0).all()
    at = [fast(t, y) for t, y in zip(res.t_events[0], res.y_events[0], strict=True)]
    assert_allclose(at, 0.0, atol=1e-13)
    assert_allclose(res.y_events[0], res.sol(res.t_events[0]).T, atol=1e-14)


def test_directions_and_counts_are_scipys():
    events = [
        having(lambda t, y: y[0] - 0.5, direction=1),
        having(lambda t, y: y[0] - 0.5, direction=-1),
        having(lambda t, y: y[0] - 0.5),
        having(lambda t, y: y[1] - 0.5, direction=-1, terminal=3),
    ]
    ours = sm.solve_ivp(circle, (0, 50), [0.0, 1.0], rtol=1e-10, atol=1e-10, events=events)
    theirs = scipy.integrate.solve_ivp(circle, (0, 50), [0.0, 1.0], rtol=1e-10, atol=1e-10, events=events, max_step=0.1)
    assert ours.status == theirs.status == 1
    assert ours.message == theirs.message
    for a, b in zip(ours.t_events, theirs.t_events, strict=True):
        assert_allclose(a, b, rtol=1e-8)
    assert ours.t[-1] == ours.t_events[3][-1]


def test_two_terminal_events_in_one_window_end_at_the_first():
    events = [having(lambda t, y: y[0] - 1.30, terminal=True), having(lambda t, y: y[0] - 1.20, terminal=True)]
    res = sm.solve_ivp(lambda t, y: [1.0], (0, 10), [1.0], events=events)
    assert [len(each) for each in res.t_events] == [0, 1]
    assert res.t[-1] == pytest.approx(0.2, rel=1e-14)
    assert res.sol.t_max == res.t[-1]


def test_a_function_that_stays_at_zero_counts_once():
    flat = lambda t, y: max(0.0, y[0] - 5.0)
    res = sm.solve_ivp(lambda t, y: [1.0], (0, 10), [0.0], events=[flat, lambda t, y: 0.0])
    assert_equal([len(each) for each in res.t_events], [1, 1])
    assert_equal(res.t_events[0], [0.0])


def test_a_zero_at_a_border_of_windows_counts_once():
    res = sm.solve_ivp(lambda t, y: [1.0], (0, 4), [0.0], max_step=0.5, events=lambda t, y: t - 1.5)
    assert_equal(res.t_events[0], [1.5])


def test_a_zero_at_the_start_has_the_direction_in_which_it_is_left():
    events = [having(lambda t, y: y[0], direction=direction) for direction in (1, -1)]
    res = sm.solve_ivp(circle, (0, 1), [0.0, 1.0], events=events)
    assert [len(each) for each in res.t_events] == [1, 0]


@pytest.mark.parametrize("one", [lambda v: v, lambda v: np.array([v]), lambda v: np.array([[v]]), lambda v: [v]])
def test_events_may_return_one_number_in_any_shape(one):
    res = sm.solve_ivp(circle, (0, 4), [0.0, 1.0], events=lambda t, y: one(y[1]))
    assert_allclose(res.t_events[0], [np.pi / 2], rtol=1e-3)


@pytest.mark.parametrize("wrong", [None, 1j, [1.0, 2.0], "no"])
def test_events_that_return_something_else(wrong):
    with pytest.raises(ValueError, match="`events` must return one real number, it returned"):
        sm.solve_ivp(circle, (0, 4), [0.0, 1.0], events=lambda t, y: wrong)
    with pytest.raises(ValueError, match=r"`events` must return one real number, events\[1\] returned"):
        sm.solve_ivp(circle, (0, 4), [0.0, 1.0], events=[lambda t, y: 1.0, lambda t, y: wrong])


def test_what_is_wrong_with_one_of_several_events_names_it():
    def never(t, y):
        return 1.0

    never.terminal = -2
    for events, message in (
        ([lambda t, y: 1.0, "a"], r"`events` must be callable .*, got str \(events\[1\]\)"),
        ([lambda t, y: 1.0, never], r"`terminal` attribute .* got -2 \(events\[1\]\)\.$"),
        (never, r"`terminal` attribute of `events` .* got -2\.$"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            sm.solve_ivp(circle, (0, 4), [0.0, 1.0], events=events)


@pytest.mark.parametrize(("name", "value"), [
    ("terminal", -2), ("terminal", 1.5), ("terminal", math.inf), ("terminal", "yes"), ("direction", "up")
])  # fmt: skip
def test_wrong_attributes(name, value):
    with pytest.raises(ValueError, match=f"`{name}` attribute"):
        sm.solve_ivp(circle, (0, 4), [0.0, 1.0], events=having(lambda t, y: y[0], **{name: value}))


PROBLEMS = {
    "circle": (circle, (0, 30), [0.0, 1.0]),
    "stiff": (lambda t, y: [-1e4 * (y[0] - np.cos(t)) - np.sin(t), -y[1]], (0, 10), [2.0, 1.0]),
    "van der Pol": (lambda t, y: [y[1], 100 * (1 - y[0] ** 2) * y[1] - y[0]], (0, 200), [2.0, 0.0]),
    "complex": (lambda t, y: 1j * y, (0, 20), [1.0 + 0j]),
    "backward": (circle, (30, 0), [0.0, 1.0]),
}


@pytest.mark.parametrize("tol", [1e-3, 1e-8])
@pytest.mark.parametrize("name", PROBLEMS)
def test_straight_lines_between_the_points_follow_the_solution(name, tol):
    res = sm.solve_ivp(*PROBLEMS[name], rtol=tol, atol=tol, error_control="local")
    direction = np.sign(res.t[-1] - res.t[0])
    assert (np.diff(res.t) * direction > 0.0).all()
    t = np.unique(np.concatenate([np.linspace(a, b, 20) for a, b in zip(res.t[:-1], res.t[1:], strict=True)]))
    for part in (np.real, np.imag):
        exact = part(res.sol(t))
        for k, component in enumerate(part(res.y)):
            straight = np.interp(t, res.t[:: int(direction)], component[:: int(direction)])
            if np.ptp(exact[k]):
                assert abs(straight - exact[k]).max() <= 0.0101 * np.ptp(exact[k])
    assert len(res.t) < 1500


@pytest.mark.parametrize("options", [{}, {"error_control": "local"}])
@pytest.mark.parametrize("f", [flight, njit(flight)], ids=["plain", "compiled"])
def test_straight_lines_follow_a_flight_that_ends_long_before_the_span(f, options):
    """What counts is the range up to the event, not that of the windows, which go on behind it."""
    hit = having(lambda t, y: y[1], terminal=True, direction=-1)
    res = sm.solve_ivp(f, (0, 100), [0.0, 0.0, 10.0, 14.0], events=hit, **options)
    t = np.linspace(0.0, res.t[-1], 1000)
    height = 14.0 * t - 9.81 / 2 * t**2
    assert abs(np.interp(t, res.t, res.y[1]) - height).max() <= 0.0101 * np.ptp(height)
    assert 5 < len(res.t) < 40
    assert res.t[-1] == res.t_events[0][0]
    assert_equal(res.y[:, -1], res.y_events[0][0])


def test_constants_need_no_more_points():
    assert len(sm.solve_ivp(lambda t, y: [0.0, 1e-17], (0, 1), [1.0, 1.0]).t) <= 8


def test_callbacks_know_the_span_the_attempt_and_the_phase():
    seen = []
    lorenz = lambda t, y: [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]
    res = sm.solve_ivp(
        lorenz,
        (0, 20),
        [1.0, 1.0, 1.0],
        rtol=1e-4,
        atol=1e-4,
        callback=lambda intermediate_result: seen.append(intermediate_result),
    )
    assert res.success
    assert {(state.t0, state.t_bound) for state in seen} == {(0.0, 20.0)}
    phases = [(state.attempt, state.phase) for state in seen]
    assert phases == sorted(phases, key=lambda each: (each[0], each[1] == "estimate"))
    assert phases[0] == (1, "solve")
    assert phases[-1][1] == "estimate"
    assert phases[-1][0] > 1


def test_a_callback_may_stop_the_estimate():
    def callback(intermediate_result):
        if intermediate_result.phase == "estimate":
            raise StopIteration

    res = sm.solve_ivp(circle, (0, 30), [0.0, 1.0], callback=callback)
    assert (res.status, res.success) == (-1, False)
    assert "`callback` stopped" in res.message
    assert res.t[-1] == 30.0
    assert np.isnan(res.error).all()


def test_a_stopped_run_with_events_ends_where_the_callback_saw_it():
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result.t)
        if len(seen) == 4:
            raise StopIteration

    res = sm.solve_ivp(circle, (0, 100), [0.0, 1.0], callback=callback, events=lambda t, y: y[0])
    assert res.t[-1] == res.sol.x[-1] == seen[-1]
    assert res.t_events[0].max() <= seen[-1]


def test_the_progress_bar_reaches_the_end(capsys):
    pytest.importorskip("tqdm")
    sm.solve_ivp(circle, (0, 30), [0.0, 1.0], progress=True)
    assert "100%" in capsys.readouterr().err


def test_the_progress_bar_needs_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"pip install tqdm"):
        sm.solve_ivp(circle, (0, 30), [0.0, 1.0], progress=True)
