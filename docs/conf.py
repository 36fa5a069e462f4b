"""Configuration of the documentation site: ``make docs`` builds it into docs/_build/html."""

import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

import inventories  # noqa: E402  # docs/_ext

import sigmode  # noqa: E402

project = "sigmode"
author = "the sigmode developers"
project_copyright = author
version = release = sigmode.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "mathml",  # docs/_ext
    "polish",  # docs/_ext
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "examples", "course", "**/GALLERY_HEADER.rst", "auto_*/**/*.ipynb", "auto_*/**/*.py"]
templates_path = ["_templates"]
nitpicky = False
default_role = "autolink"
rst_prolog = ".. currentmodule:: sigmode\n"  # names in the texts of the gallery are links, too
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist", "attrs_block", "attrs_inline"]
myst_heading_anchors = 3
myst_fence_as_directive = ["math"]  # as other readers of Markdown know it

autosummary_generate = True
autodoc_typehints = "none"  # docstrings have types and shapes
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# No network is needed: docs/_ext/inventories.txt lists the foreign names that pages and docstrings link to.
intersphinx_mapping = inventories.mapping(HERE / "_ext" / "inventories.txt", HERE / "_build" / "inventories")

sphinx_gallery_conf = {
    "examples_dirs": ["examples", "course"],
    "gallery_dirs": ["auto_examples", "auto_course"],
    "filename_pattern": r"\.py$",
    "subsection_order": [f"examples/{name}" for name in ("initial", "boundary", "many", "fits", "network", "honest")],
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sigmode",),
    "inspect_global_variables": False,  # or every array would be a link
    "reference_url": {"sigmode": None},
    "min_reported_time": 1e9,
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "download_all_examples": False,
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = f"sigmode {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sigmode"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_nav_level": 1,
    "navigation_depth": 3,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "back_to_top_button": True,
}
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
