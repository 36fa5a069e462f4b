"""
A bouncing ball
===============

Each bounce is a terminal event, located on the solution to rounding; the next flight is a problem of its own.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

G, KEPT = 9.81, 0.8


def fall(t, y):
    return [y[1], -G]


def ground(t, y):
    return y[0]


ground.terminal, ground.direction = True, -1

t, y, flights = 0.0, [1.0, 0.0], []
for _ in range(8):
    res = sm.solve_ivp(fall, (t, np.inf), y, events=ground, rtol=1e-9, atol=1e-9)
    flights.append(res)
    t, y = float(res.t[-1]), [0.0, -KEPT * res.y[1, -1]]

# %%
# The times of the bounces are a geometric series.
bounces = np.array([res.t[-1] for res in flights])
exact = np.sqrt(2 / G) * (1 + 2 * np.cumsum(KEPT ** np.arange(8)) - 2)
print(f"largest error of the times of the bounces: {np.abs(bounces - exact).max():.1e}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), height_ratios=(3, 1), sharex=True, layout="constrained")
for res in flights:
    t = np.linspace(res.t[0], res.t[-1], 50)
    above.plot(t, res.sol(t)[0], color="tab:blue")
above.plot(bounces, 0 * bounces, "o", color="tab:orange", label="events")
above.set(title="A ball that keeps 80 % of its speed", ylabel="height")
above.legend()
below.semilogy(bounces, np.maximum(np.abs(bounces - exact), 1e-17), "o")
below.set(title="Error of the time of each bounce", xlabel="t")
plt.show()
