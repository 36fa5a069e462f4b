"""Problems for `peers.py`: f for Numba, and what is true at the end of the span.

References: extrapolation in 80-bit floats for what is not stiff, HIRES and van der Pol 100, with 34 digits for the
Arenstorf orbit; exact values for the linear problems; Radau at 1e-13 for the others, with which LSODA agrees to 5e-11.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Problem(NamedTuple):
    """y' = fun(t, y), a tuple; y(span[0]) = y0; atol/rtol; whether it is stiff."""

    fun: Callable[[Any, Any], tuple[Any, ...]]
    y0: tuple[float, ...]
    span: tuple[float, float]
    atol: float = 1.0
    stiff: bool = False

    @property
    def start(self) -> Any:
        """y0 as an array."""
        return np.array(self.y0, dtype=float)

    @property
    def ends(self) -> Any:
        """The span as an array."""
        return np.array(self.span, dtype=float)


# ---------------------------------------------------------------------------------------------------------- problems


def kepler(t, y):
    """Two bodies in the plane."""
    cube = (y[0] * y[0] + y[1] * y[1]) ** 1.5
    return y[2], y[3], -y[0] / cube, -y[1] / cube


def lorenz(t, y):
    """Lorenz's chaotic system."""
    return 10.0 * (y[1] - y[0]), y[0] * (28.0 - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]


def seir(t, y):
    """An epidemic."""
    new = 0.6 * y[0] * y[2]
    return -new, new - 0.2 * y[1], 0.2 * y[1] - 0.1 * y[2], 0.1 * y[2]


def henon_heiles(t, y):
    """A star in a galaxy."""
    return y[2], y[3], -y[0] - 2.0 * y[0] * y[1], -y[1] - y[0] * y[0] + y[1] * y[1]


def double_pendulum(t, y):
    """Two rods of length 1 with masses 1: angles and their rates."""
    s, c = np.sin(y[0] - y[1]), np.cos(y[0] - y[1])
    whole, a, b = 1.0 + s * s, y[2] * y[2] * s, y[3] * y[3] * s
    one, two = 9.81 * np.sin(y[0]), 9.81 * np.sin(y[1])
    return y[2], y[3], (two * c - 2.0 * one - a * c - b) / whole, (2.0 * (a - two + one * c) + b * c) / whole


def arenstorf(t, y):
    """A satellite of earth and moon (Hairer, Norsett, Wanner, Sec. II.0)."""
    mu = 0.012277471
    one, two = y[0] + mu, y[0] - 1.0 + mu
    d1 = (one * one + y[1] * y[1]) ** 1.5
    d2 = (two * two + y[1] * y[1]) ** 1.5
    ax = y[0] + 2.0 * y[3] - (1.0 - mu) * one / d1 - mu * two / d2
    return y[2], y[3], ax, y[1] - 2.0 * y[2] - (1.0 - mu) * y[1] / d1 - mu * y[1] / d2


def rober(t, y):
    """Robertson's reaction."""
    a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] * y[1]
    return b - a, a - b - c, c


def hires(t, y):
    """Growth of plants by light (Hairer, Wanner, Sec. IV.10)."""
    pair = 280.0 * y[5] * y[7]
    return (
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
        1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
        8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
        -pair + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
        pair - 1.81 * y[6],
        -pair + 1.81 * y[6],
    )


def orego(t, y):
    """The Oregonator."""
    first = 77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1]))
    return first, (y[2] - (1.0 + y[0]) * y[1]) / 77.27, 0.161 * (y[0] - y[2])


def linear(t, y):
    """y' = Q D Q y: Q = I - 2 v v', v of equal components; D from -1 to -1e6."""
    s = (y[0] + y[1] + y[2] + y[3] + y[4] + y[5] + y[6] + y[7]) / 4.0
    a, b, c, d = s - y[0], 7.0 * (s - y[1]), 50.0 * (s - y[2]), 350.0 * (s - y[3])
    e, f, g, h = 2.5e3 * (s - y[4]), 1.8e4 * (s - y[5]), 1.3e5 * (s - y[6]), 1e6 * (s - y[7])
    s = (a + b + c + d + e + f + g + h) / 4.0
    return a - s, b - s, c - s, d - s, e - s, f - s, g - s, h - s


def e5(t, y):
    """A reaction of four substances, E5 of Enright, Hull, Lindberg."""
    a, b, c, d = 7.89e-10 * y[0], 1.1e7 * y[0] * y[2], 1.13e9 * y[1] * y[2], 1.13e3 * y[3]
    return -a - b, a - c, a - b - c + d, b - d


PROBLEMS = {
    "Lotka-Volterra": Problem(
        lambda t, y: (1.5 * y[0] - y[0] * y[1], y[0] * y[1] - 3.0 * y[1]), (10.0, 5.0), (0.0, 15.0)
    ),
    "Lorenz": Problem(lorenz, (1.0, 1.0, 1.0), (0.0, 8.0)),
    "Kepler e=0.3": Problem(kepler, (0.7, 0.0, 0.0, math.sqrt(1.3 / 0.7)), (0.0, 20.0), 1e-3),
    "pendulum": Problem(lambda t, y: (y[1], -np.sin(y[0])), (1.0, 0.0), (0.0, 10.0)),
    "Duffing": Problem(
        lambda t, y: (y[1], y[0] ** 3 / 6.0 - y[0] + 2.0 * np.sin(2.78535 * t)), (0.0, 0.0), (0.0, 20.0)
    ),
    "rigid body": Problem(
        lambda t, y: (-2.0 * y[1] * y[2], 1.25 * y[0] * y[2], -0.5 * y[0] * y[1]), (1.0, 0.0, 0.9), (0.0, 20.0)
    ),
    "Brusselator": Problem(
        lambda t, y: (1.0 + y[0] * y[0] * y[1] - 4.0 * y[0], 3.0 * y[0] - y[0] * y[0] * y[1]), (1.5, 3.0), (0.0, 20.0)
    ),
    "FitzHugh-Nagumo": Problem(
        lambda t, y: (y[0] - y[0] ** 3 / 3.0 - y[1] + 0.5, 0.08 * (y[0] + 0.7 - 0.8 * y[1])), (-1.0, 1.0), (0.0, 100.0)
    ),
    "logistic": Problem(lambda t, y: (y[0] * (1.0 - y[0]),), (0.1,), (0.0, 10.0)),
    "SEIR": Problem(seir, (0.99, 0.01, 0.0, 0.0), (0.0, 160.0)),
    "Henon-Heiles": Problem(henon_heiles, (0.0, 0.1, 0.39, 0.1), (0.0, 50.0)),
    "double pendulum": Problem(double_pendulum, (1.0, 1.5, 0.0, 0.0), (0.0, 10.0)),
    "Arenstorf": Problem(arenstorf, (0.994, 0.0, 0.0, -2.00158510637908252), (0.0, 17.0652165601579625)),
    "van der Pol 100": Problem(
        lambda t, y: (y[1], 100.0 * (1.0 - y[0] * y[0]) * y[1] - y[0]), (2.0, 0.0), (0.0, 200.0), stiff=True
    ),
    "van der Pol 1000": Problem(
        lambda t, y: (y[1], 1000.0 * (1.0 - y[0] * y[0]) * y[1] - y[0]), (2.0, 0.0), (0.0, 2000.0), stiff=True
    ),
    "ROBER": Problem(rober, (1.0, 0.0, 0.0), (0.0, 1e5), 1e-6, True),
    "HIRES": Problem(hires, (1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057), (0.0, 321.8122), stiff=True),
    "OREGO": Problem(orego, (1.0, 2.0, 3.0), (0.0, 360.0), stiff=True),
    "Prothero-Robinson": Problem(
        lambda t, y: (-1e6 * (y[0] - np.sin(t)) + np.cos(t),), (0.0,), (0.0, 10.0), stiff=True
    ),
    "linear, n=8": Problem(linear, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), (0.0, 2.0), stiff=True),
    "E5": Problem(e5, (1.76e-3, 0.0, 0.0, 0.0), (0.0, 1000.0), 1e-9, True),
}  # fmt: skip

# At the end. Non-stiff: extrapolation in extended precision (Arenstorf in 34 digits), and so HIRES and van der Pol 100;
# the two that are known; the others by SciPy's Radau at 1e-13, see --check.
REFERENCES: dict[str, tuple[float, ...]] = {
    "Lotka-Volterra": (0.7137513780977586, 0.07540779624079476),
    "Lorenz": (-7.012491593512502, -4.5858860407022535, 28.385458295509377),
    "Kepler e=0.3": (-0.17770273571402384, 0.9467784719905877, -1.0302941631929727, 0.12110748900541336),
    "pendulum": (-0.9989498146238506, -0.04203337753421228),
    "Duffing": (-0.10041788586472516, 0.2411400132095934),
    "rigid body": (0.6062038539648106, 0.6287472104501789, 0.8073851485756024),
    "Brusselator": (0.49863707126834794, 4.596780349452011),
    "FitzHugh-Nagumo": (-0.4996639386443267, -0.21107037612912904),
    "logistic": (0.9995915675173919,),
    "SEIR": (0.0024909799633766228, 6.054506090038726e-08, 4.1677436830309905e-06, 0.9975047917478794),
    "Henon-Heiles": (-0.3414002054739551, -0.04385967568745602, 0.2154417424928594, 0.12926027938059653),
    "double pendulum": (-1.1815353147407144, -0.9767003929128099, 1.767292963343021, -1.5503968131445132),
    "Arenstorf": (0.9939999999999742, -8.786783411617901e-14, -1.4276866874080433e-11, -2.0015851063830907),
    "van der Pol 100": (1.7185872080192366, -0.008796821912416746),
    "van der Pol 1000": (1.706167732170508, -0.0008928097010247703),
    "ROBER": (0.017865921142100213, 7.274751468436656e-08, 0.9821340061103814),
    "HIRES": (
        0.0007371312573325485, 0.00014424857263161485, 5.8887297409672336e-05, 0.001175651343283115,
        0.0023863561988307783, 0.006238968252741058, 0.0028499983951853843, 0.002850001604814625,
    ),
    "OREGO": (1.000814870318523, 1228.1785215498974, 132.05549428465957),
    "Prothero-Robinson": (math.sin(10.0),),
    "linear, n=8": (-0.8120102442444178, 0.2706662009474501, *6 * (0.27067202164848386,)),
    "E5": (0.001618076999907299, 1.3822370304985535e-10, 8.251573500689283e-12, 1.2997212954923976e-10),
}  # fmt: skip
