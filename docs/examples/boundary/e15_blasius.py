"""
A boundary layer on a plate
===========================

Blasius' equation 2 f''' + f f'' = 0, f(0) = f'(0) = 0, f'(infinity) = 1: infinity is at 12 here. The known
value is f''(0) = 0.332057336215....
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

x = np.linspace(0, 12, 5)
errors, tols = [], 10.0 ** -np.arange(3, 12)
for tol in tols:
    res = sm.solve_bvp(
        lambda x, y: np.vstack([y[1], y[2], -y[0] * y[2] / 2]),
        lambda ya, yb: np.array([ya[0], ya[1], yb[1] - 1]),
        x,
        np.vstack([x, np.ones(5), np.exp(-x)]),
        tol=tol,
    )
    errors.append((abs(res.sol(0.0)[2] - 0.332057336215196), res.sol.error(0.0)[2], len(res.sol.y)))
print(f"f''(0) = {res.sol(0.0)[2]:.12f}, estimated error {res.sol.error(0.0)[2]:.1e}, true error {errors[-1][0]:.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
t = np.linspace(0, 8, 300)
for values, name in zip(res.sol(t), ("f", "f', the speed", "f'', the shear"), strict=True):
    left.plot(t, np.minimum(values, 2), label=name)
left.set(title="Flow along a plate", xlabel="distance from the plate")
left.legend()
true, estimate, _ = np.transpose(errors)
right.loglog(tols, true, "o-", label="true")
right.loglog(tols, estimate, "x--", label="estimated")
right.loglog(tols, tols, color="0.5", linewidth=0.8, label="tol")
right.set(title="Error of f''(0)", xlabel="tol")
right.legend()
plt.show()
