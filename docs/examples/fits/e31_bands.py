"""
A fit with bands
================

Hare and lynx, counted by the pelts that trappers sold between 1900 and 1920 (thousands). Four rates and both
initial values are found from a start that is off by a factor of four.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

t = np.arange(1900, 1921.0)
hare = [
    30,
    47.2,
    70.2,
    77.4,
    36.3,
    20.6,
    18.1,
    21.4,
    22,
    25.4,
    27.1,
    40.3,
    57,
    76.6,
    52.3,
    19.5,
    11.2,
    7.6,
    14.6,
    16.2,
    24.7,
]
lynx = [4, 6.1, 9.8, 35.2, 59.4, 41.7, 19, 13, 8.3, 9.1, 7.4, 8, 12.3, 19.5, 45.7, 51.1, 29.7, 15.8, 9.7, 10.1, 8.6]


def lotka_volterra(t, y, a, b, c, d):
    return [a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]]


res = sm.fit_ivp(lotka_volterra, t, [hare, lynx], p0=[2.0, 0.1, 3.0, 0.1], y0=[np.nan, np.nan])
print(res.summary())

# %%
# Two errors again: that of the data, in the bands, and that of the solutions, which moves no parameter by more
# than a thousandth of its standard error.
bias = np.max(res.bias / res.stderr)
print(f"largest error of the solution: {np.max(res.error):.1e} of sigma; bias / stderr {bias:.1e}")
axes = res.plot()
axes[0].set_title("Hares (y0) and lynxes (y1) with bands of 95 %")
axes[1].set_title("Residuals")
plt.show()
