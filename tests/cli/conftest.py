"""Fixtures of the command-line tests."""

from helpers.potcars import no_potcars, potcars

__all__ = ["no_potcars", "potcars"]
