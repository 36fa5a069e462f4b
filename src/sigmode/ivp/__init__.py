"""Initial value problems: one window of a trial solution after the other."""
