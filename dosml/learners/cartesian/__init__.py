"""Cartesian force fields that are trained in this process: cace and ictp."""
