"""
A state that nobody measured
============================

FitzHugh and Nagumo's nerve: the voltage is measured, with noise, the recovery is not. Three parameters and the
hidden initial value come from the voltage alone.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm


@numba.njit
def nerve(t, y, a, b, c):
    return c * (y[0] - y[0] ** 3 / 3 + y[1]), -(y[0] - a + b * y[1]) / c


TRUE = (0.2, 0.2, 3.0)
t = np.linspace(0, 20, 201)
exact = sm.solve_ivp(nerve, (0, 20), [-1.0, 1.0], args=TRUE, t_eval=t, rtol=1e-9, atol=1e-9).y
rng = np.random.default_rng(3)
data = exact[0] + 0.1 * rng.normal(size=t.size)
res = sm.fit_ivp(nerve, t, data, p0=[0.5, 0.5, 2.0], y0=[np.nan, np.nan], observe=[0])
print(res.summary())

hidden = res.sol(t)[1]
off = (res.x - [*TRUE, -1.0, 1.0]) / res.stderr
print(f"error of the parameters in standard errors: {off.round(2)}")
print(f"largest error of the hidden state {np.abs(hidden - exact[1]).max():.3f}, of noise 0.1 in the other one")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
above.plot(t, data, ".", color="0.6", markersize=4, label="measured")
above.plot(t, res.sol(t)[0], label="fit")
above.set(title="The voltage, measured")
above.legend(loc="upper right")
below.plot(t, exact[1], color="0.6", linewidth=4, label="true")
below.plot(t, hidden, label="found")
below.set(title="The recovery, never measured", xlabel="t")
below.legend(loc="upper right")
plt.show()
