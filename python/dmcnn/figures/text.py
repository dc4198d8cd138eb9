"""Text of figures: names of files, classes and targets appear as they are written, also with a ``$``."""

from __future__ import annotations

from typing import Any

from matplotlib import figure
from matplotlib.text import Text

TICK = r"\mathdefault"
"""What matplotlib writes into its own formulas, the powers of ten at logarithmic axes."""


class Figure(figure.Figure):
    """Figure of matplotlib in which no text is a formula but those of its tick labels."""

    def draw(self, renderer: Any) -> None:
        """Draw the figure."""
        for text in self.findobj(Text):
            assert isinstance(text, Text)
            words = text.get_text()
            if "$" in words:
                text.set_parse_math(TICK in words)
            if "f" in words and hasattr(text, "set_fontfeatures"):
                # ligatures are a font of their own in a PDF, which takes as long to embed as all other letters
                text.set_fontfeatures(("-liga",))
        super().draw(renderer)
