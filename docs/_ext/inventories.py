"""Links into the pages of SciPy, NumPy, Python and Numba without a network.

``inventories.txt`` has a project per section, ``[name] address``, and one of its names per line: role, name, page.
They are written in the format that intersphinx reads.
"""

import pathlib
import zlib


def read(path: pathlib.Path) -> dict[str, tuple[str, list[tuple[str, str, str]]]]:
    """The sections of the list: project -> (address, [(role, name, page)])."""
    projects: dict[str, tuple[str, list[tuple[str, str, str]]]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            project, address = line[1:].split("] ")
            projects[project] = address, []
        elif line and not line.startswith("#"):
            role, name, page = line.split()
            projects[project][1].append((role, name, page))
    return projects


def mapping(path: pathlib.Path, folder: pathlib.Path) -> dict[str, tuple[str, str]]:
    """Write one inventory per project into the folder, and say what `intersphinx_mapping` is to be."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for project, (address, names) in read(path).items():
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        rows = "".join(f"{name} {role} 1 {page} -\n" for role, name, page in names)
        file = folder / f"{project}.inv"
        file.write_bytes(head.encode() + zlib.compress(rows.encode()))
        found[project] = address, str(file)
    return found
