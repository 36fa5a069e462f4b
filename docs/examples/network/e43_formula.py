"""
What a formula is good for
==========================

The solution is a formula on each window: it has derivatives, runs inside of your own compiled code, and is a
file of a few kilobytes.
"""

import pathlib
import tempfile

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm

res = sm.solve_ivp(lambda t, y: [y[1], -np.sin(y[0])], (0, 20), [2.5, 0.0], rtol=1e-10, atol=1e-10)
sol = res.sol

# %%
# Derivatives: the equation holds between the nodes, too. Each derivative has about two digits less than the one
# before.
t = np.linspace(0, 20, 2001)
first = np.abs(sol(t, nu=1)[1] + np.sin(sol(t)[0]))
second = np.abs(sol(t, nu=2)[1] + np.cos(sol(t)[0]) * sol(t)[1])
print(f"success: {res.success}; estimated error {res.error.max():.1e}")
print(f"error of the second derivative of the angle {first.max():.1e}, of the third {second.max():.1e}")

# %%
# Inside of compiled code: the mean of the squared speed, by Simpson's rule in a loop.
y = sol.compiled()


@numba.njit
def mean_square(m):
    total = 0.0
    for i in range(m + 1):
        weight = 1.0 if i in (0, m) else (4.0 if i % 2 else 2.0)
        total += weight * y(20.0 * i / m)[1] ** 2
    return total / (3 * m)


print(f"mean of the squared speed {mean_square(1000):.10f}, with more points {mean_square(4000):.10f}")

# %%
# As a file.
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "pendulum.npz")
    sol.save(path)
    again = sm.Solution.load(path)
    print(f"{path.stat().st_size} bytes; the same values: {bool(np.array_equal(again(t), sol(t)))}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), height_ratios=(3, 2), sharex=True, layout="constrained")
for nu, name in enumerate(("angle", "speed", "acceleration", "jerk")):
    above.plot(t, sol(t, nu)[0], label=name)
above.set(title="A pendulum, and three derivatives of the formula")
above.legend()
below.semilogy(t, np.maximum(first, 1e-17), linewidth=0.7, label="of the second derivative")
below.semilogy(t, np.maximum(second, 1e-17), linewidth=0.7, label="of the third")
below.semilogy(t, sol.error(t)[0], "--", label="of the angle, estimated")
below.set(title="Errors", xlabel="t")
below.legend(fontsize="small")
plt.show()
