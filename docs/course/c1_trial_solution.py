r"""
1. The trial solution
=====================

We want y with

.. math:: y' = f(x, y), \qquad y(0) = A,

as a formula. Lagaris, Likas and Fotiadis (1998) take one that has the right initial value whatever its
parameters are:

.. math:: y(x) = A + x \, N(x), \qquad N(x) = \sum_j v_j \, s(w_j x + b_j).

s is the sigmoid, and N is a network with one hidden layer. What remains is to choose the parameters so that the
equation holds.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

# %%
# The equation of this course is y' = exp(-x^2) cos x - 2 x y with y(0) = 1, because its solution is known:
# exp(-x^2) (1 + sin x).
problem = sm.problems.GAUSS
x = np.linspace(0, 1, 201)
exact = problem.exact(x)[0]

# %%
# By hand
# -------
# Four hidden units, parameters drawn at random. The derivative of the formula is exact, no differences: it is N +
# x N'.
rng = np.random.default_rng(0)
w, b, v = rng.normal(scale=3, size=(3, 4))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def trial(x, w, b, v):
    s = sigmoid(np.multiply.outer(x, w) + b)
    N = s @ v
    dN = (s * (1 - s)) @ (v * w)
    return 1.0 + x * N, N + x * dN


y, slope = trial(x, w, b, v)
print(f"y(0) = {y[0]}, whatever the parameters are")

# %%
# What is wrong with it is the residual, slope minus f. It is zero everywhere if and only if y is the solution.
residual = slope - problem.fun(x, y[None])[0]
print(f"largest residual {np.abs(residual).max():.1f}")

# %%
# The same by sigmode
# -------------------
# A `Collocation` is the problem, its points, and a network. theta holds w, b and v one after the other.
col = sm.Collocation(problem.fun, problem.span, problem.y0, n_hidden=4, points=x)
theta = np.concatenate([w, b, v])
print(f"largest difference of the residuals {np.abs(col.residual(theta) - residual).max():.1e}")
print(f"the loss, the sum of their squares: {col.loss(theta):.3f}, {np.sum(residual**2):.3f}")

# %%
# Training is to make the loss small. `train` does it with this very network, and says how large the error is: not
# the loss, the distance to the solution.
res = sm.train(col, tol=1e-5)
error = np.abs(res.sol(x)[0] - exact)
print(f"4 hidden units: the loss {res.loss:.1e}, error {error.max():.1e}, estimated {res.error[0]:.1e}")

# %%
# Where the loss has a minimum that is not zero, the network is too small for more. With 20 units, and points that
# `Collocation` chooses by itself:
larger = sm.train(sm.Collocation(problem.fun, problem.span, problem.y0, n_hidden=20), tol=1e-9)
smaller = np.abs(larger.sol(x)[0] - exact)
print(f"20 hidden units: the loss {larger.loss:.1e}, error {smaller.max():.1e}, estimated {larger.error[0]:.1e}")

figure, (above, below) = plt.subplots(2, 1, figsize=(7, 6), sharex=True, layout="constrained")
for _ in range(6):
    w, b, v = rng.normal(scale=3, size=(3, 4))
    above.plot(x, trial(x, w, b, v)[0], color="0.7")
above.plot(x, exact, linewidth=3, label="the solution")
above.plot(x, res.sol(x)[0], "--", label="trained, 4 hidden units")
above.set(title="Six random trial solutions, all right at x = 0", ylim=(-3, 5))
above.legend()
for units, true, sol in ((4, error, res.sol), (20, smaller, larger.sol)):
    colour = below.semilogy(x, np.maximum(true, 1e-17), label=f"true error, {units} hidden units")[0].get_color()
    below.semilogy(x, sol.error(x)[0], "--", color=colour, label="estimated")
below.set(title="Error after training", xlabel="x")
below.legend(fontsize="small")
plt.show()

# %%
# How it is trained is what the next parts are about. What an optimiser needs first is the gradient of the loss.
