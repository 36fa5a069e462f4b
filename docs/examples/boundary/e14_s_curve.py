"""
An S-curve
==========

Heat from a reaction in a slab, theta'' + delta exp(theta/(1 + theta/5)) = 0: cold, and hot, and one state in
between that is unstable. The branch in delta has two folds, ignition and extinction.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

import sigmode as sm


# %%
# Half of the slab: the slope is zero in the middle, x = 0, and theta is zero at the surface, x = 1.
def fun(x, y, delta):
    return np.vstack([y[1], -delta * np.exp(y[0] / (1 + 0.2 * y[0]))])


def bc(ya, yb, delta):
    return np.array([ya[1], yb[0]])


start = np.linspace(0, 1, 5), np.zeros((2, 5))
branch = sm.continue_bvp(fun, bc, start, "delta", (0.1, 1.2), arclength=True, tol=1e-8)
tops = np.array([sol(0.0)[0] for sol in branch.sol])


# %%
# Energy gives delta as an integral over theta, an independent check.
def by_energy(top):
    heat = lambda theta: np.exp(theta / (1 + 0.2 * theta))
    below = lambda u: quad(heat, top - u**2, top, epsabs=0, epsrel=1e-12)[0]
    time = quad(lambda u: 2 * u / np.sqrt(2 * below(u)) if u else np.sqrt(2 / heat(top)), 0, np.sqrt(top), epsrel=1e-10)
    return time[0] ** 2


every = slice(None, None, 4)
true = np.array([abs(delta - by_energy(top)) for delta, top in zip(branch.value[every], tops[every], strict=True)])
ignition, extinction = (fold.value for fold in branch.folds)
near = branch.folds[0].sol(0.0)[0]
exact = -minimize_scalar(lambda top: -by_energy(top), bounds=(0.8 * near, 1.2 * near), options={"xatol": 1e-6}).fun
print(f"{branch.message} Ignition at delta = {ignition:.8f}, extinction at {extinction:.8f}")
print(f"error of the ignition {abs(ignition - exact):.0e}; largest error of delta on the branch {true.max():.0e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
branch.plot(lambda sol: sol(0.0)[0], left)
left.set(title="An S-curve: three states for one delta", ylabel="theta in the middle")
right.semilogy(tops[every], np.maximum(true, 1e-17), "o", label="true")
right.semilogy(tops, np.maximum(branch.value_error, 1e-17), "--", label="estimated")
right.set(title="Error of delta", xlabel="theta in the middle", ylim=(1e-16, None))
right.legend()
plt.show()
