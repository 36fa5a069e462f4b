"""
A pulse that nobody saw
=======================

A pulse of a thousandth of a unit after 700 quiet ones falls between all points at which f was called: ``success``
is True, the answer and its estimate are wrong. So it is for any adaptive method; ``breaks`` or ``max_step`` help
those who know of pulses.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import solve_ivp

import sigmode as sm


def pulse(t, y):
    return np.array([np.exp(-0.5 * ((t - 700.02) / 2e-4) ** 2) / (2e-4 * np.sqrt(2 * np.pi)) - 0.01 * y[0]])


options = {"rtol": 1e-6, "atol": 1e-6}
runs = {
    "blind": sm.solve_ivp(pulse, (0, 1000), [0.0], **options),
    "breaks=[700.018, 700.022]": sm.solve_ivp(pulse, (0, 1000), [0.0], breaks=[700.018, 700.022], **options),
    "SciPy's LSODA": solve_ivp(pulse, (0, 1000), [0.0], method="LSODA", dense_output=True, **options),
}
exact = np.exp(-0.01 * (1000 - 700.02))
for name, res in runs.items():
    said = f", estimated {res.error[0, -1]:.1e}" if "error" in res else ""
    print(f"{name}: success {res.success}, error at the end {abs(res.y[0, -1] - exact):.1e}{said}")

t = np.unique(np.concatenate([np.linspace(0, 1000, 1001), np.linspace(699.9, 700.2, 301)]))
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, res), style in zip(runs.items(), ("-", "-", ":"), strict=True):
    axes.plot(t, res.sol(t)[0], style, linewidth=2, label=name)
axes.set(title="One pulse of width 2e-4 at t = 700", xlabel="t", ylabel="y")
axes.legend(loc="upper left")
plt.show()
