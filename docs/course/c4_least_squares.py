r"""
4. Why least squares is faster
==============================

The loss is a sum of squares, :math:`E = |r|^2`, and that is worth a lot: its gradient :math:`2 J^T r` comes
from the Jacobian J of the residual, and with J at hand one need not creep along the gradient.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

problem = sm.problems.GAUSS
x = np.linspace(0, 1, 501)
exact = problem.exact(x)[0]
col = sm.Collocation(problem.fun, problem.span, problem.y0, n_hidden=20, jac=problem.jac)
start = col.initial()

# %%
# The reason in one number
# ------------------------
# Near the minimum a method that sees gradients only sees the matrix :math:`J^T J`, whose condition is that of J
# squared. Sigmoids beside each other are nearly dependent, so J is ill-conditioned already; squared it is
# hopeless, and each iteration finds a little of what is left.
J = col.jacobian(start)
output = J[:, 40:]  # the columns of the 20 output weights
print(
    f"condition of the output weights' columns {np.linalg.cond(output):.0e}, squared {np.linalg.cond(output) ** 2:.0e}"
)

# %%
# Least squares, with a QR or an SVD of J, never forms it:
#
# .. math:: \text{minimise } |r + J d| \quad \text{over the step } d.
#
# By hand, on all weights, with a damping that falls while it works:
theta, damping, losses = start.copy(), 1e-2, []
for _ in range(100):
    r, J = col.residual(theta), col.jacobian(theta)
    losses.append(r @ r)
    stacked = np.vstack([J, np.sqrt(damping) * np.eye(theta.size)])
    step = np.linalg.lstsq(stacked, np.concatenate([-r, np.zeros(theta.size)]), rcond=None)[0]
    better = col.loss(theta + step) < r @ r
    theta, damping = (theta + step, damping / 10) if better else (theta, damping * 10)
own = np.abs(col.solution(theta)(x)[0] - exact).max()
print(f"Levenberg and Marquardt in ten lines: loss {losses[-1]:.1e}, error {own:.1e}")

# %%
# Only the output weights
# -----------------------
# y depends on the output weights v linearly. If f is linear in y, so is the residual, and one least-squares
# problem of 20 unknowns is all; otherwise a few of Gauss and Newton's iterations. The hidden layer stays as it
# was put: sigmoids evenly over the span.
runs = {}
for method in ("L-BFGS-B", "least_squares", "output"):
    res = sm.train(col, start, method=method, tol=1e-9)
    error = np.abs(res.sol(x)[0] - exact).max()
    runs[method] = res
    print(f"{method:13} {res.nit:5} iterations, loss {res.loss:.0e}, error {error:.0e}, estimated {res.error[0]:.0e}")

# %%
# What is given up are the hidden weights, and with them the hope that the network puts its sigmoids where they
# are needed. For smooth solutions they are not missed. `method="auto"` begins with "output", and takes all
# weights where that is not enough.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for method, res in runs.items():
    left.loglog(1 + np.arange(len(res.history)), np.maximum(res.history.loss, 1e-33), ".-", label=method)
left.loglog(1 + np.arange(len(losses)), losses, ".-", label="ten lines")
left.set(title="Loss over iterations", xlabel="iteration")
left.legend()
for method, res in runs.items():
    right.semilogy(x, np.maximum(np.abs(res.sol(x)[0] - exact), 1e-17), label=method)
right.set(title="Error of the solution", xlabel="x")
right.legend()
plt.show()

# %%
# How the times compare on the machine of the benchmarks stands in "Training: time and error together" of the page
# with benchmarks (``pytest --benchmark-full bench/test_training.py``).
