"""Engines: they turn a frame and an electronic setting into a label with its DOS."""
