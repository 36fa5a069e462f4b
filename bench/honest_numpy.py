"""The loss and its gradient as a competent user of NumPy writes them: the baseline of every ratio.

`sigmode.reference` is an oracle, written to be read. Here activations are computed once and reused, every sum over
points or units is a matrix product, and nothing is allocated twice.  `Plain` works on all points at once; `Blocked`
does the same in blocks of points that stay in the cache, for large sizes up to twice as fast. Both check themselves
against the oracle: ``python bench/honest_numpy.py`` prints the differences and their times.
"""

import time

import numpy as np

# Points per block: the fastest of 256, 512, 1024, 2048, 4096 at (10 000, 50) and (100 000, 100).
BLOCK = 1024


class Blocked:
    """E and dE/dtheta for y = y0 + (x - x0) N, n equations, sigmoid units; theta = w | b | V."""

    def __init__(self, fun, jac, span, y0, x, n_hidden, block=BLOCK):
        self.fun, self.jac, self.n_hidden, self.n = fun, jac, n_hidden, len(y0)
        self.y0, self.h = np.array(y0)[:, None], span[1] - span[0]
        self.x, self.xi = x, (x - span[0]) / self.h
        self.size = min(block, x.size)
        self.room = np.empty((3, self.size, n_hidden))
        self.bars = np.empty((4, self.n, self.size))

    def __call__(self, theta):
        """E and dE/dtheta."""
        H, n, h = self.n_hidden, self.n, self.h
        w, b, V = theta[:H], theta[H : 2 * H], theta[2 * H :].reshape(n, H)
        vw = V * w
        loss, by_s, by_ds, by_d2s = 0.0, 0.0, 0.0, 0.0
        for lo in range(0, self.x.size, self.size):
            xi, x = self.xi[lo : lo + self.size], self.x[lo : lo + self.size]
            z, s, ds = self.room[:, : xi.size]
            bars = self.bars[:, :, : xi.size]
            np.multiply(xi[:, None], -w, out=z)
            z -= b
            np.exp(z, out=z)
            z += 1.0
            np.reciprocal(z, out=s)
            np.subtract(1.0, s, out=ds)
            ds *= s
            N = V @ s.T
            y = self.y0 + xi * N
            r = vw @ ds.T
            r *= xi
            r += N
            r /= h
            r -= self.fun(x, y)
            flat = r.ravel()
            loss += float(flat @ flat)
            df = self.jac(x, y)
            through_f = r * df[0] if n == 1 else (r[:, None] * df).sum(axis=0)
            through_f *= xi
            r /= h
            np.subtract(r, through_f, out=bars[0])  # dE/dN and, below, dE/dN', both halved
            np.multiply(bars[0], xi, out=bars[1])
            np.multiply(r, xi, out=bars[2])
            np.multiply(bars[2], xi, out=bars[3])
            by_s = by_s + bars[0] @ s
            by_ds = by_ds + bars[:3].reshape(3 * n, -1) @ ds
            s *= -2.0
            s += 1.0
            s *= ds  # D2s
            by_d2s = by_d2s + bars[2:].reshape(2 * n, -1) @ s
        value, value_x, slope = by_ds.reshape(3, n, H)
        bent, bent_x = by_d2s.reshape(2, n, H)
        gradient = np.empty(theta.size)
        np.add.reduce(V * (value_x + slope) + vw * bent_x, axis=0, out=gradient[:H])
        np.add.reduce(V * value + vw * bent, axis=0, out=gradient[H : 2 * H])
        np.add(by_s, w * slope, out=gradient[2 * H :].reshape(n, H))
        gradient *= 2.0
        return loss, gradient


def plain(fun, jac, span, y0, x, n_hidden):
    """The same without blocks: matrix products over all points."""
    return Blocked(fun, jac, span, y0, x, n_hidden, block=x.size)


def fastest(theta, *problem):
    """Whichever of the two is the faster one at this size, by five runs of each."""
    return min((plain(*problem), Blocked(*problem)), key=lambda run: min(_times(run, theta)))


def _times(run, theta):
    times = []
    while len(times) < 5:
        start = time.perf_counter()
        run(theta)
        times.append(time.perf_counter() - start)
    return times


def main():
    """Differences from the oracle, and times."""
    from sigmode import reference
    from sigmode.problems import LAGARIS_1, LAGARIS_4

    for p in (LAGARIS_1, LAGARIS_4):
        for m, n_hidden in ((10, 5), (1000, 20), (10_000, 50), (100_000, 100)):
            x = np.linspace(*p.span, m)
            theta = np.random.default_rng(0).normal(size=(2 + len(p.y0)) * n_hidden)
            span, y0 = p.span, np.array(p.y0)
            oracle = lambda theta: reference.loss_and_gradient(theta, x, span, y0, p.fun, p.jac, n_hidden)  # noqa: B023
            line = f"{p.name:22} m={m}, n_hidden={n_hidden}:"
            loss, gradient = oracle(theta)
            for name, run in (
                ("oracle", oracle),
                ("plain", plain(p.fun, p.jac, span, y0, x, n_hidden)),
                ("blocked", Blocked(p.fun, p.jac, span, y0, x, n_hidden)),
            ):
                found = run(theta)
                error = max(abs(found[0] / loss - 1), np.abs(found[1] - gradient).max() / np.abs(gradient).max())
                assert error < 1e-12, (name, error)
                line += f"  {name} {1e3 * sorted(_times(run, theta))[2]:.3g} ms"
            print(line)


if __name__ == "__main__":
    main()
