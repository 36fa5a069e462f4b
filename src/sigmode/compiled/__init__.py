"""Compiled code, the only folder that imports Numba: arrays in, arrays out.

Rules of this folder, each of which answers a known trap of Numba:

* A function is a *helper*, called by compiled code only, or an *entry* (`launch.entry`), called by Python. Helpers are
  compiled into each entry that uses them; entries are compiled at their first call and kept on disk, under a name
  that holds a digest of this whole folder: an edit anywhere in it makes all of them anew.
* Entries take flat arguments: float64 arrays in C order whose shapes fit. Inside, what belongs together is a
  NamedTuple. No kernel raises, checks, or calls a user's function but by its address.
* Every sum over points is a partial sum per block, and the blocks are added in order: the bits depend on the number
  of points alone, not on the number of threads.
* Nothing is compiled, and no cache folder is touched, before the first call.
"""
