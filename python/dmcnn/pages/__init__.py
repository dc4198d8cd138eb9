"""Interactive pages: functions from arrays to HTML text that needs no network; none of them writes a file."""

from dmcnn.pages.content import EventPage, Overlay
from dmcnn.pages.html import event_page, gallery

__all__ = ["EventPage", "Overlay", "event_page", "gallery"]
