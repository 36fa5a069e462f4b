"""
No solution beyond a point
==========================

y' = y^2 goes to infinity at t = 1. The march ends there and says so; one network over the whole span says that
it did not work.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

res = sm.solve_ivp(lambda t, y: y**2, (0, 2), [1.0], rtol=1e-8, atol=1e-8)
print(f"solve_ivp: success {res.success}, at t = {res.t[-1]:.9f}: {res.message}")
trained = sm.train(sm.Collocation(lambda x, y: y**2, (0, 2), [1.0]))
print(f"train: success {trained.success}: {trained.message}")

t = np.linspace(0, 0.999, 500)
true = np.abs(res.sol(t)[0] * (1 - t) - 1)
print(f"largest error of solve_ivp relative to y, up to t = 0.999: {true.max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.semilogy(t, res.sol(t)[0], label="solve_ivp, success False")
x = np.linspace(0, 2, 300)
left.semilogy(x, np.abs(trained.sol(x)[0]), "--", label="one network, success False")
left.axvline(1, color="0.5", linewidth=0.8)
left.set(title="y' = y^2 ends at t = 1", xlabel="t", ylim=(0.5, 1e4))
left.legend()
right.semilogy(t, np.maximum(true, 1e-17), label="true, relative to y")
right.semilogy(t, res.sol.error(t)[0] * (1 - t), "--", label="estimated, relative to y")
right.set(title="Error of the part before", xlabel="t")
right.legend()
plt.show()
