"""
A reaction front
================

Fisher's equation u_t = u_xx + u (1 - u) by the method of lines: 121 equations, whose df/dy has three diagonals.
A front that travels at 5/sqrt(6) is known in closed form.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import diags_array

import sigmode as sm

x = np.linspace(-10, 30, 121)
dx = x[1] - x[0]
SPEED = 5 / np.sqrt(6)


def wave(x, t):
    return (1 + np.exp((x - SPEED * t) / np.sqrt(6))) ** -2.0


def fisher(t, u):
    padded = np.concatenate([[wave(x[0] - dx, t)], u, [wave(x[-1] + dx, t)]])
    return np.diff(padded, 2) / dx**2 + u * (1 - u)


sparsity = diags_array([np.ones(120), np.ones(121), np.ones(120)], offsets=[-1, 0, 1])
res = sm.solve_ivp(fisher, (0, 10), wave(x, 0), rtol=1e-6, atol=1e-6, jac_sparsity=sparsity)

# %%
# Two errors: that of the ordinary differential equations, which the tolerance bounds, and that of the grid, which
# it does not.
space = np.abs(res.sol(10.0) - wave(x, 10.0))
time = res.sol.error(10.0)
print(f"success: {res.success}, {len(res.sol.y)} windows")
print(
    f"estimated error of the equations {time.max():.1e}; distance to the exact front, from the grid, {space.max():.1e}"
)

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), height_ratios=(3, 2), sharex=True, layout="constrained")
for t in np.linspace(0, 10, 6):
    above.plot(x, res.sol(t), label=f"t = {t:g}")
    above.plot(x, wave(x, t), color="0.6", linewidth=0.8, linestyle="--")
above.set(title="Fisher's front, and the exact one (dashed)", ylabel="u")
above.legend(fontsize="small")
below.semilogy(x, space, label="grid")
below.semilogy(x, time, "--", label="equations, estimated")
below.set(title="Errors at t = 10", xlabel="x")
below.legend()
plt.show()
