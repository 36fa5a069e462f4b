"""
Three bodies on a figure of eight
=================================

Three equal masses follow each other on one closed curve (Chenciner and Montgomery, 2000). After a period each
is where it started; how far off is the error, as far as the six printed digits of the start allow.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm


@numba.njit
def bodies(t, y):
    f = np.empty(12)
    f[:6] = y[6:]
    f[6:] = 0.0
    for i in range(3):
        for j in range(3):
            if i != j:
                dx, dy = y[2 * j] - y[2 * i], y[2 * j + 1] - y[2 * i + 1]
                r3 = (dx * dx + dy * dy) ** 1.5
                f[6 + 2 * i] += dx / r3
                f[7 + 2 * i] += dy / r3
    return f


def energy(y):
    r = [np.hypot(y[2 * i] - y[2 * j], y[2 * i + 1] - y[2 * j + 1]) for i, j in ((0, 1), (0, 2), (1, 2))]
    return 0.5 * np.sum(y[6:] ** 2, axis=0) - sum(1 / distance for distance in r)


PERIOD = 6.32591398
x, v = np.array([0.97000436, -0.24308753]), np.array([-0.93240737, -0.86473146])
start = np.concatenate([x, -x, [0, 0], -v / 2, -v / 2, v])
res = sm.solve_ivp(bodies, (0, PERIOD), start, rtol=1e-9, atol=1e-9)

t = np.linspace(0, PERIOD, 801)
y = res.sol(t)
drift = np.abs(energy(y) - energy(start))
print(f"success: {res.success}; estimated error {res.error.max():.1e}, energy off by {drift.max():.1e}")
print(f"after one period off by {np.abs(y[:6, -1] - start[:6]).max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for k, colour in enumerate(("tab:blue", "tab:orange", "tab:green")):
    left.plot(y[2 * k, :260], y[2 * k + 1, :260], color=colour)
    left.plot(*start[2 * k : 2 * k + 2], "o", color=colour)
left.set(title="A third of a period of three bodies", aspect="equal")
right.semilogy(t, np.maximum(drift, 1e-17), label="change of energy")
right.semilogy(t, res.sol.error(t).max(axis=0), "--", label="estimated error of y")
right.set(title="Errors", xlabel="t")
right.legend()
plt.show()
