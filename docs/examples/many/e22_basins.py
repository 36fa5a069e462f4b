"""
Basins of attraction
====================

A damped ball in a double well: where does it end, for 1600 starts? One ensemble, one picture.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm


@numba.njit
def duffing(t, y, damping):
    return y[1], y[0] - y[0] ** 3 - damping * y[1]


side = np.linspace(-2.5, 2.5, 40)
starts = np.array([(x, v) for v in side for x in side])
res = sm.solve_ensemble(duffing, (0, 60), starts, args=(0.15,), rtol=1e-5, atol=1e-6, workers=-1)

# %%
# At rest y is 1 or -1. Where the error could have changed the well, the estimate would be as large as the
# distance between them.
well = np.sign(res.y[:, 0, -1]).reshape(40, 40)
error = res.error[:, 0, -1].reshape(40, 40)
print(f"failed: {res.failed.size} of {len(starts)}; largest estimated error {res.error.max():.1e}")
print(f"largest distance to a well at the end: {np.abs(np.abs(res.y[:, 0, -1]) - 1).max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
extent = (-2.5, 2.5, -2.5, 2.5)
left.imshow(well, origin="lower", extent=extent, cmap="coolwarm")
left.set(title="Which well", xlabel="y(0)", ylabel="y'(0)")
picture = right.imshow(np.log10(np.maximum(error, 1e-16)), origin="lower", extent=extent)
right.set(title="log10 of the estimated error", xlabel="y(0)")
figure.colorbar(picture)
plt.show()
