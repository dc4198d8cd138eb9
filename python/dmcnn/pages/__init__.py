"""Interactive pages: functions from arrays to HTML that needs no network, and the files of pages."""

from dmcnn.pages.content import EventPage, Overlay
from dmcnn.pages.html import event_page, gallery, save_page

__all__ = ["EventPage", "Overlay", "event_page", "gallery", "save_page"]
