"""Random nonlinear boundary value problems from flat guesses, ours and SciPy's: who solves them, and how fast.

``python bench/bvp_starts.py`` takes some minutes; ``python bench/bvp_starts.py 50`` the first 50 problems.
"""

import sys
import time
import warnings

import numpy as np
from scipy.integrate import solve_bvp

import sigmode as sm

TERMS = 8


def problem(seed):
    """One or two equations of second order with random terms and conditions, on five nodes, from a constant guess."""
    r = np.random.default_rng(seed)
    eps = 10.0 ** -r.integers(0, 4) if r.random() < 0.5 else 1.0
    k = r.integers(1, 3)
    terms = [
        np.where(r.random(TERMS) < 0.35, r.normal(size=TERMS) * r.choice([1, 3, 10], size=TERMS), 0.0) for _ in range(k)
    ]
    couple = r.normal(size=(k, k)) * (r.random((k, k)) < 0.5)
    end = r.choice([1.0, 2.0, 5.0]) if r.random() < 0.3 else 1.0

    def fun(x, y):
        u, v = y[:k], y[k:]
        out = []
        for i, c in enumerate(terms):
            w = u[i]
            g = c[0] * w + c[1] * w**3 + c[2] * w**2 + 0.3 * c[3] * np.exp(np.clip(w, None, 300)) + c[4] * np.sin(3 * w)
            g = g + c[5] * w * v[i] + c[6] * np.cos(3 * x) + c[7] * np.sinh(np.clip(w, -300, 300)) + couple[i] @ u
            out.append(g / eps)
        return np.vstack([v, out])

    kinds = r.integers(0, 3, size=(k, 2))
    values = r.normal(size=(k, 2)) * r.choice([1, 2], size=(k, 2))
    kinds[:, 1] = np.where((kinds == 1).all(axis=1), 0, kinds[:, 1])

    def bc(ya, yb):
        out = []
        for i in range(k):
            for j, at in ((0, ya), (1, yb)):
                third = (-0.5 if j == 0 else 0.5) * at[k + i]
                out.append((at[i], at[k + i] + 0.7 * values[i, j], at[i] + third)[kinds[i, j]] - values[i, j])
        return np.array(out)

    x = np.linspace(0.0, end, 5)
    y = np.zeros((2 * k, 5))
    choice = r.choice(3)
    if choice:
        y[:k] = 1.0 if choice == 1 else values.mean(axis=1, keepdims=True)
    return fun, bc, x, y


def timed(solver, given, tol):
    """The result, and the shorter time of two calls in seconds."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        res = solver(*given, tol=tol, max_nodes=20_000)
        times.append(time.perf_counter() - start)
    return res, min(times)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    timed(sm.solve_bvp, problem(0), 1e-3)
    print("| tol | both | ours alone | SciPy alone | none | SciPy's time / ours: median | 10th percentile |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for tol in (1e-3, 1e-6, 1e-9):
        ratios, alone = [], [0, 0, 0]
        for seed in range(count):
            given = problem(seed)
            (ours, a), (theirs, b) = timed(sm.solve_bvp, given, tol), timed(solve_bvp, given, tol)
            if ours.success and theirs.success:
                ratios.append(b / a)
            else:
                alone[0 if ours.success else 1 if theirs.success else 2] += 1
        low, middle = np.percentile(ratios, [10, 50])
        row = [f"{tol:.0e}", len(ratios), *alone, f"{middle:.1f}", f"{low:.2f}"]
        print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()
