"""Haversack at run time: everything that runs on the carried machine. It never imports `bundle`."""

__version__ = "0.1.0"
