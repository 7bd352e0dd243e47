"""Frames to labels: structures, sampling, engines, where jobs run, parsing."""
