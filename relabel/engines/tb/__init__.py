"""Tight binding with k-points: one diagonalisation for every smearing and electron number."""
