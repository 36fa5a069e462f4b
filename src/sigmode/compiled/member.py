"""Members of an ensemble with compiled f, one after the other."""

from __future__ import annotations

from . import control as c
from .launch import CUBE, INDICES, MATRIX, by_address, entry, helper, inlined
from .whole import ASK_PYTHON, FINISH_PARTS, MARCH_PARTS, SETTING, TABLES, finish, march_through, unknown

__all__ = ["MEMBER_PARTS", "after_march", "is_over", "march_of", "solve_members"]

# The parts, in the order of their addresses, and where those of `finish` begin. Not tuned.
MEMBER_PARTS = march_through, finish, *MARCH_PARTS, *FINISH_PARTS
_OF_FINISH = 2 + len(MARCH_PARTS)
_march_through, _finish = by_address(march_through), by_address(finish)


@helper
def is_over(asked):
    """Whether a march has come to an end, at its bound or before, in compiled code."""
    return asked in (c.ACCEPTED, c.TOO_SMALL, c.LIMIT, c.STUCK, c.NOT_FINITE)


@inlined
def march_of(parts, address, words, t0, bound, y0, setting, tables):
    """`march_through`, given the addresses of `MEMBER_PARTS`."""
    return _march_through(parts[0], (parts[2:_OF_FINISH], address, words, t0, bound, y0, setting, tables))


@inlined
def after_march(parts, address, words, places, values, slopes, setting, tables, probe, t_eval, everywhere, known):
    """`finish`, given the addresses of `MEMBER_PARTS`."""
    return _finish(
        parts[1],
        (
            parts[_OF_FINISH:], address, words, places, values, slopes, setting, tables, probe, t_eval, everywhere,
            known,
        ),
    )  # fmt: skip


@helper
def _one(parts, address, words, t0, bound, y0, t_eval, setting, tables, y_out, error_out):
    """The status of one member: 0, an end of the march in `control`, or ASK_PYTHON; numbers, counts.

    y_out, error_out : (n, k), written as far as the march got.
    """
    asked, numbers, counts, places, values, slopes = march_of(parts, address, words, t0, bound, y0, setting, tables)
    if not is_over(asked) or len(slopes) == 0:
        return ASK_PYTHON, numbers, counts
    status, of_second, worst, _, seen, _, _, _ = after_march(
        parts, address, words, places, values, slopes, setting, tables, asked == c.ACCEPTED, t_eval, False, unknown()
    )
    calls, _, missed, looked = of_second
    unsure = setting.controlled and (looked > 0 or not worst[0] <= 1.0)
    if status == ASK_PYTHON or (asked == c.ACCEPTED and (unsure or missed)):
        return ASK_PYTHON, numbers, counts
    counts[c.NFEV] += calls
    for k in range(y0.size):
        for i in range(seen[0].size):
            y_out[k, i], error_out[k, i] = seen[1][k, i], seen[2][k, i]
    return (0 if asked == c.ACCEPTED else asked), numbers, counts


@entry(
    (INDICES, "i8", "i8[:, ::1]", MATRIX, MATRIX, MATRIX, SETTING, TABLES, CUBE, CUBE, INDICES, INDICES, MATRIX),
    nogil=True,
)
def solve_members(parts, address, words, spans, y0, t_eval, setting, tables, y, error, status, nfev, ends):
    """Solve the members, one after the other.

    parts : addresses of `MEMBER_PARTS`; address : of f; words (N, .), spans (N, 2), y0 (N, n), t_eval (N or 1, k) : of
    each. Written: y, error (N, n, k), as far as the march got; status (N,), see `_one`; nfev (N,); ends (N, 3) : where
    the march is, where f is not finite, in which component.
    """
    for i in range(len(y0)):
        points = t_eval[i if len(t_eval) > 1 else 0]
        said, numbers, counts = _one(
            parts, address, words[i], spans[i, 0], spans[i, 1], y0[i], points, setting, tables, y[i], error[i]
        )
        status[i] = said
        nfev[i] = counts[c.NFEV]
        ends[i, 0], ends[i, 1], ends[i, 2] = numbers[c.T], numbers[c.BAD_T], counts[c.BAD]
