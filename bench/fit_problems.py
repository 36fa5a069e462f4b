"""Fits of ordinary differential equations to published data, with the optimum that was published, or its closed form.

Sources: alpha-pinene and gas oil, data of COPS 3 (Dolan, Moré, Munson, 2004; Box et al. 1973), whose objectives
COPSBenchmark.jl tests; theophylline, first subject of R's `Theoph`, whose optimum is that of the closed form `SSfol`;
influenza in a boarding school, British Medical Journal, 4 March 1978, `outbreaks` of R; FOCUS D, the example of the
regulators that R's `mkin` is tested with, linear, so that it has a closed form; Misra1a, BoxBOD and Rat42, NIST StRD,
certified; hares and lynxes 1900 to 1920, Hudson's Bay Company.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np

from sigmode.problems import HUDSON_BAY

__all__ = ["PROBLEMS", "Problem"]


class Problem(NamedTuple):
    """A fit: fun(t, y, *p), data t and y, a start p0 and initial values as of `sm.fit_ivp`, with its options.

    ssr : the published sum of squares at the optimum, or None, to a relative rtol; x : parameters there, to rtol_x;
    far : other starts.
    """

    fun: Callable[..., Any]
    t: Any
    y: Any
    p0: tuple[float, ...]
    y0: Any
    options: dict[str, Any]
    ssr: float | None
    rtol: float
    x: tuple[float, ...] | None
    rtol_x: float
    far: tuple[tuple[float, ...], ...]


def _numbers(text: str) -> Any:
    return np.array(text.split(), dtype=float)


@numba.njit
def pinene(t: float, y: Any, a: float, b: float, c: float, d: float, e: float) -> Any:
    """Isomerisation of alpha-pinene: to dipentene, allo-ocimene, pyronene and a dimer."""
    return -(a + b) * y[0], a * y[0], b * y[0] - (c + d) * y[2] + e * y[4], c * y[2], d * y[2] - e * y[4]


_PINENE = """
    88.35 7.3 2.3 .4 1.75   76.4 15.6 4.5 .7 2.8   65.1 23.1 5.3 1.1 5.8   50.4 32.9 6.0 1.5 9.3
    37.5 42.7 6.0 1.9 12.0   25.9 49.1 5.9 2.2 17.0   14.0 57.4 5.1 2.6 21.0   4.5 63.1 3.8 2.9 25.7
"""


@numba.njit
def gas_oil(t: float, y: Any, a: float, b: float, c: float) -> Any:
    """Catalytic cracking of gas oil."""
    return -(a + c) * y[0] ** 2, a * y[0] ** 2 - b * y[1]


_GAS_OIL = """
    1 0  .8105 .2  .6208 .2886  .5258 .301  .4345 .3215  .3903 .3123  .3342 .2716  .3034 .2551  .2735 .2258  .2405 .1959
    .2283 .1789  .2071 .1457  .1669 .1198  .153 .0909  .1339 .0719  .1265 .0561  .12 .046  .099 .028  .087 .019
    .077 .014  .069 .01
"""


@numba.njit
def absorbed(t: float, y: Any, ke: float, ka: float, cl: float) -> Any:
    """A drug is absorbed and eliminated."""
    return -ka * y[0], ka * y[0] - ke * y[1]


@numba.njit
def epidemic(t: float, y: Any, beta: float, gamma: float, infected: float) -> Any:
    """The susceptible and the infected among 763 boys."""
    return -beta * y[0] * y[1] / 763.0, beta * y[0] * y[1] / 763.0 - gamma * y[1]


@numba.njit
def degraded(t: float, y: Any, k: float, m: float, f: float) -> Any:
    """A pesticide and its metabolite."""
    return -k * y[0], f * k * y[0] - m * y[1]


@numba.njit
def saturating(t: float, y: Any, b1: float, b2: float) -> Any:
    """To a limit."""
    return (b2 * (b1 - y[0]),)


@numba.njit
def logistic(t: float, y: Any, b1: float, b2: float, b3: float) -> Any:
    """Logistic growth; b2 is that of its start."""
    return (b3 * y[0] * (1.0 - y[0] / b1),)


@numba.njit
def predator(t: float, y: Any, a: float, b: float, c: float, d: float) -> Any:
    """Predators and prey."""
    return a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]


def _focus_d() -> tuple[Any, Any]:
    """Times, and both substances, NaN where one was not measured."""
    rows = (
        "0 99.46 102.04 1 93.5 92.5 3 63.23 68.99 7 52.32 55.13 14 27.27 26.64 21 11.5 11.64 35 2.85 2.91 50 .69 .63 "
        "75 .05 .06",
        "1 4.84 5.64 3 12.91 12.96 7 22.97 24.47 14 41.69 33.21 21 44.37 46.44 35 41.22 37.95 50 41.19 40.01 "
        "75 40.09 33.85 100 31.04 33.13 120 25.15 33.31",
    )
    found = [(t, row, y) for row in (0, 1) for t, *pair in _numbers(rows[row]).reshape(-1, 3) for y in pair]
    y = np.full((2, len(found)), np.nan)
    for i, (_, row, value) in enumerate(found):
        y[row, i] = value
    return np.array([t for t, _, _ in found]), y


_MISRA = (
    _numbers("77.6 114.9 141.1 190.8 239.9 289 332.8 378.4 434.8 477.3 536.8 593.1 689.1 760"),
    _numbers("10.07 14.73 17.94 23.93 29.61 35.18 40.02 44.82 50.76 55.05 61.01 66.40 75.47 81.78"),
)
_RAT = _numbers("9 14 21 28 42 57 63 70 79"), _numbers("8.93 10.80 18.59 22.33 39.35 56.11 61.73 64.62 67.08")
_NEAR_ZERO: dict[str, Any] = {"bounds": (0.0, np.inf)}

PROBLEMS: dict[str, Problem] = {
    "alpha-pinene": Problem(
        pinene, _numbers("1230 3060 4920 7800 10680 15030 22620 36420"), _numbers(_PINENE).reshape(-1, 5).T,
        (5e-5, 3e-5, 2e-5, 2.5e-4, 4e-5), [100.0, 0.0, 0.0, 0.0, 0.0], {"t0": 0.0} | _NEAR_ZERO, 19.8721, 1e-5,
        (5.9258e-5, 2.9634e-5, 2.0473e-5, 2.7447e-4, 3.9980e-5), 1e-4,
        ((0.0,) * 5, (1e-5,) * 5, (1e-3,) * 5, (0.5,) * 5),
    ),
    "gas oil": Problem(
        gas_oil, _numbers("0 .025 .05 .075 .1 .125 .15 .175 .2 .225 .25 .3 .35 .4 .45 .5 .55 .65 .75 .85 .95"),
        _numbers(_GAS_OIL).reshape(-1, 2).T, (10.0, 8.0, 2.0), [1.0, 0.0], _NEAR_ZERO, 5.2366e-3, 1e-5,
        None, 1e-4, ((0.0,) * 3, (1.0,) * 3, (100.0,) * 3, (1e4,) * 3),
    ),
    "theophylline": Problem(
        absorbed, _numbers("0 .25 .57 1.12 2.02 3.82 5.1 7.03 9.05 12.12 24.37"),
        _numbers(".74 2.84 6.57 10.5 9.66 8.58 8.36 7.47 6.89 5.94 3.28"), (0.08, 1.5, 0.03), [4.02, 0.0],
        {"observe": lambda t, y, ke, ka, cl: y[1] * ke / cl, "scale": "log"}, 8 * 0.732**2, 1e-3,
        (np.exp(-2.9196), np.exp(0.5752), np.exp(-3.9159)), 1e-4, ((0.01, 10.0, 0.1), (0.02, 8.0, 0.005)),
    ),
    "influenza": Problem(
        epidemic, np.arange(14.0), _numbers("3 8 26 76 225 298 258 233 189 128 68 29 14 4"), (1.5, 0.5, 2.0),
        lambda beta, gamma, infected: [763.0 - infected, infected], {"observe": [1]} | _NEAR_ZERO, None, 1e-4,
        (1.788, 0.456, 2.09), 2e-3, ((1.0, 0.1, 1.0), (10.0, 0.1, 1.0), (0.1, 0.1, 1.0)),
    ),
    "FOCUS D": Problem(
        degraded, *_focus_d(), (0.1, 0.01, 0.5), [np.nan, 0.0], {"scale": {"k": "log", "m": "log"}}, None, 1e-4,
        (0.0987, 0.0053, 0.5145), 1e-2, ((1.0, 0.1, 0.1), (0.01, 0.1, 1.0)),
    ),
    "Misra1a": Problem(
        saturating, *_MISRA, (250.0, 5e-4), [0.0], {"t0": 0.0}, 0.12455138894, 1e-8,
        (238.94212918, 5.5015643181e-4), 1e-6, ((500.0, 1e-4),),
    ),
    "BoxBOD": Problem(
        saturating, _numbers("1 2 3 5 7 10"), _numbers("109 149 149 191 213 224"), (100.0, 0.75), [0.0], {"t0": 0.0},
        1168.0088766, 1e-8, (213.80940889, 0.54723748542), 1e-6, ((1.0, 1.0),),
    ),
    "Rat42": Problem(
        logistic, *_RAT, (75.0, 2.5, 0.07), lambda b1, b2, b3: [b1 / (1.0 + np.exp(b2))], {"t0": 0.0}, 8.0565229338,
        1e-8, (72.462237576, 2.6180768402, 0.067359200066), 1e-6, ((100.0, 1.0, 0.1),),
    ),
    "hare and lynx": Problem(
        predator, *HUDSON_BAY, (0.5, 0.03, 0.8, 0.025),
        [np.nan, np.nan], {}, None, 1e-4, None, 1e-4, ((2.0, 0.1, 3.0, 0.1),),
    ),
}  # fmt: skip
