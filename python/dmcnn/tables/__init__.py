"""Tables: scores of events as text and columns, joined to analysis tables."""
