"""Fit of tight-binding parameters to density-functional data: the data, the fit and its card.

Run `python -m dosml.relabel.engines.tb.fit --help`; docs/tight-binding-fit.md is the manual.
"""
