"""
A layer
=======

A layer of width 1e-3 inside of the interval, found from five nodes. Windows are split in the layer and nowhere
else.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import erf

import sigmode as sm

EPS = 1e-6


# %%
# Problem 6 of the test set of Cash and Mazzia: eps y'' + x y' = -eps pi^2 cos(pi x) - pi x sin(pi x), y(-1) = -2,
# y(1) = 0.
def fun(x, y):
    forced = -EPS * np.pi**2 * np.cos(np.pi * x) - np.pi * x * np.sin(np.pi * x)
    return np.vstack([y[1], (forced - x * y[1]) / EPS])


def ends(ya, yb):
    return np.array([ya[0] + 2, yb[0]])


def exact(x):
    return np.cos(np.pi * x) + erf(x / np.sqrt(2 * EPS)) / erf(1 / np.sqrt(2 * EPS))


res = sm.solve_bvp(fun, ends, np.linspace(-1, 1, 5), np.zeros((2, 5)), tol=1e-6)
x = np.union1d(np.linspace(-1, 1, 1001), np.concatenate([-np.geomspace(1e-6, 1, 300), np.geomspace(1e-6, 1, 300)]))
true = np.abs(res.sol(x)[0] - exact(x))
print(f"success: {res.success}, {len(res.sol.y)} windows")
print(f"largest error: true {true.max():.1e}, estimated {res.error[0]:.1e}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), height_ratios=(3, 2), sharex=True, layout="constrained")
above.plot(x, res.sol(x)[0])
above.plot(res.sol.x, 0 * res.sol.x - 2.2, "|", color="0.3", label="ends of windows")
above.set(title="A layer of width 1e-3", ylabel="y")
above.legend()
below.semilogy(x, np.maximum(true, 1e-17), label="true")
below.semilogy(x, res.sol.error(x)[0], "--", label="estimated")
below.set(title="Error", xlabel="x")
below.legend()
plt.show()
