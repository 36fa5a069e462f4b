"""All windows of a march corrected in one sweep, where f is called for all of them at once."""

from __future__ import annotations

import numpy as np

from .dense import factor, substitute
from .launch import CUBE, MATRIX, VECTOR, entry
from .window import CONVERGED, HOPELESS, NOT_YET, verdict

__all__ = ["correct"]


@entry(
    f"i8(i8, {VECTOR}, {MATRIX}, {CUBE}, {MATRIX}, f8[:, :, :, ::1], {CUBE}, {CUBE}, i8[:, ::1], {VECTOR}, {VECTOR},"
    f" {VECTOR}, {VECTOR}, {MATRIX})"
)
def correct(sweeps, h, starts, slopes, A, df_dy, systems, Z, pivots, atol, rtol, now, right, judged):
    """One sweep of Newton's method for the values Z (K, s, n) of all windows: what `verdict` says of the worst of them.

    Each window starts where the one before it ends, now (n,) for the first one, plus starts (K, n); slopes (K, s, n) :
    f at Z; df_dy (K, s, n, n) : at the nodes; systems (K, s n, s n), pivots (K, s n) : of the first sweep, kept;
    right (s n,) : room; judged (2, K) : size and rate of each window's last step. At the end `now` is where Z ends.
    """
    K, s, n = Z.shape
    worst = CONVERGED
    for w in range(K):
        M = systems[w]
        if sweeps == 0:
            for i in range(s):
                for k in range(n):
                    for j in range(s):
                        for m in range(n):
                            M[i * n + k, j * n + m] = -h[w] * A[i, j] * df_dy[w, j, k, m]
                    M[i * n + k, i * n + k] += 1.0
            if not factor(M, pivots[w]):
                return HOPELESS
        for k in range(n):
            now[k] += starts[w, k]
        for i in range(s):
            for k in range(n):
                total = 0.0
                for j in range(s):
                    total += A[i, j] * slopes[w, j, k]
                right[i * n + k] = (now[k] - Z[w, i, k]) + h[w] * total
        substitute(M, pivots[w], right)
        size = 0.0
        for k in range(n):
            rests = True
            for i in range(s):
                rests = rests and slopes[w, i, k] == 0.0
            for i in range(s):
                change = now[k] - Z[w, i, k] if rests else right[i * n + k]  # what is at rest stays so to the last bit
                Z[w, i, k] += change
                part = abs(change) / (atol[k] + rtol[k] * max(abs(now[k]), abs(Z[w, i, k])))
                size = part if part > size or np.isnan(part) else size
        said, rate = verdict(size, sweeps, judged[0, w], judged[1, w])
        judged[0, w], judged[1, w] = size, rate
        if said == HOPELESS:
            return HOPELESS
        if said == NOT_YET:
            worst = NOT_YET
        for k in range(n):
            now[k] = Z[w, s - 1, k]
    return worst
