"""
Orbits
======

A planet on an orbit with an eccentricity of 0.6, five times around. Kepler's equation gives the exact position.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

import sigmode as sm

E = 0.6


def kepler(t, y):
    r3 = (y[0] ** 2 + y[1] ** 2) ** 1.5
    return [y[2], y[3], -y[0] / r3, -y[1] / r3]


start = [1 - E, 0.0, 0.0, np.sqrt((1 + E) / (1 - E))]
res = sm.solve_ivp(kepler, (0, 10 * np.pi), start, rtol=1e-9, atol=1e-9)

# %%
# The windows are short near the sun, where the planet is fast, and long far away from it.
t = np.linspace(0, 10 * np.pi, 1001)
anomaly = np.array([brentq(lambda u, t=t: u - E * np.sin(u) - t, t - 1, t + 1, xtol=1e-15) for t in t])
exact = np.array([np.cos(anomaly) - E, np.sqrt(1 - E**2) * np.sin(anomaly)])
true = np.abs(res.sol(t)[:2] - exact).max(axis=0)
print(f"success: {res.success}, {len(res.sol.y)} windows, {res.nfev} calls of f")
print(f"largest true error {true.max():.1e}, estimated {res.error[:2].max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.plot(*res.sol(t)[:2])
left.plot(*res.sol(res.sol.x)[:2], ".", label="ends of windows")
left.plot(0, 0, "o", color="orange", markersize=10, label="sun")
left.set(title="Five orbits of eccentricity 0.6", aspect="equal")
left.legend(loc="upper right")
right.semilogy(t, np.maximum(true, 1e-16), label="true error")
right.semilogy(t, res.sol.error(t)[:2].max(axis=0), label="estimated error")
right.axhline(1e-9, color="0.5", linestyle="--", label="atol")
right.set(title="Its error, true and estimated", xlabel="t")
right.legend()
plt.show()
