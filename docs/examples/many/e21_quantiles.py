"""
An ensemble with quantiles
==========================

An epidemic whose rates are known to 10 %: a thousand members, on all threads, each with its own steps and its
own estimate.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm


@numba.njit
def seir(t, y, beta, sigma, gamma):
    caught, ill, well = beta * y[0] * y[2], sigma * y[1], gamma * y[2]
    return -caught, caught - ill, ill - well, well


rng = np.random.default_rng(1)
N = 1000
beta, sigma, gamma = (centre * np.exp(0.1 * rng.normal(size=N)) for centre in (0.5, 0.25, 0.2))
days = np.linspace(0, 160, 81)
res = sm.solve_ensemble(
    seir, (0, 160), [0.999, 0.001, 0.0, 0.0], args=(beta, sigma, gamma), t_eval=days, rtol=1e-6, atol=1e-9, workers=-1
)

# %%
# The error of each member is known; what is left is that of a thousand draws.
print(f"members that failed: {res.failed.size}")
print(f"largest estimated error {res.error.max():.1e}; people off by {np.abs(res.y.sum(axis=1) - 1).max():.1e} of 1")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), height_ratios=(3, 2), sharex=True, layout="constrained")
infectious = res.y[:, 2]
for part in (0.9, 0.5):
    low, high = np.quantile(infectious, [0.5 - part / 2, 0.5 + part / 2], axis=0)
    above.fill_between(days, low, high, color="tab:blue", alpha=0.3, label=f"{part:.0%} of the members")
above.plot(days, np.median(infectious, axis=0), color="tab:blue", label="median")
above.set(title="Infectious people, a thousand members", ylabel="part of all")
above.legend()
below.semilogy(days, res.error[:, 2].max(axis=0), label="worst member")
below.semilogy(days, np.median(res.error[:, 2], axis=0), label="median")
below.set(title="Estimated errors", xlabel="days")
below.legend()
plt.show()
