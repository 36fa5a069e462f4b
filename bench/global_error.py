"""How well `sm.solve_ivp` knows its error: estimate over true error, for every problem and tolerance.

    python bench/global_error.py      # half a minute; prints the table and a histogram

Where no closed form is known the reference is another method at its tightest, whose own error is compared with a
second tight run. Pairs whose true error is less than ten times that are not judged. Where y passes zero the tolerance
is that of the lower one of its largest values before and behind.
"""

from __future__ import annotations

import numpy as np
from ivps import PROBLEMS, reference
from scipy.integrate import solve_ivp

import sigmode as sm

TOLERANCES = (1e-4, 1e-6, 1e-8, 1e-10)
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.5, 2.0, 3.0, 10.0, np.inf)


def doubt(name: str) -> np.ndarray:
    """The reference's own error, (n,), as far as a second run with another tolerance tells."""
    p = PROBLEMS[name]
    if p.exact is not None:
        return np.full(len(p.y0), 1e-15)
    options = {"method": "Radau", "rtol": 1e-11} if p.stiff else {"method": "DOP853", "rtol": 2e-13}
    other = solve_ivp(p.fun, p.span, p.y0, t_eval=p.grid, atol=1e-16, **options)
    return abs(other.y - reference(name)).max(axis=1)


def main() -> None:
    """The table, then the histogram of all that can be judged."""
    ratios = []
    worst = literal = 0.0
    print("| problem | rtol | success | true error / tolerance | estimate / true error |\n|---|--:|---|--:|--:|")
    for name, p in PROBLEMS.items():
        own = doubt(name)
        for tol in TOLERANCES:
            options = {} if p.jac is None else {"jac": p.jac}
            res = sm.solve_ivp(p.fun, p.span, p.y0, rtol=tol, atol=1e-3 * tol, **options)
            exact = reference(name)
            true = abs(res.sol(p.grid) - exact)
            size = abs(exact)
            behind = np.maximum.accumulate(size[:, ::-1], axis=1)[:, ::-1]
            rims = np.minimum(np.maximum.accumulate(size, axis=1), behind)
            relative = float((true / (1e-3 * tol + tol * rims)).max())
            judged = true.max(axis=1) > 10 * own
            ratio = res.sol.error(p.grid).max(axis=1)[judged] / true.max(axis=1)[judged]
            shown = ", ".join(f"{r:.2f}" for r in ratio) or "not judged"
            print(f"| {name} | {tol:.0e} | {res.success} | {relative:.2g} | {shown} |")
            if res.success:
                ratios.extend(ratio)
                worst = max(worst, relative)
                literal = max(literal, float((true / (1e-3 * tol + tol * size)).max()))
    found = np.array(ratios)
    print(f"\n{found.size} components of solutions with success; largest true error / tolerance: {worst:.2g}")
    print(f"(with zeros that are passed taken literally: {literal:.2g})")
    print(f"estimate / true error within [0.3, 3]: {np.mean((found >= 0.3) & (found <= 3)):.0%}")
    print(f"within [0.1, 10]: {np.mean((found >= 0.1) & (found <= 10)):.0%}\n")
    for lo, hi, count in zip(BINS, BINS[1:], np.histogram(found, BINS)[0], strict=False):
        print(f"{lo:4.1f} to {hi:4.1f}  {count:4d}  {'#' * round(60 * count / found.size)}")


if __name__ == "__main__":
    main()
