"""Boundary value problems: windows of trial solutions in a chain between two ends."""
