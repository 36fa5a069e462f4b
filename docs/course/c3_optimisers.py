"""
3. L-BFGS, and its traps
========================

Loss and gradient in hand, training is a call of `scipy.optimize.minimize`. This part shows how far that gets,
and four ways to be deceived.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

import sigmode as sm
from sigmode import reference

problem = sm.problems.GAUSS
x = np.linspace(0, 1, 501)
exact = problem.exact(x)[0]
col = sm.Collocation(problem.fun, problem.span, problem.y0, n_hidden=10, jac=problem.jac)
start = col.initial()
limits = threadpool_limits(1, "blas")  # small matrices: on busy cores the threads of BLAS would wait for each other


def error(theta):
    return np.abs(col.solution(theta)(x)[0] - exact).max()


# %%
# Gradient descent, Adam, L-BFGS
# ------------------------------
# The same start, the same number of gradients.
path, theta = [], start.copy()
for _ in range(1000):
    value, gradient = col.loss_and_gradient(theta)
    path.append(value)
    theta -= 2e-3 * gradient
descent = theta
adam = sm.train(col, start, method="adam", max_iter=1000)
lbfgs = sm.train(col, start, method="L-BFGS-B", max_iter=1000)
for name, parameters in (("descent", descent), ("Adam", adam.theta), ("L-BFGS-B", lbfgs.theta)):
    print(f"{name:9} loss {col.loss(parameters):.1e}, error {error(parameters):.1e}")

# %%
# Trap 1: it stops because it likes to
# ------------------------------------
# SciPy's L-BFGS-B ends where the loss falls by less than 2.2e-9 of max(loss, 1) in a step. For a loss that is to
# become 1e-12 that is at once. `train` sets the rules so that it goes on while it gains.
early = minimize(col.loss_and_gradient, start, jac=True, method="L-BFGS-B")
late = minimize(
    col.loss_and_gradient,
    start,
    jac=True,
    method="L-BFGS-B",
    options={"ftol": 0.0, "gtol": 1e-12, "maxiter": 1000, "maxfun": 10**5, "maxcor": 50},
)
print(f"by default {early.nit} iterations, error {error(early.x):.1e}: {early.message}")
print(f"told to go on {late.nit} iterations, error {error(late.x):.1e}: {late.message}")

# %%
# Trap 2: a gradient that is almost right
# ---------------------------------------
# The formula that forgets one term, from the part before. The loss falls, then the line search gives up.
points = np.linspace(0, 1, 11)
fun, df_dy = lambda x, y: np.cos(x) - 2 * x * y, lambda x, y: -2 * x
small = np.random.default_rng(0).normal(size=9)
value = lambda theta: float(reference.loss(theta, points, (0, 1), np.ones(1), fun, 3))
for formula in ("full", "eq9"):
    slope = lambda theta, formula=formula: reference.gradient(theta, points, 1.0, fun, df_dy, 3, formula)
    fit = minimize(value, small, jac=slope, method="L-BFGS-B", options={"ftol": 0.0, "gtol": 1e-10, "maxiter": 300})
    print(f"{formula}: loss {fit.fun:.1e} after {fit.nit} iterations, {fit.message}")

# %%
# Trap 3: a loss of zero
# ----------------------
# More parameters than points: the loss can be zero, and the solution wrong between the points. `train` looks
# there, and is not deceived.
poor = sm.Collocation(problem.fun, problem.span, problem.y0, n_hidden=10, n_points=4, seed=3)
fooled = sm.train(poor, method="least_squares", tol=1e-6)
between = np.abs(fooled.sol(x)[0] - exact).max()
print(f"loss {fooled.loss:.1e}, error {between:.1e}, success {fooled.success}")
print(fooled.message)

# %%
# Trap 4: the loss is not the error
# ---------------------------------
# How far y is off depends on the equation. `assess` estimates it for parameters from anywhere.
for name, parameters in (("descent", descent), ("L-BFGS-B", lbfgs.theta)):
    verdict = sm.assess(col, parameters, tol=1e-6)
    root = np.sqrt(col.loss(parameters))
    print(f"{name:9} root of the loss {root:.0e}, error {error(parameters):.0e}, estimated {verdict.error[0]:.0e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.loglog(np.arange(1, len(path) + 1), path, label="gradient descent")
for res, name in ((adam, "Adam"), (lbfgs, "L-BFGS-B")):
    left.loglog(np.maximum(res.history.iteration, 1), res.history.loss, label=name)
left.set(title="Loss", xlabel="iteration")
left.legend()
for parameters, name in ((descent, "gradient descent"), (adam.theta, "Adam"), (lbfgs.theta, "L-BFGS-B")):
    right.semilogy(x, np.maximum(np.abs(col.solution(parameters)(x)[0] - exact), 1e-12), label=name)
right.set(title="Error of the solution", xlabel="x")
right.legend()
plt.show()
limits.restore_original_limits()

# %%
# A thousand iterations for six digits of one smooth function: there must be a better way.
