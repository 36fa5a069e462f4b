"""Boundary value problems in a loop, each from the solution of the one before: SciPy's time over ours.

``python bench/bvp_loops.py`` takes half a minute. Both get what they returned last: `res.x` and `res.y`.
"""

import statistics
import time
import warnings

import numpy as np
from scipy.integrate import solve_bvp

import sigmode as sm


def bratu(strength):
    return lambda x, y: np.vstack((y[1], -strength * np.exp(y[0]))), lambda a, b: np.array([a[0], b[0]])


def layer(eps):
    """A reaction with layers that become thinner."""

    def fun(x, y):
        return np.vstack((y[1], (y[0] ** 3 - y[0] - np.sin(3.0 * x)) / eps))

    return fun, lambda a, b: np.array([a[0] - 1.0, b[0] + 1.0])


def oscillator(cost):
    """Optimal control of van der Pol's oscillator, the control becoming cheaper."""

    def fun(x, y):
        a, b, p, q = y
        u = -q / (2.0 * cost)
        slope = -2.0 * a + q * (1.0 + 2.0 * a * b)
        return np.vstack((b, -a + (1.0 - a * a) * b + u, slope, -2.0 * b - p - q * (1.0 - a * a)))

    return fun, lambda a, b: np.array([a[0] - 1.0, a[1], b[2], b[3]])


def swing(duration):
    """A pendulum swung up with the least effort."""

    def fun(x, y):
        angle, speed, p, q = y
        return duration * np.vstack((speed, -np.sin(angle) - 0.5 * q, q * np.cos(angle), -p))

    return fun, lambda a, b: np.array([a[0], a[1], b[0] - np.pi, b[1]])


# Values of the parameter, end of the interval, number of equations.
LOOPS = {
    bratu: (np.linspace(0.2, 3.4, 17), 1.0, 2),
    layer: (10.0 ** np.linspace(0, -4, 17), 1.0, 2),
    oscillator: (10.0 ** np.linspace(1, -2, 16), 5.0, 4),
    swing: (np.linspace(2.0, 6.0, 17), 1.0, 4),
}


def run(solver, make, nodes, tol):
    """Seconds of each call, and how many succeeded."""
    values, end, n = LOOPS[make]
    x, y = np.linspace(0.0, end, nodes), np.zeros((n, nodes))
    if make is swing:
        y[0] = np.linspace(0.0, np.pi, nodes)
    seconds, solved = [], 0
    for value in values:
        start = time.perf_counter()
        res = solver(*make(value), x, y, tol=tol)
        seconds.append(time.perf_counter() - start)
        solved += res.success
        if res.success:
            x, y = res.x, res.y
    return seconds, solved


def main():
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    print("| tol | nodes | loop | ours, ms | SciPy, ms | SciPy / ours | median of calls | solved: ours | SciPy |")
    print("|--:|--:|---|--:|--:|--:|--:|--:|--:|")
    for tol in (1e-3, 1e-6):
        for nodes in (10, 50, 200):
            for make, (values, _, _) in LOOPS.items():
                runs = [[run(solver, make, nodes, tol) for solver in (sm.solve_bvp, solve_bvp)] for _ in range(3)]
                (ours, a), (theirs, b) = (min((pair[k] for pair in runs), key=lambda r: sum(r[0])) for k in (0, 1))
                call = statistics.median(t / s for t, s in zip(theirs, ours, strict=True))
                cells = [f"{1e3 * sum(ours):.0f}", f"{1e3 * sum(theirs):.0f}", f"{sum(theirs) / sum(ours):.2f}"]
                row = [f"{tol:.0e}", nodes, make.__name__, *cells, f"{call:.2f}", f"{a} of {len(values)}", b]
                print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()
