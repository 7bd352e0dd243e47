"""Closed-form physics: no files, no engines."""
