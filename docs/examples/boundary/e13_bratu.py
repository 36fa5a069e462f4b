"""
Bratu's two branches
====================

y'' + k exp(y) = 0 with y = 0 at both ends has two solutions below k = 3.5138 and none above. `continue_bvp` follows
them along the arc, around the fold.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq

import sigmode as sm


def fun(x, y, k):
    return np.vstack([y[1], -k * np.exp(y[0])])


def bc(ya, yb, k):
    return np.array([ya[0], yb[0]])


start = np.linspace(0, 1, 5), np.zeros((2, 5))
branch = sm.continue_bvp(fun, bc, start, "k", (0.2, 4.0), arclength=True, tol=1e-8, max_step=0.1)

# %%
# On the exact branch the value in the middle gives k, and its largest one has a closed form.
middle = np.array([sol(0.5)[0] for sol in branch.sol])
s = np.arccosh(np.exp(middle / 2))
true = np.abs(branch.value - 8 * s**2 * np.exp(-middle))
theta = brentq(lambda theta: theta * np.tanh(theta) - 1, 1, 1.5, xtol=1e-15)
fold = branch.folds[0]
print(f"{branch.message} The fold: {fold.value:.10f}, error {abs(fold.value - 8 / np.sinh(theta) ** 2):.0e}")
print(f"largest error of k: true {true.max():.1e}, estimated {branch.value_error.max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
branch.plot(lambda sol: sol(0.5)[0], left)
left.set(title="Bratu's branches", ylabel="y(1/2)")
right.semilogy(middle, np.maximum(true, 1e-17), label="true")
right.semilogy(middle, np.maximum(branch.value_error, 1e-17), "--", label="estimated")
right.set(title="Error of k along the branch", xlabel="y(1/2)", ylim=(1e-16, None))
right.legend()
plt.show()
