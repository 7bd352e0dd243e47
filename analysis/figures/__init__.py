"""Figures, in the style of the house."""
