r"""
5. Windows
==========

One network for the whole span has its limits: fifteen periods are too much for it. So cut the span into
windows, each with a small trial solution that starts where the last one ended:

.. math:: y(t_k + h \xi) = y_k + \xi N(\xi), \qquad \xi \in [0, 1].

The hidden layer is the same in all windows, and only output weights are sought. This part writes such a solver
in thirty lines.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm
from sigmode.trial.basis import basis

# %%
# The matrix of a window
# ----------------------
# Values and slopes at the nodes are linear in the output weights W: :math:`Y - y_k = \Phi W` and :math:`h K =
# \Psi W`. Without W this is
#
# .. math:: Y = y_k + h A K, \qquad A = \Phi \Psi^{-1},
#
# an implicit Runge-Kutta method. Its coefficients come from sigmoids, not from polynomials; `docs/windows.md`
# derives all of it.
window = basis(14)
A, nodes = window.A, window.nodes
off = np.abs(A @ np.cos(nodes) - np.sin(nodes))
print(f"{nodes.size} nodes, the last one at {nodes[-1]}; A integrates cos to {off.max():.0e}, {off[-1]:.0e} at the end")


# %%
# A solver
# --------
# The equation at the nodes is K = f(Y). Newton's method, with one df/dy for all nodes: a linear system of 14 n
# unknowns per iteration.
def pendulum(t, y):
    return np.array([y[1], -np.sin(y[0])])


def d_pendulum(y):
    return np.array([[0.0, 1.0], [-np.cos(y[0]), 0.0]])


def march(y, span, windows):
    t, h = span[0], (span[1] - span[0]) / windows
    ends = [y]
    for _ in range(windows):
        matrix = np.eye(nodes.size * y.size) - h * np.kron(A, d_pendulum(y))
        Y = y + np.outer(nodes, h * pendulum(t, y))
        for _ in range(40):
            K = pendulum(t + h * nodes, Y.T).T
            step = np.linalg.solve(matrix, (y + h * A @ K - Y).ravel()).reshape(Y.shape)
            Y = Y + step
            if np.abs(step).max() < 1e-13:
                break
        y, t = Y[-1], t + h
        ends.append(y)
    return np.array(ends)


# %%
# Twenty units of time, more and more windows. The error falls as a high power of their length, until rounding is
# reached.
exact = sm.solve_ivp(pendulum, (0, 20), [2.0, 0.0], rtol=1e-12, atol=1e-12)
counts = np.array([4, 5, 6, 8, 10, 14, 20])
errors = [np.abs(march(np.array([2.0, 0.0]), (0, 20), count)[-1] - exact.y[:, -1]).max() for count in counts]
for count, error in zip(counts, errors, strict=True):
    print(f"{count} windows: error at the end {error:.1e}")

# %%
# What is missing
# ---------------
# Lengths that follow the solution, a local error to choose them by, a second solution that tells the global
# error, care for stiff equations, kinks, noise, events. That is `solve_ivp`:
res = sm.solve_ivp(pendulum, (0, 20), [2.0, 0.0], rtol=1e-9, atol=1e-9)
t = np.linspace(0, 20, 501)
true = np.abs(res.sol(t) - exact.sol(t)).max(axis=0)
print(f"solve_ivp: {len(res.sol.y)} windows, error {true.max():.1e}, estimated {res.error.max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.loglog(counts, np.maximum(errors, 1e-16), "o-")
left.set(title="Thirty lines: error at the end", xlabel="windows")
right.plot(t, res.sol(t)[0], label="angle")
right.plot(res.sol.x, res.sol(res.sol.x)[0], "o", markersize=4, label="ends of windows")
right.set(title="solve_ivp chooses their lengths", xlabel="t")
right.legend()
plt.show()

# %%
# Chains of windows between two ends, with conditions at both, are `solve_bvp`. All windows with unknown
# parameters, fitted to data, are `fit_ivp`.
