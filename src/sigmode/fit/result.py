"""What a fit gives: parameters with their uncertainty, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import t as student

from .. import arguments
from ..arrays import Real
from ..pictures import new_axes
from ..trial.result import Result
from .kept import KeptModel, kept_of
from .model import Model
from .unknowns import Unknowns

__all__ = ["FitResult"]

# Steps of a search for an end of a profile interval at most, and how exactly the end is met. Not tuned.
_MOST_STEPS, _MET = 15, 1e-4
# Relative step of differences of derived quantities. Not tuned.
_STEP = 6e-6


class FitResult(Result, kind="fit_ivp"):
    """The result of `fit_ivp`: a dictionary whose entries are attributes.

    Attributes
    ----------
    x : ndarray, shape (N,)
        The parameters, then the initial values that were found.
    names : list of str
        What x holds.
    params : dict
        name : value, of the parameters, an array where experiments do not share one.
    y0 : ndarray, shape (n,)
        Initial values; a list of them for several experiments.
    cov, corr : ndarray, shape (N, N)
        Covariances and correlations of x.
    stderr : ndarray, shape (N,)
        Standard errors; zero for what is fixed, NaN for what is at a bound.
    ssr, dof, rms : float, int, float
        Sum of squares of (observed - y)/sigma, degrees of freedom, root of their quotient.
    undetermined : list
        (singular value, {name: weight}), directions that the data do not determine.
    bias : ndarray, shape (N,)
        How far the errors of the solution may have moved each of x.
    error : ndarray, shape (M,)
        The estimated error of what is observed, in units of sigma.
    fun, jac : ndarray, shapes (M,) and (M, N)
        Residuals, and their derivatives by x.
    sol : SensitivitySolution
        A list of them for several experiments.
    success, status, message, nfev, nit, cost, active_mask
        As from `scipy.optimize.least_squares`, but for `status`.

    Notes
    -----
    A result that `sigmode.load` gave back has no `fun` of the user's: `predict` and `plot` work up to the last
    measurement, `confint` but for profiles. Where `observe` is a function, `predict` and `plot` do not.
    """

    _instead: ClassVar = {"extend": "predict(t) takes any t, for the whole solution call `solve_ivp` with res.params"}

    def _aside(self) -> dict[str, Any]:
        """All that the methods need, without functions."""
        model, unknowns, z = self._fit
        kept, observe = kept_of(model, unknowns, unknowns.values(z))
        aside = {"unknowns": kept, "observe": observe, "z": z, "places": self._places, "absolute": self._absolute}
        return aside | {"determined": self.__dict__.get("_determined")}

    def _take(self, aside: dict[str, Any]) -> None:
        unknowns = aside["unknowns"]
        solutions = self.sol if isinstance(self.sol, list) else [self.sol] * len(unknowns.sets)
        own = {"_fit": (KeptModel(unknowns, aside["observe"], solutions), unknowns, aside["z"])}
        self.__dict__.update(own, _places=aside["places"], _absolute=aside["absolute"])
        if aside["determined"] is not None:
            self.__dict__["_determined"] = aside["determined"]

    def __repr__(self) -> str:
        found = ", ".join(
            f"{name}={x:.6g}" + (f" +- {error:.2g}" if np.isfinite(error) and error > 0.0 else "")
            for name, x, error in zip(self.names, self.x, self.stderr, strict=True)
        )
        return f"FitResult({found}; ssr={self.ssr:.6g}, dof={self.dof}; {self.message})"

    def confint(
        self, level: float = 0.95, method: str = "linear", of: Callable[[dict[str, Any]], float] | None = None
    ) -> Any:
        """Confidence intervals.

        Parameters
        ----------
        level : float
            Probability, in (0, 1).
        method : {"linear", "profile"}
            By standard errors and Student's t, or where the sum of squares, minimised by all others, has grown by as
            much as that.
        of : callable, optional
            ``of(params)`` -> float, a quantity derived from the parameters, and from the initial values, which are
            ``params["y0"]``: its interval, by its gradient.

        Returns
        -------
        interval : ndarray, shape (N, 2), or (2,) with `of`
        """
        arguments.choice(method, "method", ("linear", "profile"))
        if not 0.0 < arguments.number(level, "level") < 1.0:
            raise ValueError(f"`level` must lie between 0 and 1, got {level!r}.")
        wide = self._quantile(level)
        if of is not None:
            if method != "linear":
                raise ValueError("`of` goes with method='linear' only.")
            value, spread = self._derived(of)
            return value + wide * spread * np.array([-1.0, 1.0])
        linear = self.x[:, None] + wide * self.stderr[:, None] * np.array([-1.0, 1.0])
        if method == "linear":
            return linear
        if isinstance(self._fit[0], KeptModel):
            self._fit[0].fun()  # says that it is missing
        found = linear.copy()
        for j in np.flatnonzero(self.stderr > 0.0).tolist():
            found[j] = [self._end(j, side, wide) for side in (-1.0, 1.0)]
        return found

    def _quantile(self, level: float) -> float:
        return float(student.ppf(0.5 + 0.5 * level, max(self.dof, 1)))

    def _derived(self, of: Callable[[dict[str, Any]], float]) -> tuple[float, float]:
        """A derived quantity and its standard error."""
        _, unknowns, z = self._fit
        values = unknowns.values(z)
        value = float(of(_named(unknowns, values)))
        gradient = np.zeros(self.x.size)
        for j, place in enumerate(self._places.tolist()):
            step = _STEP * (abs(values[j]) or 1.0)
            ahead, back = values.copy(), values.copy()
            ahead[j] += step
            back[j] -= step
            change = float(of(_named(unknowns, ahead))) - float(of(_named(unknowns, back)))
            gradient[place] = change / (ahead[j] - back[j])
        at, cov, unknown = self._determined
        own = gradient[at]
        for direction in unknown:
            if abs(own @ direction) > 1e-4 * np.linalg.norm(own) * np.linalg.norm(direction):
                return value, np.inf
        return value, float(np.sqrt(max(0.0, own @ cov @ own)))

    def _end(self, j: int, side: float, wide: float) -> float:
        """Where the profile of unknown j, on one side, is as unlikely as `wide` standard errors."""
        model, unknowns, z = self._fit
        at = int(np.flatnonzero(self._places == j)[0])
        others = np.delete(np.arange(z.size), at)
        s2 = 1.0 if self._absolute else self.ssr / self.dof
        start = z.copy()

        def off(value: float) -> float:
            """How many standard errors away, by the sum of squares."""
            own = start.copy()
            own[at] = unknowns.searched(self._with(at, value))[at]
            if others.size:
                found = _refit(model, unknowns, own, others)
                if found is None:
                    return np.inf
                start[others] = found
                own[others] = found
            solved = model(unknowns.values(own))
            return (
                np.inf
                if solved is None
                else float(np.sqrt(max(0.0, solved.residual @ solved.residual - self.ssr) / s2))
            )

        near, far = float(self.x[j]), float(self.x[j] + side * wide * self.stderr[j])
        near_off, far_off = 0.0, off(far)
        for _ in range(_MOST_STEPS):
            if abs(far_off - wide) < _MET * wide:
                return far
            if np.isinf(far_off):
                far = 0.5 * (near + far)
            else:
                slope = (far_off - near_off) / (far - near)
                step = (wide - far_off) / slope if slope * side > 0.0 else side * wide * self.stderr[j]
                near, near_off = (far, far_off) if far_off < wide else (near, near_off)
                far = far + float(np.clip(step, -4.0 * wide * self.stderr[j], 4.0 * wide * self.stderr[j]))
            far_off = off(far)
        return far if np.isfinite(far_off) and abs(far_off - wide) < 0.05 * wide else side * np.inf

    def _with(self, at: int, value: float) -> Real:
        """Values of the unknowns with one of them changed."""
        _, unknowns, z = self._fit
        values: Real = unknowns.values(z).copy()
        values[at] = value
        return values

    def predict(self, t: Any, level: float | None = None, experiment: int = 0) -> Any:
        """What is observed at the times t (m,), in any order, and with `level` bands of its expectation.

        Returns
        -------
        y : ndarray, shape (k, m); with `level` (y, lower, upper)
        """
        model, unknowns, z = self._fit
        times: Real = np.atleast_1d(arguments.numbers(t, "t", "(m,)", real=True))
        arguments.one_dimensional(times, "t")
        if not 0 <= experiment < len(unknowns.sets):
            raise ValueError(f"`experiment` must be one of {len(unknowns.sets)}, from 0, got {experiment!r}.")
        each = unknowns.sets[experiment]
        unique, column = np.unique(times, return_inverse=True)
        if unique[0] < each.t0:
            raise ValueError(f"`t` must not lie before {each.t0}, got {unique[0]}.")
        values = unknowns.values(z)
        found = model.solve(values, experiment, unique)
        if found is None:
            raise ValueError(f"There is no solution up to t = {unique[-1]}.")
        y, by_value, _ = model.observed(values, experiment, unique, found)
        if level is None:
            return y[:, column]
        cov = np.where(np.isfinite(self.cov), self.cov, 0.0)[np.ix_(self._places, self._places)]
        spread = np.sqrt(np.maximum(0.0, np.einsum("kaq,ab,kbq->kq", by_value, cov, by_value)))
        wide = self._quantile(level) * spread
        return y[:, column], (y - wide)[:, column], (y + wide)[:, column]

    def summary(self) -> str:
        """A table of the parameters, and what to know about the fit."""
        interval = self.confint()
        head = f"{'':>12} {'value':>14} {'std. error':>12} {'95 % interval':>28} {'t':>9}"
        lines = [self.message, "", head]
        for name, x, error, (low, high), active in zip(
            self.names, self.x, self.stderr, interval, self.active_mask, strict=True
        ):
            if error == 0.0:
                lines.append(f"{name:>12} {x:>14.8g} {'fixed':>12}")
            elif active:
                lines.append(f"{name:>12} {x:>14.8g} {'at a bound':>12}")
            else:
                lines.append(f"{name:>12} {x:>14.8g} {error:>12.4g} [{low:>12.6g}, {high:>12.6g}] {x / error:>9.2f}")
        lines += ["", f"{self.fun.size} measurements, {self.dof} degrees of freedom"]
        lines += [f"sum of squares {self.ssr:.8g}, residual standard deviation {self.rms:.6g}"]
        for size, direction in self.undetermined:
            terms = ", ".join(f"{weight:+.2f} {name}" for name, weight in direction.items())
            lines.append(f"not determined by the data: {terms} (relative singular value {size:.1e})")
        return "\n".join(lines)

    def correlations(self) -> str:
        """The correlations of all pairs, the largest first."""
        pairs = [
            (float(self.corr[i, j]), self.names[i], self.names[j])
            for i in range(self.x.size)
            for j in range(i)
            if np.isfinite(self.corr[i, j])
        ]
        return "\n".join(f"{c:+.4f}  {a}, {b}" for c, a, b in sorted(pairs, key=lambda pair: -abs(pair[0])))

    def plot(self, axes: Any = None, level: float = 0.95, experiment: int = 0) -> Any:
        """Draw data, fit and band above, residuals below.

        Returns
        -------
        axes : ndarray of two axes

        Raises
        ------
        ImportError
            Where matplotlib is not installed.
        """
        if axes is None:
            axes = new_axes(2, height_ratios=(3, 1))
        above, below = axes
        each = self._fit[1].sets[experiment]
        times = each.times[each.column]
        t = np.linspace(each.t0, each.times[-1], 400)
        y, low, high = self.predict(t, level, experiment)
        seen = self.predict(times, None, experiment)
        for k in range(len(y)):
            colour = above.plot(t, y[k], label=f"y{k}" if len(y) > 1 else "fit")[0].get_color()
            above.fill_between(t, low[k], high[k], color=colour, alpha=0.25, linewidth=0.0)
            at = each.measured[k]
            above.plot(times[at], each.y[k, at], ".", color=colour)
            below.plot(times[at], ((each.y - seen) / each.sigma)[k, at], ".", color=colour)
        below.axhline(0.0, color="0.5", linewidth=0.8)
        above.set_ylabel("y")
        below.set_ylabel("(data - fit)/sigma")
        below.set_xlabel("t")
        above.legend(fontsize="small")
        return np.array([above, below])


def _named(unknowns: Unknowns, values: Real) -> dict[str, Any]:
    """Parameters by name, and the initial values as ``y0``: an array, a list of them for several experiments."""
    initial = [unknowns.y0(values, i)[0] for i in range(len(unknowns.sets))]
    return {**unknowns.parameters.by_name(unknowns.all(values)), "y0": initial if len(initial) > 1 else initial[0]}


def _refit(model: Model, unknowns: Unknowns, z: Real, others: Any) -> Real | None:
    """The best values of the other unknowns."""

    def residual(part: Real) -> Real:
        own = z.copy()
        own[others] = part
        solved = model(unknowns.values(own))
        return np.full(1, np.inf) if solved is None else solved.residual

    def jacobian(part: Real) -> Real:
        own = z.copy()
        own[others] = part
        solved = model(unknowns.values(own))
        assert solved is not None
        return np.asarray((solved.jacobian * unknowns.factors(own))[:, others])

    try:
        bounds = unknowns.lower[others], unknowns.upper[others]
        found = least_squares(residual, z[others], jacobian, bounds=bounds, x_scale="jac", xtol=1e-8, ftol=1e-10)
    except (ValueError, AssertionError):
        return None
    best: Real = found.x
    return best
