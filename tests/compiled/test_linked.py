"""Functions that only compiled code calls: linked into their callers, and nothing of their own."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

import sigmode as sm
from sigmode.compiled import linked
from sigmode.compiled.launch import entry, helper


@helper
def _checked_root(x):
    if x < 0:
        raise ValueError("below zero")
    return x**0.5


@helper
def _twice(x):
    return 2 * _checked_root(x)


@entry("f8(f8)")
def _doubled_root(x):
    return _twice(x)


@entry("f8(f8)")
def _root(x):
    return _checked_root(x)


@pytest.mark.skipif(
    numba.version_info.short > linked._LAST_KNOWN, reason="a version of Numba that nobody has looked at yet"
)
def test_a_helper_has_no_machine_code_of_its_own():
    assert _doubled_root(9.0) == 6.0
    assert _root(16.0) == 4.0
    for function in (_checked_root, _twice):
        function.compile((numba.float64,))  # the entries may have come from the disk
        (compiled,) = function.overloads.values()
        assert isinstance(compiled.library, linked._Library)
        assert compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name) == 0
    (compiled,) = _root.serial.overloads.values()
    assert compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name) != 0


def test_what_a_helper_raises_arrives():
    for function in (_doubled_root, _root):
        with pytest.raises(ValueError, match="below zero"):
            function(-1.0)


def test_with_a_version_that_nobody_has_looked_at_numba_compiles_as_it_does(tmp_path):
    code = """if True:
    import numba, numpy as np
    numba.version_info = numba.version_info._replace(short=(99, 0))
    import sigmode as sm
    from sigmode.compiled import linked
    assert not linked.OPTIONS
    work = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, 50)
    print(work.loss_and_gradient(np.linspace(-1, 1, work.n_theta))[1].sum())
    """
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    work = sm.Collocation(lambda x, y: -y, (0, 1), [1.0], 20, 50)
    assert float(done.stdout) == work.loss_and_gradient(np.linspace(-1, 1, work.n_theta))[1].sum()
