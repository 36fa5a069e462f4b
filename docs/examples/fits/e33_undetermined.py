"""
What data do not tell
=====================

A reaction A to B to C of which only C is measured: which of the two rates is the fast one cannot be seen. With
A measured a few times it can. The first fit says that it cannot be trusted.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm


@numba.njit
def chain(t, y, k1, k2, yield_):
    return -k1 * y[0], k1 * y[0] - k2 * y[1], yield_ * k2 * y[1]


t = np.linspace(0.2, 8, 25)
exact = sm.solve_ivp(chain, (0, 8), [1.0, 0.0, 0.0], args=(1.0, 0.5, 1.0), t_eval=t, rtol=1e-9, atol=1e-9).y
rng = np.random.default_rng(0)
noisy = exact + 0.01 * rng.normal(size=exact.shape)

# %%
# The amount at the start unknown, too, and only C measured: amount and yield appear as a product.
start = {"p0": [2.0, 0.4, 1.0], "y0": [np.nan, 0.0, 0.0], "t0": 0.0, "bounds": (0.0, 10.0)}
only_c = sm.fit_ivp(chain, t, noisy[2], observe=[2], **start)
print(only_c.success, only_c.message)
for size, direction in only_c.undetermined:
    print(
        f"  direction { ({name: round(weight, 2) for name, weight in direction.items()}) }, singular value {size:.0e}"
    )

# %%
# With a few measurements of A, NaN elsewhere, all is determined.
some = np.full(t.size, np.nan)
some[::6] = noisy[0, ::6]
both = sm.fit_ivp(chain, t, [some, noisy[2]], observe=[0, 2], **start)
print(both.success, both.message)
off = np.abs(both.x - [1.0, 0.5, 1.0, 1.0])
print(f"errors {off.round(3)}, standard errors {both.stderr.round(3)}")

axes = both.plot()
axes[0].set_title("A (y0), five times, and C (y1): now all is determined")
axes[1].set_title("Residuals")
plt.show()
