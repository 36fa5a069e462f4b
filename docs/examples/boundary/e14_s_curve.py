"""
An S-curve
==========

Heat from a reaction in a slab, theta'' + delta exp(theta/(1 + theta/5)) = 0: cold, and hot, and one state in
between that is unstable. With theta in the middle prescribed, delta is an unknown parameter, and the curve is
traced in one walk.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.integrate import quad

import sigmode as sm

x = np.linspace(0, 1, 5)


def fun(x, y, p):
    return np.vstack([y[1], -p[0] * np.exp(y[0] / (1 + 0.2 * y[0]))])


# %%
# Half of the slab: the slope is zero in the middle, x = 0, and theta is zero at the surface, x = 1.
tops = np.concatenate([np.linspace(0.1, 4, 27), np.linspace(4.5, 60, 60)])
curve, y, delta = [], np.vstack([0.1 * (1 - x**2), -0.2 * x]), [0.2]
for top in tops:
    conditions = lambda ya, yb, p, top=top: np.array([ya[0] - top, ya[1], yb[0]])
    res = sm.solve_bvp(fun, conditions, x, y, p=delta, tol=1e-7)
    y, delta = res.sol(x), res.p
    curve.append((delta[0], res.p_error[0], res.success))
delta, estimate, good = np.transpose(curve)


# %%
# Energy gives delta as an integral: for some points, an independent check.
def by_energy(top):
    heat = lambda theta: np.exp(theta / (1 + 0.2 * theta))
    below = lambda u: quad(heat, top - u**2, top, epsabs=0, epsrel=1e-12)[0]
    time = quad(lambda u: 2 * u / np.sqrt(2 * below(u)) if u else np.sqrt(2 / heat(top)), 0, np.sqrt(top), epsrel=1e-10)
    return time[0] ** 2


true = np.array([abs(delta[i] - by_energy(tops[i])) for i in range(0, tops.size, 8)])
turns = np.flatnonzero(np.diff(np.sign(np.diff(delta)))) + 1
print(f"all succeed: {bool(good.all())}; delta turns near {delta[turns].round(3)}")
print(f"largest error of delta: true {true.max():.1e}, estimated {estimate.max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.plot(delta, tops, ".-")
left.plot(delta[turns], tops[turns], "o", color="tab:orange", label="ignition, extinction")
left.set(title="An S-curve: three states for one delta", xlabel="delta", ylabel="theta in the middle", xlim=(0, 1.2))
left.legend()
right.semilogy(tops[::8], np.maximum(true, 1e-17), "o", label="true")
right.semilogy(tops, estimate, "--", label="estimated")
right.set(title="Error of delta", xlabel="theta in the middle")
right.legend()
plt.show()
