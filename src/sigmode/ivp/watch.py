"""What watches `solve_ivp`: the user's callback and the progress bar, told of the attempt and its phase."""

from __future__ import annotations

from scipy.optimize import OptimizeResult

from ..callback import Callback, bar

__all__ = ["Watch"]


class Watch:
    """A callback for all windows of all attempts, of the solution ("solve") and of its estimate ("estimate")."""

    def __init__(self, callback: Callback | None, progress: bool, t_span: tuple[float, float]) -> None:
        self._callback, self._start = callback, t_span[0]
        self.attempt, self.phase = 1, "solve"
        self._bar = bar(abs(t_span[1] - t_span[0])) if progress else None

    def __call__(self, state: OptimizeResult) -> None:
        """One window."""
        state.attempt, state.phase = self.attempt, self.phase
        if self._bar is not None:
            self._bar.update(abs(state.t - self._start) - self._bar.n)
        if self._callback is not None:
            self._callback(state)

    def at(self, attempt: int, phase: str) -> None:
        """What comes next."""
        self.attempt, self.phase = attempt, phase
        if self._bar is not None:
            self._bar.set_description(f"attempt {attempt}, {phase}", refresh=False)
            self._bar.n = 0.0

    def close(self) -> None:
        """The work is over."""
        if self._bar is not None:
            self._bar.close()
