"""The second march across a jump: where it is there, on a curve that is a little off."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sigmode.compiled.across import across
from sigmode.compiled.python import Asked

END, AT, START, JUMP = 0.999, 1.0, 1.0001, 50.0


def brought(fun, e, sign=1.0, jump=JUMP, h=0.5):
    """Where the second march is at START, e off in y[0] before; y = (t, jump max(t - 1, 0)), time times `sign`."""
    calls = []

    def answer(t, Y, K):
        calls.append(float(t[0]))
        K[0] = fun(float(t[0]), Y[0])

    asked = Asked(answer, 2)
    u, y = np.array([sign * END, 0.0]), np.array([sign * START, sign * jump * (START - AT)])
    now = u + [e, 0.0]
    counted = across(asked.address, asked.words, sign * END, sign * START, sign * h, u, y, now, *np.full((2, 2), 1e-9))
    assert counted == len(calls) or asked.failed
    return now, len(calls)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("e", [3e-7, -3e-7, 9e-5, -9e-5, 9e-4, -5e-4, -3e-3])
def test_a_jump_that_hangs_on_y_is_followed(e, sign):
    """Earlier by e where y[0] is larger by e: behind what the first march has left of the gap, too."""
    fun = lambda t, y: (1.0, JUMP if sign * y[0] > AT else 0.0)
    now, calls = brought(fun, sign * e, sign)
    assert_allclose(now, sign * np.array([START + e, JUMP * (START + e - AT)]), rtol=0, atol=1e-9)
    assert calls < 50


@pytest.mark.parametrize(
    ("fun", "jump", "most"),
    [
        pytest.param(lambda t, y: (1.0, JUMP if t >= AT else 0.0), JUMP, 4, id="at a time"),
        pytest.param(lambda t, y: (1.0, 1e-7 if y[0] > AT else 0.0), 1e-7, 2, id="too small"),
        pytest.param(lambda t, y: (1.0, 0.0), 0.0, 2, id="none"),
        pytest.param(lambda t, y: (1.0, JUMP * max(y[0] - AT, 0.0)), 0.0, 10, id="a kink"),
        pytest.param(lambda t, y: (1.0, np.nan if y[0] > AT else 0.0), JUMP, 2, id="not finite"),
    ],
)
def test_elsewhere_it_goes_with_the_first_march(fun, jump, most):
    e = -3e-7
    now, calls = brought(fun, e, jump=jump)
    assert_array_equal(now, [END + e + (START - END), jump * (START - AT)])
    assert calls <= most


def test_a_jump_that_is_too_far_off_is_not_followed():
    fun = lambda t, y: (1.0, JUMP if y[0] > AT else 0.0)
    for e in (2e-3, -0.1):  # before the gap; later than a twentieth of the next window
        now, _ = brought(fun, e)
        assert_array_equal(now, [END + e + (START - END), JUMP * (START - AT)])


@pytest.mark.parametrize("after", range(12))
def test_an_exception_is_handed_over(after):
    raised, calls = KeyboardInterrupt("no"), []

    def answer(t, Y, K):
        calls.append(t)
        if len(calls) > after:
            raise raised
        K[0] = 1.0, JUMP if Y[0, 0] > AT else 0.0

    asked = Asked(answer, 2)
    u, y = np.array([END, 0.0]), np.array([START, JUMP * (START - AT)])
    now = u + [-9e-5, 0.0]
    assert across(asked.address, asked.words, END, START, 0.5, u, y, now, *np.full((2, 2), 1e-9)) == -1
    assert asked.failed == [raised]
