"""Interactive pages from arrays: each function returns HTML text that needs no network, and saves nothing."""

from dmcnn.pages.content import EventPage, Overlay
from dmcnn.pages.html import event_page, gallery

__all__ = ["EventPage", "Overlay", "event_page", "gallery"]
