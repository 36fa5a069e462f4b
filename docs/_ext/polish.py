"""Small things that pages need and no extension does."""

import html
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

_PAGE = re.compile(r"docs/([\w-]+)\.md")
_SCRIPT = re.compile(r"\]\((examples|course)(/[\w/]+)\.py\)")
_GALLERY = re.compile(r"\]\((examples|course)\)")
_THUMBNAIL_TITLE = re.compile(r'class="sphx-glr-thumbnail-title">(.*?)</div>')


def _gallery_links(app: Sphinx, page: str, source: list[str]) -> None:
    """Links to the scripts of the gallery, which work in the repository, become links to what is made of them."""
    source[0] = _SCRIPT.sub(r"](auto_\1\2.rst)", source[0])
    source[0] = _GALLERY.sub(r"](auto_\1/index.rst)", source[0])


class PageLinks(SphinxTransform):
    """``docs/NAME.md``, written as code in pages and docstrings, becomes a link to that page."""

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


class NoLastBlankLine(SphinxTransform):
    """Doctests in Markdown end with a blank line, which no reader needs."""

    default_priority = 50

    def apply(self, **_: object) -> None:
        """Do so for a whole document."""
        for block in self.document.findall(nodes.literal_block):
            text = block.astext().rstrip()
            if block.rawsource == block.astext():
                block.rawsource = text
                block.children = [nodes.Text(text)]


class Thumbnails(SphinxTransform):
    """Small pictures of the gallery are described by the titles that follow them."""

    default_priority = 50

    def apply(self, **_: object) -> None:
        """Do so for a whole document."""
        picture = None
        for node in self.document.findall(lambda node: isinstance(node, nodes.image | nodes.raw)):
            if isinstance(node, nodes.image):
                picture = node if node["uri"].endswith("_thumb.png") else None
            elif picture is not None and (title := _THUMBNAIL_TITLE.search(node.astext())):
                picture["alt"] = f"Picture of the example: {html.unescape(title[1])}"
                picture = None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of it."""
    app.connect("source-read", _gallery_links)
    for transform in (PageLinks, NoLastBlankLine, Thumbnails):
        app.add_transform(transform)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
