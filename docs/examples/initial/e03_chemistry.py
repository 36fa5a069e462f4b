"""
Stiff chemistry
===============

Robertson's reactions: rates that differ by nine orders of magnitude, over eleven decades of time.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm


@numba.njit
def robertson(t, y):
    slow, fast, back = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return back - slow, slow - back - fast, fast


t = np.geomspace(1e-6, 1e11, 400)
res = sm.solve_ivp(robertson, (0, 1e11), [1.0, 0.0, 0.0], rtol=1e-7, atol=1e-13)
y, error = res.sol(t), res.sol.error(t)

# %%
# Nobody knows the exact solution, but mass is conserved, and a solution with tighter tolerances is known well
# enough.
tight = sm.solve_ivp(robertson, (0, 1e11), [1.0, 0.0, 0.0], rtol=1e-10, atol=1e-16).sol(t)
true = np.abs(y - tight)
print(f"success: {res.success}, {len(res.sol.y)} windows for eleven decades")
print(f"largest error relative to y: true {(true / tight).max():.1e}, estimated {(error / y).max():.1e}")
print(f"mass: off by {np.abs(y.sum(axis=0) - 1).max():.1e}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
above.semilogx(t, y[0], label="A")
above.semilogx(t, 1e4 * y[1], label="10000 B")
above.semilogx(t, y[2], label="C")
above.set(title="Robertson's reactions")
above.legend()
for k, name in enumerate("ABC"):
    colour = below.loglog(t, np.maximum(true[k], 1e-19), linewidth=0.8)[0].get_color()
    below.loglog(t, error[k], "--", color=colour, label=f"{name}, estimated")
below.set(title="Errors: true (thin) and estimated (dashed)", xlabel="t")
below.legend()
plt.show()
