"""Ordinary differential equations fitted to data."""
