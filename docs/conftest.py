"""Pages are doctests; the site's own Python files are no modules to test, its gallery runs in ``make docs``."""

collect_ignore_glob = ["*.py", "_*", "auto_*", "examples", "course", "generated"]
