"""The version, for the package and for the names of its compiled files."""

__version__ = "0.3.0"
