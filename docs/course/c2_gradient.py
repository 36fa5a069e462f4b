r"""
2. The gradient, by hand
========================

The loss E depends on a weight w in two ways: through N, and through N', where w stands in front of the
sigmoid's derivative *and* inside of it. Whoever forgets one of the two gets a gradient that looks right. This
part computes it, and finds errors with the complex step.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm
from sigmode import reference

x = np.linspace(0, 1, 11)
n_hidden = 3
theta = np.random.default_rng(0).normal(size=3 * n_hidden)
fun = lambda x, y: np.cos(x) - 2 * x * y
df_dy = lambda x, y: -2 * x


def loss(theta):
    return reference.loss(theta, x, (0.0, 1.0), np.ones(1), fun, n_hidden)


# %%
# The complex step
# ----------------
# For an analytic function g, Im g(a + ih)/h is the derivative up to h^2, and nothing cancels: h may be 1e-30.
# Differences have no such h.
exact = np.array([loss(theta + 1e-30j * unit).imag / 1e-30 for unit in np.eye(theta.size)])
steps = 10.0 ** -np.arange(1, 16)
unit = np.eye(theta.size)[0]
forward = [abs((loss(theta + h * unit) - loss(theta)) / h - exact[0]) for h in steps]
central = [abs((loss(theta + h * unit) - loss(theta - h * unit)) / (2 * h) - exact[0]) for h in steps]
imaginary = [abs(loss(theta + 1j * h * unit).imag / h - exact[0]) for h in steps]
print(f"best of forward differences {min(forward):.0e}, of central ones {min(central):.0e}")

# %%
# By hand
# -------
# With r the residual and f_y = df/dy, let
#
# .. math:: \bar N = 2 r (1 - x f_y), \qquad \overline{dN} = 2 r x.
#
# Then the derivative of E by w has both paths, and in the second one a term with the second derivative of s:
#
# .. math:: \frac{\partial E}{\partial w_j} = \sum_i \bar N v_j s' x + \overline{dN} \, v_j (s' + s'' w_j x).
w, b, v = theta.reshape(3, n_hidden)
s = 1 / (1 + np.exp(-(np.multiply.outer(x, w) + b)))
ds, d2s = s * (1 - s), s * (1 - s) * (1 - 2 * s)
N, dN = s @ v, ds @ (v * w)
r = N + x * dN - fun(x, 1 + x * N)
N_bar, dN_bar, X = (2 * r * (1 - x * df_dy(x, N)))[:, None], (2 * r * x)[:, None], x[:, None]
by_hand = (N_bar * v * ds * X + dN_bar * v * (ds + d2s * w * X)).sum(axis=0)
print(f"error of the w block by hand: {np.abs(by_hand - exact[:n_hidden]).max():.1e}")

# %%
# Wrong turns
# -----------
# `sigmode.reference.gradient` has the formulas that one may arrive at, by the numbers of the derivation: eq. (9)
# without the last term, eq. (11) without the second path, eq. (12) with an activation too many, eq. (24) with a
# wrong sign.
errors = {}
for formula in reference.FORMULAS:
    gradient = reference.gradient(theta, x, 1.0, fun, df_dy, n_hidden, formula)
    errors[formula] = np.abs(gradient - exact)[:n_hidden].max() / np.abs(exact[:n_hidden]).max()
    print(f"{formula:5} relative error of the w block {errors[formula]:.1e}")

# %%
# The compiled kernels compute the right one, to rounding.
col = sm.Collocation(fun, (0, 1), [1.0], n_hidden, points=x, jac=lambda x, y: -2 * x[None, None])
print(f"error of the compiled gradient {np.abs(col.loss_and_gradient(theta)[1] - exact).max():.1e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for values, name in ((forward, "forward differences"), (central, "central differences"), (imaginary, "complex step")):
    left.loglog(steps, np.maximum(values, 1e-18), ".-", label=name)
left.set(title="Error of a derivative over the step", xlabel="step")
left.legend()
right.barh(list(errors), np.maximum(list(errors.values()), 1e-17), log=True)
right.set(title="Relative error of each formula", xlim=(1e-17, 10))
plt.show()

# %%
# A wrong gradient does not look wrong at first: the loss falls all the same, for a while. The next part shows
# what happens then.
