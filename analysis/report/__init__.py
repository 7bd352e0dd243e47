"""Findings in words, and the reports that hold them."""
