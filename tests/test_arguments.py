"""Arguments: the same mistake gets the same text and the same type of exception, wherever it is made."""

import warnings

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sigmode as sm
from sigmode import arguments


def decay(t, y):
    return -y


def collocation(**changed):
    return sm.Collocation(**{"fun": decay, "span": (0, 1), "y0": [1.0], **changed})


def train(**changed):
    return sm.train(collocation(), **changed)


def ivp(**changed):
    return sm.solve_ivp(**{"fun": decay, "t_span": (0, 1), "y0": [1.0], **changed})


def bvp(**changed):
    mesh = np.linspace(0, 1, 5)
    given = {"fun": decay, "bc": lambda ya, yb: ya - 1, "x": mesh, "y": np.ones((1, 5))}
    return sm.solve_bvp(**{**given, **changed})


# What is wrong, and everywhere that it can be given: function, name of the argument.
MISTAKES = [
    ("a", [(train, "tol"), (bvp, "tol"), (bvp, "bc_tol"), (ivp, "max_step"), (ivp, "first_step")]),
    (-1.0, [(train, "tol"), (bvp, "tol"), (bvp, "bc_tol"), (ivp, "max_step"), (ivp, "first_step")]),
    (3, [(train, "callback"), (bvp, "callback"), (ivp, "callback")]),
    ("a", [(ivp, "y0"), (collocation, "y0")]),
    ("01", [(ivp, "t_span"), (collocation, "span")]),
    ([[1.0]], [(ivp, "t_eval"), (bvp, "x"), (bvp, "p")]),
    (0, [(train, "max_iter"), (collocation, "n_hidden"), (ivp, "max_windows"), (ivp, "substeps")]),
    (2.5, [(train, "max_iter"), (collocation, "n_hidden"), (ivp, "max_windows"), (ivp, "substeps")]),
    ((0, 1, 2), [(ivp, "t_span"), (collocation, "span")]),
    ((0, 1j), [(ivp, "t_span"), (collocation, "span")]),
    (1.0, [(ivp, "t_span"), (collocation, "span")]),
]


@pytest.mark.parametrize(("value", "places"), MISTAKES)
def test_one_text_and_one_type_for_each_mistake(value, places):
    seen = set()
    for call, name in places:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(**{name: value})
        text = str(caught.value).replace(f"`{name}`", "`it`")
        text = text.replace("real numbers of", "numbers of").replace(" and finite", "")
        seen.add((type(caught.value), text.replace("(t0, tf)", "(x0, x1)").replace("(m,)", "(n,)")))
        assert f"`{name}`" in str(caught.value)
    assert len(seen) == 1, seen


def test_what_is_no_number_is_a_type_error_and_a_value_error():
    for expected in (TypeError, ValueError):
        with pytest.raises(expected, match="`tol` must be a positive number, got 'small'"):
            arguments.positive("small", "tol")


def line_of(function):
    """The first line of a function's body in this file."""
    return function.__code__.co_firstlineno + 1


def wrong_jac(t, y):
    return np.full((1, 1), 3.0)


def in_scipy():
    solve_ivp(decay, (0, 1), [1.0], method=sm.NeuralCollocation, jac=wrong_jac)


def in_solve_ivp():
    sm.solve_ivp(decay, (0, 1), [1.0], jac=wrong_jac)


def in_solve_bvp():
    bvp(fun_jac=lambda x, y: np.full((1, 1, x.size), 3.0))


def in_train():
    sm.train(collocation(jac=lambda x, y: np.full((1, 1, x.size), 3.0)))


def with_a_tiny_rtol():
    sm.solve_ivp(decay, (0, 1), [1.0], rtol=1e-20)


def with_an_unknown_option():
    sm.solve_ivp(decay, (0, 1), [1.0], lband=1)


@pytest.mark.parametrize(
    "call", [in_scipy, in_solve_ivp, in_solve_bvp, in_train, with_a_tiny_rtol, with_an_unknown_option]
)
def test_a_warning_points_at_the_line_of_the_user(call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    assert {warning.filename for warning in seen} == {__file__}
    expected = line_of(bvp) + 2 if call is in_solve_bvp else line_of(call)
    assert {warning.lineno for warning in seen} == {expected}


@pytest.mark.parametrize("call", [lambda **changed: train(tol=1e-15, **changed), bvp, ivp])
def test_every_callback_may_stop(call):
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result)
        raise StopIteration

    res = call(callback=callback)
    assert len(seen) == 1
    assert not res.success
    assert "`callback` stopped" in res.message
