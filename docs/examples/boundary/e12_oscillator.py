"""
Eigenvalues
===========

The harmonic oscillator of quantum mechanics, -y'' + x^2 y = E y, on [-7, 7] with y = 0 at both ends. E is an
unknown parameter; one condition more fixes the scale. The exact values are 1, 3, 5, ....
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm


def fun(x, y, p):
    return np.vstack([y[1], (x**2 - p[0]) * y[0]])


def ends(ya, yb, p):
    return np.array([ya[0], yb[0], ya[1] - 1e-9])


figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
x = np.linspace(-7, 7, 41)
t = np.linspace(-7, 7, 601)
levels = []
for k in range(5):
    hermite = np.polynomial.hermite.Hermite.basis(k)
    shape = hermite(x) * np.exp(-(x**2) / 2)
    guess = np.vstack([shape, np.gradient(shape, x)]) * (1e-9 / np.gradient(shape, x)[0])
    res = sm.solve_bvp(fun, ends, x, guess, p=[2 * k + 1.1], tol=1e-9)
    y = res.sol(t)[0]
    levels.append((res.success, res.p[0], res.p_error[0]))
    left.plot(t, res.p[0] + 0.9 * y / np.abs(y).max(), label=f"E = {res.p[0]:.9f}")
for success, value, error in levels:
    print(f"success: {success}, E = {value:.12f}, true error {abs(value - round(value)):.1e}, estimated {error:.1e}")
left.set(title="Five states", xlabel="x", ylabel="E")
left.legend(fontsize="small")
right.semilogy([max(abs(value - round(value)), 1e-17) for _, value, _ in levels], "o", label="true")
right.semilogy([error for *_, error in levels], "x", label="estimated")
right.set(title="Error of E", xlabel="state")
right.legend()
plt.show()
