"""The description on a package index: README.md without what points into the repository, where no reader can follow."""

import pathlib
import re
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def described(text: str) -> str:
    """The text without pictures of the repository; its links as text, and the name of their page."""
    text = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n?", "", text)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)([^)]+)\)", r"\1 (`\2`)", text)


class Readme(MetadataHookInterface):
    """Fills in the one field that pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Do so."""
        text = (pathlib.Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": described(text)}
