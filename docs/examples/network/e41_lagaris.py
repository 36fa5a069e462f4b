"""
Lagaris' four problems
======================

The problems with which Lagaris, Likas and Fotiadis introduced trial solutions (1998), each with one network of
40 units over the whole span, and the same by `solve_ivp`.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

problems = [sm.problems.LAGARIS_1, sm.problems.LAGARIS_2, sm.problems.LAGARIS_3, sm.problems.LAGARIS_4]
figure, axes = plt.subplots(2, 4, figsize=(11, 5), layout="constrained", sharex="col")
for column, problem in zip(axes.T, problems, strict=True):
    col = sm.Collocation(problem.fun, problem.span, problem.y0, n_hidden=40, jac=problem.jac)
    res = sm.train(col, tol=1e-9)
    march = sm.solve_ivp(problem.fun, problem.span, problem.y0, rtol=1e-9, atol=1e-9, vectorized=True)
    x = np.linspace(*problem.span, 401)
    true = np.abs(res.sol(x) - problem.exact(x)).max(axis=0)
    marched = np.abs(march.sol(x) - problem.exact(x)).max(axis=0)
    print(
        f"{problem.name}: success {res.success}, error {true.max():.1e}, estimated {res.error.max():.1e}; "
        f"solve_ivp {marched.max():.1e}, estimated {march.error.max():.1e}"
    )
    column[0].plot(x, res.sol(x).T)
    column[0].set(title=problem.name)
    column[1].semilogy(x, np.maximum(true, 1e-17), label="one network")
    column[1].semilogy(x, np.maximum(marched, 1e-17), label="solve_ivp")
    column[1].set(xlabel="x", ylim=(1e-17, 1e-8))
axes[1, 0].set_ylabel("true error")
axes[1, 0].legend(fontsize="small")
plt.show()
