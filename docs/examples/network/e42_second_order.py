"""
Second order, two points
========================

y'' = f(x, y, y') as it stands, with the values at both ends built into the trial solution: they are exact
before any training.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

# %%
# Bratu's equation, k = 1, whose lower branch has a closed form.
col = sm.Collocation(lambda x, y, dy: -np.exp(y), (0, 1), (0.0, 0.0), n_hidden=20, order=2, conditions="two-point")
untrained = col.solution(col.initial())
res = sm.train(col, tol=1e-10)
x = np.linspace(0, 1, 401)
exact = sm.problems.BRATU.exact(x)
true = np.abs(res.sol(x)[0] - exact)
residual = np.abs(res.sol(x, nu=2)[0] + np.exp(res.sol(x)[0]))
print(f"success: {res.success}; largest error {true.max():.1e}, estimated {res.error[0]:.1e}")
print(f"at the ends: untrained {untrained([0.0, 1.0])[0]}, trained {res.sol([0.0, 1.0])[0]}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), height_ratios=(3, 2), sharex=True, layout="constrained")
above.plot(x, untrained(x)[0], "--", label="untrained")
above.plot(x, res.sol(x)[0], label="trained")
above.plot(col.points, res.sol(col.points)[0], ".", color="0.4", label="collocation points")
above.set(title="Bratu's problem by one network")
above.legend()
below.semilogy(x, np.maximum(true, 1e-17), label="true error")
below.semilogy(x, res.sol.error(x)[0], "--", label="estimated error")
below.semilogy(x, np.maximum(residual, 1e-17), linewidth=0.6, label="residual")
below.set(title="Error and residual", xlabel="x")
below.legend()
plt.show()
