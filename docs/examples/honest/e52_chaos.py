"""
Chaos for longer than the digits last
=====================================

Errors of Lorenz' equations grow as exp(0.9 t): from 1e-16 to the size of the solution in 45 units of time.
``success`` is False, and the estimate shows from when on nothing is known.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np
from scipy.integrate import solve_ivp

import sigmode as sm


@numba.njit
def lorenz(t, y):
    return 10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]


res = sm.solve_ivp(lorenz, (0, 50), [1.0, 1.0, 1.0], rtol=1e-9, atol=1e-9)
print(f"sigmode: success {res.success}: {res.message}")
theirs = solve_ivp(lorenz, (0, 50), [1.0, 1.0, 1.0], method="DOP853", rtol=1e-9, atol=1e-9, dense_output=True)
print(f"SciPy's DOP853: success {theirs.success}: {theirs.message}")

t = np.linspace(0, 50, 2501)
apart = np.abs(res.sol(t) - theirs.sol(t)).max(axis=0)
error = res.sol.error(t).max(axis=0)
lost, differ = (t[np.argmax(size > 1)] for size in (error, apart))
print(f"estimated error above 1 from t = {lost:.1f} on; the two differ by 1 from {differ:.1f} on")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")
above.plot(t, res.sol(t)[0], label="sigmode")
above.plot(t, theirs.sol(t)[0], "--", label="DOP853")
above.set(title="Two solutions of Lorenz' equations, rtol = atol = 1e-9")
above.legend(loc="lower left")
below.semilogy(t, np.maximum(apart, 1e-17), linewidth=0.7, label="their difference")
below.semilogy(t, error, label="estimated error of ours")
below.set(title="Error", xlabel="t")
below.legend()
plt.show()
