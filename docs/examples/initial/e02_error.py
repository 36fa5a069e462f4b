"""
The estimate beside the error
=============================

Five problems with closed forms, four tolerances: each point is one solution, its true error to the right, the
estimate upwards.
"""

import matplotlib.pyplot as plt
import numpy as np

import sigmode as sm

problems = [
    sm.problems.LAGARIS_1,
    sm.problems.LAGARIS_2,
    sm.problems.LAGARIS_4,
    sm.problems.LOGISTIC,
    sm.problems.TANGENT,
]
figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
ratios = []
for problem in problems:
    points = []
    for tol in (1e-4, 1e-6, 1e-8, 1e-10):
        res = sm.solve_ivp(problem.fun, problem.span, problem.y0, rtol=tol, atol=tol, vectorized=True)
        t = np.linspace(*problem.span, 501)
        points.append((np.abs(res.sol(t) - problem.exact(t)).max(), res.sol.error(t).max()))
        ratios.append(points[-1][1] / points[-1][0])
    axes.loglog(*np.transpose(points), "o-", label=problem.name)
line = np.array([1e-14, 1e-4])
axes.loglog(line, line, color="0.5", linewidth=0.8)
axes.fill_between(line, line / 3, 3 * line, color="0.5", alpha=0.15, label="within a factor of 3")
axes.set(title="Estimated against true error", xlabel="largest true error", ylabel="largest estimated error")
axes.legend()
print(f"estimate / error: {min(ratios):.2f} to {max(ratios):.2f}")
plt.show()
