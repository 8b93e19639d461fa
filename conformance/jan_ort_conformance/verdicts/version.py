"""The version of the kit, which every report names; a room's own, so that no room imports the package above it."""

__version__ = "0.1.0"
