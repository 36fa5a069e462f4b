"""
Which parameter matters, and when
=================================

Derivatives of an epidemic by its parameters, with their estimated errors, against differences of very exact
solutions.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm


def sir(t, y, beta, gamma):
    return [-beta * y[0] * y[1], beta * y[0] * y[1] - gamma * y[1]]


t = np.linspace(0, 60, 241)
p = (0.5, 0.2)
res = sm.sensitivity(sir, (0, 60), [0.999, 0.001], args=p, t_eval=t, rtol=1e-8, atol=1e-10)


def infectious(*p):
    return sm.solve_ivp(sir, (0, 60), [0.999, 0.001], args=p, t_eval=t, rtol=1e-11, atol=1e-13).y[1]


differences = [
    (infectious(0.5 + 1e-5, 0.2) - infectious(0.5 - 1e-5, 0.2)) / 2e-5,
    (infectious(0.5, 0.2 + 1e-5) - infectious(0.5, 0.2 - 1e-5)) / 2e-5,
]
true = np.abs(res.dy_dp[1] - differences)
print(f"error of the derivatives: estimated {res.error_dy_dp.max():.1e}, distance to differences {true.max():.1e}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), height_ratios=(3, 2), sharex=True, layout="constrained")
above.plot(t, res.y[1], color="0.4", label="infectious")
for k, name in enumerate(("beta", "gamma")):
    above.plot(t, p[k] * res.dy_dp[1, k], label=f"{name} times the derivative by {name}")
    below.semilogy(t, np.maximum(true[k], 1e-16), label=f"{name}: distance to differences")
    below.semilogy(t, np.maximum(res.error_dy_dp[1, k], 1e-16), "--", label=f"{name}: estimated error")
above.set(title="What 1 % of a parameter changes, times 100")
above.legend()
below.set(title="Errors of the derivatives", xlabel="days")
below.legend(fontsize="small")
plt.show()
