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
            if isinstance(text, Text) and "$" in text.get_text():
                text.set_parse_math(TICK in text.get_text())
        super().draw(renderer)
