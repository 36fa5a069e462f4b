"""A march of compiled f as networks: their output weights, their values, and what they miss of f between the nodes."""

from __future__ import annotations

import math

import numpy as np

from .activations import sigmoid_pair
from .launch import CUBE, INDICES, MATRIX, VECTOR, entry, helper, inlined
from .lending import keep, lend
from .probes import misses_something
from .vectors import LANES, aligned, eight, fused, load, row_times, store

__all__ = ["MOST_POINTS_PER_FUNCTION", "SHORT_WINDOW", "STRAIGHT", "beside", "report"]

# Straight lines between the points of a report stay within this part of a component's range, or of its tolerance: 1 %,
# less what the slopes at the nodes do not show of the bend at the start of a window. Not tuned.
STRAIGHT = 0.008
# A window is reported at no more points than this many per function. Not tuned.
MOST_POINTS_PER_FUNCTION = 4
# A window shorter than this many floating-point numbers is not cut. Not tuned.
SHORT_WINDOW = 1000


@inlined
def _output_weights(weights, r, at_end, values, V, bias):
    """Overwrite weights (n, m), Q^T times the slopes, with R^-1 of it: V (n, s - 1); the bias (n,) meets the rise.

    r : R^T, on its diagonal the reciprocals; values (3, n) : see `march.advance`. Row by row, for all components: each
    of them would wait for its own row before.
    """
    s = at_end.size
    for i in range(s - 1, -1, -1):
        for k in range(bias.size):
            found = weights[k, i] * r[i, i]
            for at in range(0, i, LANES):
                store(weights, k, at, fused(eight(-found), load(r, i, at), load(weights, k, at)))
            weights[k, i] = found
    for k in range(bias.size):
        rise = values[1, k] - values[0, k]
        for i in range(s):
            rise -= at_end[i] * weights[k, i]
        for i in range(s - 1):
            V[k, i] = weights[k, i]
        bias[k] = weights[k, s - 1] + rise


@inlined
def _networks(places, values, slopes, q, r, at_end, reading, V, bias, u, start, end, h, y, room, scaled):
    """`beside`, with work space: room (2, n, m), scaled (1, 1, s)."""
    windows, s, n = slopes.shape
    weights, row = room[0], scaled[0]
    for m in range(windows):
        start[m], h[m] = places[m, 0], places[m, 1]
        end[m] = start[m] + h[m]
        if m + 1 < windows:  # that is where the next one starts, unless this one was cut off before a kink
            following = places[m + 1, 0]
            near = 2.0 * np.spacing(max(abs(start[m]), abs(following)))
            end[m] = following if abs(end[m] - following) <= near else end[m]
        for k in range(n):
            y[m, k] = values[m, 0, k]
            for j in range(s):
                row[0, j] = h[m] * slopes[m, j, k]
            for at in range(0, q.shape[1], LANES):
                store(weights, k, at, row_times(row, 0, q, at))
            for at in range(0, reading.shape[1], LANES):
                store(room[1], 0, at, row_times(row, 0, reading, at) + eight(y[m, k]))
            for i in range(u.shape[1]):
                u[m, i, k] = room[1, 0, i]
        _output_weights(weights, r, at_end, values[m], V[m], bias[m])


@entry(
    f"void({MATRIX}, {CUBE}, {CUBE}, {MATRIX}, {MATRIX}, {VECTOR}, {MATRIX}, {CUBE}, {MATRIX}, {CUBE}, {VECTOR},"
    f" {VECTOR}, {VECTOR}, {MATRIX})"
)
def beside(places, values, slopes, q, r, at_end, reading, V, bias, u, start, end, h, y):
    """What the networks of a march are, and what the second march starts from.

    places (K, 3), values (K, 3, n), slopes (K, s, n) : see `march.advance`; q (s, m), r (s, m), at_end : of the basis,
    r transposed, on its diagonal the reciprocals, both padded; reading (s, m) : from slopes at the nodes to values at m
    points, in units of h, padded.
    V (K, n, s - 1), bias (K, n) : output weights; u (K, ., n) : values at these points of each window; start, end, h
    (K,) : where its nodes begin and end, and its length; y (K, n) : the values where it starts.
    """
    s = slopes.shape[1]
    room, row = aligned(2, y.shape[1], max(q.shape[1], reading.shape[1])), aligned(1, 1, s)
    _networks(
        lend(places), lend(values), lend(slopes), lend(q), lend(r), lend(at_end), lend(reading), lend(V), lend(bias),
        lend(u), lend(start), lend(end), lend(h), lend(y), lend(room), lend(row),
    )  # fmt: skip
    keep(room)
    keep(row)


@helper
def _read(w, b, V, bias, y, h, xi, s, ds, value, slope):
    """value, slope (n,) of the trial solution of one window at one point; s, ds (n_hidden,) : room."""
    for j in range(w.size):
        s[j], ds[j] = sigmoid_pair(w[j] * xi + b[j])
    for k in range(y.size):
        total, rise = bias[k], 0.0
        for j in range(w.size):
            total += V[k, j] * s[j]
            rise += V[k, j] * w[j] * ds[j]
        value[k] = y[k] + xi * total
        slope[k] = (total + xi * rise) / h


@helper
def _parts(values, slopes, A, nodes, start, end, h, atol, rtol, parts):
    """Into how many parts each window is to be cut so that straight lines follow the solution.

    A line over the part 1/c of a window is off by at most y''/(8 c**2), y'' by xi.
    """
    windows, s, n = slopes.shape
    allowed = np.empty(n)
    for k in range(n):
        lowest = highest = values[0, 0, k]
        largest = abs(lowest)
        for m in range(windows):
            for i in range(s):
                total = 0.0
                for j in range(s):
                    total += A[i, j] * slopes[m, j, k]
                value = values[m, 0, k] + h[m] * total
                lowest, highest, largest = min(lowest, value), max(highest, value), max(largest, abs(value))
        allowed[k] = STRAIGHT * max(highest - lowest, atol[k] + rtol[k] * largest) + np.finfo(np.float64).tiny
    for m in range(windows):
        stop = start[m + 1] if m + 1 < windows else end[m]
        parts[m] = 1
        if abs(stop - start[m]) < SHORT_WINDOW * np.spacing(abs(stop)):
            continue
        worst = 0.0
        for k in range(n):
            for i in range(s - 1):
                bend = h[m] * (slopes[m, i + 1, k] - slopes[m, i, k]) / (nodes[i + 1] - nodes[i])
                worst = max(worst, abs(bend) / (8.0 * allowed[k]))
        parts[m] = min(max(1, math.ceil(math.sqrt(worst))), MOST_POINTS_PER_FUNCTION * s)


@helper
def _own_points(start, last, parts):
    """The ends of the windows, and points that cut each into as many parts."""
    points = np.empty(parts.sum() + 1)
    at = 0
    for m in range(parts.size):
        stop = start[m + 1] if m + 1 < parts.size else last
        for i in range(parts[m]):
            points[at] = start[m] + (stop - start[m]) * i / parts[m]
            at += 1
    points[at] = last
    return points


@helper
def _reached(t_eval, last, sign):
    """The first of t_eval, as far as the march got."""
    count = 0
    while count < t_eval.size and sign * (t_eval[count] - last) <= 0.0:
        count += 1
    return t_eval[:count].copy()


@entry(
    f"Tuple((b1, i8, {VECTOR}, {MATRIX}))(i8, {INDICES}, {CUBE}, {CUBE}, {VECTOR}, {VECTOR}, {VECTOR}, {MATRIX}, f8,"
    f" {VECTOR}, {VECTOR}, {CUBE}, {MATRIX}, {MATRIX}, i8, {VECTOR}, {VECTOR}, {VECTOR}, {MATRIX}, {VECTOR}, {VECTOR},"
    f" {VECTOR}, b1)"
)
def report(
    address, words, values, slopes, start, end, h, y, last, w, b, V, bias, probing, watched, atol, rtol,
    nodes, A, own_atol, own_rtol, t_eval, everywhere,
):  # fmt: skip
    """Whether f does something that the march has missed, calls of f, and points (m,) with the values there, (n, m).

    start to y, V, bias : see `beside`; last : where the march ended; w, b : of the hidden layer; probing, watched : see
    above, zero for no probes; atol, rtol (n,) : the tolerance that what was missed is measured by; own_atol, own_rtol :
    that of the march; t_eval : the points, as far as the march got, unless `everywhere`: then its own.
    """
    missed, calls = False, 0
    if watched > 0:
        missed, calls = misses_something(address, words, start, end, h, y, slopes, probing, watched, atol, rtol)
    if everywhere:
        parts = np.empty(h.size, dtype=np.int64)
        _parts(values, slopes, A, nodes, start, end, h, own_atol, own_rtol, parts)
        points = _own_points(start, last, parts)
    else:
        points = _reached(t_eval, last, 1.0 if h[0] > 0.0 else -1.0)
    found = np.empty((y.shape[1], points.size))
    s, ds, value, slope = np.empty(w.size), np.empty(w.size), np.empty(y.shape[1]), np.empty(y.shape[1])
    p = 0
    for i in range(points.size):
        while p + 1 < h.size and (points[i] - start[p + 1]) * h[0] >= 0.0:
            p += 1
        _read(w, b, V[p], bias[p], y[p], h[p], (points[i] - start[p]) / h[p], s, ds, value, slope)
        for k in range(value.size):
            found[k, i] = value[k]
    if everywhere:
        for k in range(value.size):
            found[k, -1] = values[-1, 2, k]
    return missed, calls, points, found
