"""Compilation and launches: threads, forks, the disk cache, and nothing before the first call."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap
import time

import numba
import numpy as np
import pytest

import sigmode as sm
from sigmode.compiled import launch
from sigmode.problems import LAGARIS_4


class Pretended(launch.Entry):
    """An entry whose variants only say who was called; the parallel one takes 20 ms."""

    def __init__(self):
        super().__init__(lambda: None, "void()")
        self.calls = []
        self.serial = lambda: self.calls.append("serial")
        self.parallel = self.run_parallel

    def run_parallel(self):
        self.calls.append("parallel")
        time.sleep(0.02)


@pytest.fixture
def eager(monkeypatch):
    """Everything is work for several threads, whatever the number of cores."""
    monkeypatch.setattr(launch, "PARALLEL_WORK", 0)
    monkeypatch.setattr(launch, "_crowd", launch.Crowd())
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)


@pytest.mark.usefixtures("eager")
def test_slow_launches_are_answered_by_the_serial_variant_for_a_while():
    kernel = Pretended()
    kernel.launch(1000), kernel.launch(1000)
    assert kernel.calls == ["parallel", "serial"]
    launch._crowd.until = 0.0
    kernel.launch(1000), kernel.launch(1000)
    assert kernel.calls[2:] == ["parallel", "serial"]
    assert launch._crowd.pause == 4 * launch._PAUSE[0]
    launch._crowd.until = 0.0
    kernel.launch(10**7)  # 20 ms is fast for so much work
    assert kernel.calls[-1] == "parallel"
    assert launch._crowd.pause == launch._PAUSE[0]


@pytest.mark.usefixtures("eager")
def test_the_parallel_variant_is_compiled_once_serial_runs_have_taken_long_enough(monkeypatch):
    monkeypatch.setattr(launch, "COMPILE_AFTER", 0.03)
    kernel = Pretended()
    made = []
    del kernel.parallel
    kernel.serial = lambda: time.sleep(0.02)
    monkeypatch.setattr(launch, "_compiled", lambda *args: made.append(args) or kernel.run_parallel)
    for _ in range(4):
        kernel.launch(10**7)
    assert len(made) == 1
    assert kernel.calls == ["parallel", "parallel"]


def work_in_a_thread(_):
    p = LAGARIS_4
    col = sm.Collocation(p.fun, p.span, p.y0, 20, 2000, jac=p.jac)
    return col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1]


def test_eight_python_threads_at_once():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        gradients = list(pool.map(work_in_a_thread, range(64)))
    for gradient in gradients[1:]:
        np.testing.assert_array_equal(gradient, gradients[0])


def run_python(code, tmp_path, **environment):
    """A fresh interpreter, with the message of a failure in view."""
    env = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True, text=True, env=env, cwd=tmp_path, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


WORK = """
    import numpy as np, sigmode as sm
    def gradient(_=None, m=4000):
        col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, m)
        return col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1]
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_threads_and_forked_children_survive_in_each_threading_layer(layer, tmp_path):
    code = (
        WORK
        + """
    import concurrent.futures as cf, multiprocessing, os, warnings
    expected = gradient()
    with cf.ThreadPoolExecutor(8) as pool:
        assert all(np.array_equal(g, expected) for g in pool.map(gradient, range(64)))
    import numba
    assert numba.threading_layer() == os.environ["NUMBA_THREADING_LAYER"]
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork beside threads: that is the test
    with cf.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        assert all(np.array_equal(g, expected) for g in pool.map(gradient, range(4)))
    """
    )
    run_python(code, tmp_path, NUMBA_THREADING_LAYER=layer)


@pytest.fixture
def package_copy(tmp_path):
    """The package's sources in a folder of their own, without compiled files."""
    source = pathlib.Path(sm.__file__).parent
    shutil.copytree(source, tmp_path / "site" / "sigmode", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def test_import_compiles_writes_and_prints_nothing(package_copy, tmp_path):
    before = sorted(package_copy.rglob("*"))
    cache, home = tmp_path / "cache", tmp_path / "home"
    code = """
    import sys, sigmode
    from sigmode.compiled import activations, chain, dense, first_order, functions, fused, launch, second_order
    from sigmode.compiled import series, window
    for module in (activations, chain, dense, first_order, functions, fused, launch, second_order, series, window):
        assert not [f for f in vars(module).values() if getattr(f, "signatures", None)], module
    assert launch.ENTRIES
    assert not [kernel for kernel in launch.ENTRIES if {"serial", "parallel"} & set(vars(kernel))]
    assert "matplotlib" not in sys.modules
    """
    done = run_python(
        code, tmp_path, PYTHONPATH=str(package_copy), PYTHONDONTWRITEBYTECODE="1",
        NUMBA_CACHE_DIR=str(cache), HOME=str(home), XDG_CACHE_HOME=str(home),
    )  # fmt: skip
    assert done.stdout == done.stderr == ""
    assert sorted(package_copy.rglob("*")) == before
    assert not cache.exists()
    assert not home.exists()


def test_works_from_a_read_only_installation_without_a_writable_home(package_copy, tmp_path):
    for folder in (package_copy / "sigmode", package_copy / "sigmode" / "compiled"):
        (folder / "__pycache__").touch()  # a file in its place: no folder can be made, even by root
    code = WORK + "    gradient(m=4000), print(gradient(m=50).sum())"
    done = run_python(
        code, tmp_path, PYTHONPATH=str(package_copy), PYTHONDONTWRITEBYTECODE="1",
        HOME="/dev/null", XDG_CACHE_HOME="/dev/null",
    )  # fmt: skip
    assert float(done.stdout) == work_in_small().sum()
    assert done.stderr == ""


def work_in_small():
    col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, 50)
    return col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1]


def test_a_broken_disk_cache_costs_a_compilation_and_nothing_else(package_copy, tmp_path):
    cache = tmp_path / "cache"
    code = WORK + "    print(gradient(m=50).sum())"
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(cache)}
    first = run_python(code, tmp_path, **environment)
    files = [f for f in cache.rglob("*.nb?") if f.is_file()]
    assert files
    for number, file in enumerate(files):
        file.write_bytes(file.read_bytes()[:40] if number % 2 else b"")
    assert run_python(code, tmp_path, **environment).stdout == first.stdout


def test_the_disk_cache_does_not_change_the_bits(package_copy, tmp_path):
    """Compiled in this process, loaded from the cache, or half and half: LLVM must have no choice what to fuse."""
    cache = tmp_path / "cache"
    code = """
    import hashlib, numpy as np, sigmode as sm
    from sigmode.compiled import buffers, launch, second_order
    from sigmode.compiled.activations import ACTIVATIONS
    digest = hashlib.sha256()
    launch.SLOW_LAUNCH, launch.COMPILE_AFTER = (1e9, 0.0), 0.0
    for work in (10**12, 0):
        launch.PARALLEL_WORK = work
        for n, n_hidden in ((1, 64), (2, 65), (3, 100)):
            for activation in ACTIVATIONS:
                fun, jac = lambda x, y: np.sin(x) - y**2, lambda x, y: -2 * y * np.eye(n)[:, :, None]
                col = sm.Collocation(fun, (0, 1), np.ones(n), n_hidden, 300, jac=jac, activation=activation)
                theta = 3 * np.sin(np.arange(float(col.n_theta)))
                digest.update(col.loss_and_gradient(theta)[1].tobytes() + col.jacobian(theta).tobytes())
                xi, bars = np.linspace(0, 1, 300), np.sin(np.arange(900.0 * n)).reshape(3, n, 300)
                weights = np.cos(np.arange(900.0 * n * n)).reshape(3, 300, n, n)
                net = (theta, n, n_hidden, ACTIVATIONS[activation], xi)
                kept, gradient = buffers.borrow(300, n_hidden), np.zeros(theta.size)
                digest.update(b"".join(part.tobytes() for part in second_order.forward2(*net, kept)))
                second_order.pullback2(*net, kept, *bars, gradient)
                rows = np.empty((300 * n, theta.size))
                second_order.sensitivities2(*net, kept, *weights, rows, 0)
                digest.update(gradient.tobytes() + rows.tobytes())
        print(digest.hexdigest())
        digest = hashlib.sha256()
    """
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(cache)}
    cold = run_python(code, tmp_path, **environment).stdout
    assert len(set(cold.split())) == 1  # serial and parallel
    assert run_python(code, tmp_path, **environment).stdout == cold
    for file in cache.rglob("*parallel*"):
        file.unlink()
    assert run_python(code, tmp_path, **environment).stdout == cold


def test_kernels_run_without_the_compiler(tmp_path):
    """NUMBA_DISABLE_JIT=1: readable tracebacks and coverage; overflow in the bit arithmetic is meant."""
    code = WORK + "    print(gradient(m=5).sum())"
    environment = {"NUMBA_DISABLE_JIT": "1"}
    done = run_python("    import warnings; warnings.simplefilter('ignore')\n" + code, tmp_path, **environment)
    col = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, 5)
    assert float(done.stdout) == pytest.approx(col.loss_and_gradient(np.linspace(-1, 1, col.n_theta))[1].sum())


def test_a_march_without_the_compiler_says_what_is_missing(tmp_path):
    code = """
        import sigmode as sm
        try:
            sm.solve_ivp(lambda t, y: -y, (0, 1), [1.0])
        except RuntimeError as error:
            print(error)
    """
    assert "NUMBA_DISABLE_JIT=1" in run_python(code, tmp_path, NUMBA_DISABLE_JIT="1").stdout


CHANGED = """
    import sigmode as sm, numpy as np
    from sigmode.compiled import buffers, second_order
    one_unit = np.array([1.0, 0.0, 1.0])
    print(float(second_order.forward2(one_unit, 1, 1, 0, np.zeros(1), buffers.borrow(1, 1))[0][0, 0]))
"""


def edit(package, file, old, new):
    """Change the source of one compiled file, and nothing about its age."""
    path = package / "sigmode" / "compiled" / file
    before = path.stat()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_edit_in_another_file_changes_what_a_cached_entry_gives(package_copy, tmp_path):
    """The entry is in second_order.py, the helper in activations.py: Numba's cache alone does not see that."""
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert float(run_python(CHANGED, tmp_path, **environment).stdout) == 0.5
    assert float(run_python(CHANGED, tmp_path, **environment).stdout) == 0.5
    edit(package_copy, "activations.py", "large = 1.0 / (1.0 + e)", "large = 7.0 / (1.0 + e)")
    assert float(run_python(CHANGED, tmp_path, **environment).stdout) == 3.5


def test_an_edit_between_import_and_the_first_call_is_not_taken_for_the_new_sources(package_copy, tmp_path):
    """A process that runs while the package is updated must not leave old machine code under the new name."""
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    path = package_copy / "sigmode" / "compiled" / "network.py"
    code = f"""
    import pathlib, sigmode.compiled.network
    path = pathlib.Path({str(path)!r})
    path.write_text(path.read_text().replace("bias.size else 0.0", "bias.size else 7.0"))
    """
    assert float(run_python(textwrap.dedent(code) + textwrap.dedent(CHANGED), tmp_path, **environment).stdout) == 0.5
    assert float(run_python(CHANGED, tmp_path, **environment).stdout) == 7.5


def test_older_generations_of_the_cache_are_removed(package_copy, tmp_path):
    cache = tmp_path / "cache"
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(cache)}
    names = []
    for text in ("# a comment", "# another comment"):
        edit(package_copy, "dense.py", "from __future__", f"{text}\nfrom __future__")
        run_python(CHANGED, tmp_path, **environment)
        names.append({file.name for file in cache.rglob("second_order._forward2_serial_*")})
    assert len(names[0]) == len(names[1]) == 2  # an index and the machine code
    assert not names[0] & names[1]


def test_a_second_process_finds_both_variants_on_disk(package_copy, tmp_path):
    code = (
        WORK
        + """
    from sigmode.compiled import first_order, launch
    launch.PARALLEL_WORK, launch.COMPILE_AFTER, launch.SLOW_LAUNCH = 0, 0.0, (1e9, 0.0)
    launch.numba.get_num_threads = lambda: 2
    gradient(m=600)
    for kernel in (first_order._forward, first_order._pullback):
        kernel.serial
        for variant in (kernel.serial, kernel.parallel):
            print(sum(variant.stats.cache_hits.values()), sum(variant.stats.cache_misses.values()))
    """
    )
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run_python(code, tmp_path, **environment).stdout.split() == ["0", "1"] * 4
    assert run_python(code, tmp_path, **environment).stdout.split() == ["1", "0"] * 4


def test_a_variant_on_disk_is_used_at_once(package_copy, tmp_path):
    """Nobody waits two seconds for what an earlier process has compiled."""
    code = (
        WORK
        + """
    from sigmode.compiled import first_order, launch
    launch.PARALLEL_WORK = 0
    launch.numba.get_num_threads = lambda: 2
    gradient(m=600)
    print("parallel" in vars(first_order._forward))
    first_order._forward.compile(), first_order._pullback.compile()
    """
    )
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run_python(code, tmp_path, **environment).stdout == "False\n"
    assert run_python(code, tmp_path, **environment).stdout == "True\n"


def test_one_function_is_compiled_serial_and_parallel(package_copy, tmp_path):
    code = """
    from sigmode.compiled import first_order
    for variant in (first_order._forward.serial, first_order._forward.parallel):
        print("gufunc" in "".join(variant.inspect_llvm().values()))
    """
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run_python(code, tmp_path, **environment).stdout.split() == ["False", "True"]


def test_compiled_functions_in_a_second_process(package_copy, tmp_path):
    """Machine code from the disk asks for its thread before any other code has."""
    code = """
    import numba, sigmode as sm
    fun = numba.njit(lambda x, y: -y)
    col = sm.Collocation(fun, (0, 1), [1.0], 5)
    print(col.residual(col.initial()).sum(), col.loss_and_gradient(col.initial())[0], col.jacobian(col.initial()).sum())
    """
    environment = {"PYTHONPATH": str(package_copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first = run_python(code, tmp_path, **environment).stdout
    assert run_python(code, tmp_path, **environment).stdout == first
