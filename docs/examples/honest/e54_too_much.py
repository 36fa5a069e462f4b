"""
Too much for one network
========================

Fifteen periods of an oscillation, one network of forty sigmoids: `train` says that the tolerance is not met.
Windows do it.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm


def oscillator(x, y):
    return np.array([y[1], -y[0]])


x = np.linspace(0, 30 * np.pi, 1001)
col = sm.Collocation(oscillator, (0, 30 * np.pi), [0.0, 1.0], n_hidden=40)
trained = sm.train(col, method="output", tol=1e-6)
off = np.abs(trained.sol(x)[0] - np.sin(x))
print(f"train: success {trained.success}, error {off.max():.1e}: {trained.message[:90]}...")
march = sm.solve_ivp(oscillator, (0, 30 * np.pi), [0.0, 1.0], rtol=1e-6, atol=1e-6)
true = np.abs(march.sol(x)[0] - np.sin(x))
print(f"solve_ivp: success {march.success}, error {true.max():.1e}, {len(march.sol.y)} windows")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained")
above.plot(x, trained.sol(x)[0], label="one network")
above.plot(x, march.sol(x)[0], "--", label="windows")
above.set(title="Fifteen periods", ylim=(-2.5, 2.5))
above.legend(loc="lower left")
below.semilogy(x, np.maximum(off, 1e-17), label="one network: true")
below.semilogy(x, trained.sol.error(x)[0], ":", label="one network: estimated")
below.semilogy(x, np.maximum(true, 1e-17), label="windows: true")
below.semilogy(x, march.sol.error(x)[0], ":", label="windows: estimated")
below.set(title="Errors", xlabel="x")
below.legend(fontsize="small", ncols=2)
plt.show()
