"""
B title
=======

Text.
"""

import matplotlib.pyplot as plt

import sigmode as sm

res = sm.solve_ivp(lambda t, y: -y, (0, 5), [1.0], rtol=1e-9, atol=1e-9)
plt.plot(res.t, res.y[0])
