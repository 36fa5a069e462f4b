"""
Input from a table
==================

A room is heated by what a table says, and its thermostat cuts off above 21 degrees. Kinks of the interpolated
table and the switching are found where they matter.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

HOURS = np.array([0, 4, 6, 9, 12, 15, 18, 21, 24.0])
OUTSIDE = np.array([2, 0, 1, 5, 9, 10, 7, 4, 3.0])


def room(t, y, heat):
    power = heat * min(1.0, max(0.0, 21.0 - y[0]))  # full until 20 degrees, off at 21
    return [0.3 * (np.interp(t, HOURS, OUTSIDE) - y[0]) + power]


res = sm.solve_ivp(room, (0, 24), [15.0], args=(7.0,), rtol=1e-7, atol=1e-7)
told = sm.solve_ivp(room, (0, 24), [15.0], args=(7.0,), rtol=1e-10, atol=1e-10, breaks=HOURS[1:-1])
t = np.linspace(0, 24, 1001)
true = np.abs(res.sol(t) - told.sol(t))[0]
print(f"success: {res.success}, {len(res.sol.y)} windows, {res.nfev} calls of f")
print(f"largest error: true {true.max():.1e}, estimated {res.error.max():.1e}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), height_ratios=(3, 1), sharex=True, layout="constrained")
above.plot(t, res.sol(t)[0], label="room")
above.plot(HOURS, OUTSIDE, "o-", label="outside, the table")
above.plot(res.sol.x, res.sol(res.sol.x)[0], "|", color="0.3", label="ends of windows")
above.set(title="A room with a thermostat", ylabel="degrees")
above.legend()
below.semilogy(t, np.maximum(true, 1e-15), label="true")
below.semilogy(t, res.sol.error(t)[0], "--", label="estimated")
below.set(title="Error", xlabel="hours")
below.legend()
plt.show()
