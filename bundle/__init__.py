"""Haversack at build time: runs on the connected machine only, and is never carried."""

from appliance import __version__

TOOL = "haversack-bundle"
VERSION = __version__
