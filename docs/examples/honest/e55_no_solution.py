"""
A problem without a solution
============================

Bratu's problem has no solution above k = 3.5138. No guess and no mesh helps; the status is 2, whatever the
guess.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

x = np.linspace(0, 1, 5)
ks, errors, answers = np.linspace(3.4, 3.6, 21), [], []
for k in ks:
    found = [
        sm.solve_bvp(
            lambda x, y, k: np.vstack([y[1], -k * np.exp(y[0])]),
            lambda ya, yb, k: np.array([ya[0], yb[0]]),
            x,
            np.vstack([height * np.sin(np.pi * x), height * np.pi * np.cos(np.pi * x)]),
            tol=1e-7,
            args=(k,),
        )
        for height in (0.8, 1.2, 1.8)
    ]
    answers.append([res.success for res in found])
    middle = [res.sol(0.5)[0] for res in found if res.success]
    s = [np.arccosh(np.exp(value / 2)) for value in middle]
    errors += [(k, value, abs(k - 8 * s**2 * np.exp(-value))) for value, s in zip(middle, s, strict=True)]
answers = np.array(answers)
print(f"success below the fold: {answers[ks < 3.5138].sum()} of {answers[ks < 3.5138].size}")
print(f"success above the fold: {answers[ks > 3.5139].sum()} of {answers[ks > 3.5139].size}; the last message:")
print(found[-1].message)
k, middle, off = np.transpose(errors)
print(f"largest error of those below, as an error of k: {off.max():.1e}")

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(k, middle, "o", label="success")
failed = np.repeat(ks, 3)[~answers.ravel()]
axes.plot(failed, 0 * failed + 1.19, "x", color="tab:red", label="no success")
axes.axvline(3.513830719, color="0.5", linestyle="--", label="the fold")
axes.set(title="Solutions found from three guesses for each k", xlabel="k", ylabel="y(1/2)")
axes.legend()
plt.show()
