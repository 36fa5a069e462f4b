"""
Doses at known times
====================

A drug is taken every eight hours, passes from the gut into the blood, and is broken down. Doses are infusions
of six minutes: f jumps at their ends, which ``breaks`` names.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

TAKEN, LONG = np.arange(0, 72, 8.0), 0.1  # hours
UP, DOWN = 0.9, 0.25  # per hour


def body(t, y):
    dose = 100.0 / LONG if np.any((t >= TAKEN) & (t < TAKEN + LONG)) else 0.0
    return np.array([dose - UP * y[0], UP * y[0] - DOWN * y[1]])


breaks = np.concatenate([TAKEN[1:], TAKEN + LONG])
res = sm.solve_ivp(body, (0, 96), [0.0, 0.0], rtol=1e-8, atol=1e-8, breaks=breaks)
blind = sm.solve_ivp(body, (0, 96), [0.0, 0.0], rtol=1e-8, atol=1e-8)


# %%
# One infusion has a closed form, and doses add up.
def blood(t):
    def grown(k, t):  # amount from an infusion that is eliminated at the rate k
        t = np.maximum(t, 0)
        return np.where(t < LONG, -np.expm1(-k * t), np.expm1(k * LONG) * np.exp(-k * t)) / k

    return sum(100 / LONG * UP / (UP - DOWN) * (grown(DOWN, t - at) - grown(UP, t - at)) for at in TAKEN)


t = np.linspace(0, 96, 2001)
true = np.abs(res.sol(t)[1] - blood(t))
print(f"largest error in the blood: true {true.max():.1e}, estimated {res.error[1].max():.1e}")
print(f"calls of f: {res.nfev} with breaks, {blind.nfev} where the jumps have to be found (success: {blind.success})")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), height_ratios=(3, 1), sharex=True, layout="constrained")
above.plot(t, res.sol(t)[0], label="gut")
above.plot(t, res.sol(t)[1], label="blood")
above.set(title="A drug every eight hours", ylabel="mg")
above.legend()
below.semilogy(t, np.maximum(true, 1e-15), label="true")
below.semilogy(t, res.sol.error(t)[1], "--", label="estimated")
below.set(title="Error in the blood", xlabel="hours")
below.legend()
plt.show()
