"""Sparse Gaussian process on ACE descriptors."""
