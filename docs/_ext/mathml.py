r"""Formulas as MathML, which browsers and screen readers know: no script, no network.

An equation with the label ``eq-21`` has the number 21, as in the derivation and in `sigmode.reference`. One that ends
with ``\tag{W1}``, as every reader of Markdown with formulas knows it, has the number W1, and (W1) on the same page is a
link to it.
"""

import re

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

_TAG = re.compile(r"\s*\\tag\{(\w+)\}")


def _inline(self, node: nodes.Element) -> None:
    self.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def _display(self, node: nodes.Element) -> None:
    self.body.append(self.starttag(node, "div", CLASS="formula", tabindex="0"))
    self.body.append(latex2mathml.converter.convert(node.astext(), display="block"))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _number(app: Sphinx, document: nodes.document) -> None:
    """Numbers from labels, where pages refer to them, too."""
    domain = app.env.get_domain("math")
    for node in document.findall(nodes.math_block):
        label = node.get("label") or ""
        if label.startswith("eq-"):
            node["number"] = label.removeprefix("eq-")
            domain.equations[label] = (app.env.docname, node["number"])
    _tagged(document)


def _tagged(document: nodes.document) -> None:
    """Numbers from tags, and links to them."""
    numbers = set()
    for node in document.findall(nodes.math_block):
        text = node.astext()
        if tag := _TAG.search(text):
            numbers.add(tag[1])
            node.children = [nodes.Text(_TAG.sub("", text))]
            node["number"] = tag[1]
            node["ids"].append(f"equation-{tag[1]}".lower())
    for text in list(document.findall(nodes.Text)) if numbers else ():
        inside = text.parent
        if not isinstance(inside, nodes.paragraph | nodes.strong | nodes.emphasis):
            continue
        parts = re.split(r"(\(\w+\))", text.astext())
        if len(parts) > 1:
            made = [
                nodes.reference("", part, internal=True, refid=f"equation-{part[1:-1]}".lower())
                if k % 2 and part[1:-1] in numbers
                else nodes.Text(part)
                for k, part in enumerate(parts)
            ]
            inside.replace(text, made)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer, and make it the one in use."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.connect("doctree-read", _number)
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
