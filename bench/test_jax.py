"""loss_and_gradient with f and jac compiled by Numba, against a jitted JAX value_and_grad of the same loss."""

import numpy as np
import pytest
from compiled_lagaris import fun, jac

import sigmode as sm

pytestmark = pytest.mark.full
jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy

SIZES = [(50, 10), (200, 20), (1000, 20), (10_000, 50), (100_000, 100)]


def jax_loss(x, n_hidden):
    """The same loss on [0, 1] with dN/dx in closed form, JAX's own reverse mode for the gradient."""

    def loss(theta):
        w, b, v = theta[:n_hidden], theta[n_hidden : 2 * n_hidden], theta[2 * n_hidden :]
        s = jax.nn.sigmoid(x[:, None] * w + b)
        N, dN = s @ v, (s * (1 - s)) @ (v * w)
        y = 1 + x * N
        q = (1 + 3 * x * x) / (1 + x + x * x * x)
        r = N + x * dN - (x * x * x + 2 * x + x * x * q - (x + q) * y)
        return (r * r).sum()

    return jax.jit(jax.value_and_grad(loss))


@pytest.mark.parametrize(("m", "n_hidden"), SIZES)
def test_against_jax(compare, m, n_hidden):
    col = sm.Collocation(fun, (0, 1), [1.0], n_hidden, m, jac=jac)
    theta = np.random.default_rng(0).normal(size=col.n_theta)
    compiled = jax_loss(jnp.asarray(col.points), n_hidden)
    on_device = jnp.asarray(theta)

    def theirs():
        loss, gradient = compiled(on_device)
        return float(loss), np.asarray(gradient)

    gradient = col.loss_and_gradient(theta)[1]
    error = np.abs(theirs()[1] - gradient).max() / np.abs(gradient).max()
    compare(
        lambda: col.loss_and_gradient(theta),
        theirs,
        size=f"m={m}, n_hidden={n_hidden}",
        what=f"loss_and_gradient, JAX {jax.__version__} jit",
        note=f"differ by {error:.0e}",
    )
