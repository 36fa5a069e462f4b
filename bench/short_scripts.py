"""Short scripts at default tolerances: `sigmode.solve_ivp`, with its bound, and `NeuralCollocation` against RK45.

    python bench/short_scripts.py          # seconds

What a first script does: a throw that ends on the ground, a pendulum on a grid, predators and prey with `args`. The
time is that of one call, again and again in one process, the three of them in turns; no error is asked for beyond the
defaults. Beside it are true errors at the end, relative to the largest value, against DOP853 at 1e-12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from bounded import medians
from scipy.integrate import solve_ivp

import sigmode as sm

ROUNDS = 25
G = 9.81


def thrown(t, y):
    return [y[2], y[3], 0, -G]


def cannon(t, y):
    v = np.hypot(y[2], y[3])
    return [y[2], y[3], -0.01 * v * y[2], -G - 0.01 * v * y[3]]


def ground(t, y):
    return y[1]


ground.terminal, ground.direction = True, -1  # type: ignore[attr-defined]


def pendulum(t, y):
    return [y[1], -0.25 * y[1] - 5 * np.sin(y[0])]


def decay(t, y):
    return -0.5 * y


def predators(t, z, a, b, c, d):
    x, y = z
    return [a * x - b * x * y, -c * y + d * x * y]


def van_der_pol(t, y):
    return [y[1], (1 - y[0] ** 2) * y[1] - y[0]]


SCRIPTS: dict[str, tuple[Callable[..., Any], tuple[float, float], list[float], dict[str, Any]]] = {
    "projectile": (thrown, (0, 10), [0, 0, 50, 50], {"events": ground}),
    "cannon": (cannon, (0, 100), [0, 0, 100, 100], {"events": ground}),
    "pendulum": (pendulum, (0, 10), [np.pi - 0.1, 0], {"t_eval": np.linspace(0, 10, 101)}),
    "decay": (decay, (0, 10), [2, 4, 8], {}),
    "predators": (predators, (0, 15), [10, 5], {"args": (1.5, 1, 3, 1), "dense_output": True}),
    "van der Pol": (van_der_pol, (0, 20), [2, 0], {}),
}


def main() -> None:
    print("| script | RK45 | sm.solve_ivp / RK45 | NeuralCollocation / RK45 | error of RK45 | of sm.solve_ivp |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, (fun, span, y0, options) in SCRIPTS.items():
        runs = {
            "RK45": lambda f=fun, s=span, y=y0, o=options: solve_ivp(f, s, y, **o),
            "ours": lambda f=fun, s=span, y=y0, o=options: sm.solve_ivp(f, s, y, **o),
            "method": lambda f=fun, s=span, y=y0, o=options: solve_ivp(f, s, y, method=sm.NeuralCollocation, **o),
        }
        exact = solve_ivp(fun, span, y0, method="DOP853", rtol=1e-12, atol=1e-12, **options)
        scale = abs(exact.y).max(axis=1)
        errors = {label: float((abs(run().y[:, -1] - exact.y[:, -1]) / scale).max()) for label, run in runs.items()}
        rk45, ours, method = medians(runs, ROUNDS).values()
        print(
            f"| {name} | {1e3 * rk45:.2f} ms | {ours / rk45:.1f} | {method / rk45:.1f} | {errors['RK45']:.0e} |"
            f" {errors['ours']:.0e} |"
        )


if __name__ == "__main__":
    main()
