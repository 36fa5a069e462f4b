"""
A relaxation oscillator
=======================

Van der Pol's equation with mu = 100: long rests, sudden jumps, the same call as for smooth problems.
"""

import matplotlib.pyplot as plt
import numba
import numpy as np

import sigmode as sm


@numba.njit
def van_der_pol(t, y, mu):
    return y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]


res = sm.solve_ivp(van_der_pol, (0, 300), [2.0, 0.0], args=(100.0,), rtol=1e-6, atol=1e-6)
tight = sm.solve_ivp(van_der_pol, (0, 300), [2.0, 0.0], args=(100.0,), rtol=1e-9, atol=1e-9)

# %%
# At a jump the tolerance is that of y, not of time: an error in time of 1e-6 is an error of 1e-4 in y there. The
# bound holds all the same.
t = np.unique(np.concatenate([np.linspace(0, 300, 2000), res.t]))
true = np.abs(res.sol(t) - tight.sol(t))[0]
print(f"success: {res.success}, {len(res.sol.y)} windows")
print(f"largest error of y: true {true.max():.1e}, estimated {res.error[0].max():.1e}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
above.plot(t, res.sol(t)[0])
above.plot(res.sol.x, res.sol(res.sol.x)[0], ".", markersize=4, label="ends of windows")
above.set(title="Van der Pol's oscillator, mu = 100", ylabel="y")
above.legend()
below.semilogy(t, np.maximum(true, 1e-16), linewidth=0.8, label="true error")
below.semilogy(t, res.sol.error(t)[0], "--", label="estimated error")
below.set(title="Its error", xlabel="t")
below.legend()
plt.show()
