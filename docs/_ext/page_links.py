"""``docs/NAME.md``, written as code in pages and docstrings, becomes a link to that page."""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_PAGE = re.compile(r"docs/([\w-]+)\.md")


class PageLinks(SphinxTransform):
    """Wrap literals that name a page of the site."""

    default_priority = 50

    def apply(self, **_: object) -> None:
        """Do so for a whole document."""
        for literal in list(self.document.findall(nodes.literal)):
            name = _PAGE.fullmatch(literal.astext())
            inside = isinstance(literal.parent, nodes.reference | addnodes.pending_xref)
            if name and name[1] in self.env.found_docs and not inside:
                link = addnodes.pending_xref(
                    "", refdomain="std", reftype="doc", reftarget=f"/{name[1]}", refexplicit=True, refwarn=True
                )
                literal.replace_self(link)
                link += literal


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(PageLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
