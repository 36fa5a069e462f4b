"""
Bratu's two branches
====================

y'' + k exp(y) = 0 with y = 0 at both ends has two solutions below k = 3.5138 and none above. With the slope at
the left end prescribed and k unknown one walk goes around the fold.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

x = np.linspace(0, 1, 5)


def fun(x, y, p):
    return np.vstack([y[1], -p[0] * np.exp(y[0])])


branch, y, k = [], np.zeros((2, 5)), [0.5]
for slope in np.linspace(0.25, 16, 64):
    res = sm.solve_bvp(fun, lambda ya, yb, p, s=slope: np.array([ya[0], yb[0], ya[1] - s]), x, y, p=k, tol=1e-8)
    y, k = res.sol(x), res.p
    branch.append((k[0], res.sol(0.5)[0], res.p_error[0], res.success))
k, middle, estimate, good = np.transpose(branch)

# %%
# On the exact branch the value in the middle gives k.
s = np.arccosh(np.exp(middle / 2))
true = np.abs(k - 8 * s**2 * np.exp(-middle))
print(f"all succeed: {bool(good.all())}; largest k on the way {k.max():.4f}")
print(f"largest error of k: true {true.max():.1e}, estimated {estimate.max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.plot(k, middle, ".-")
left.axvline(3.513830719, color="0.5", linestyle="--", label="the fold, k = 3.51383...")
left.set(title="Bratu's branches", xlabel="k", ylabel="y(1/2)")
left.legend()
right.semilogy(middle, np.maximum(true, 1e-17), label="true")
right.semilogy(middle, estimate, "--", label="estimated")
right.set(title="Error of k along the branch", xlabel="y(1/2)")
right.legend()
plt.show()
