"""Low-energy structures of a metal: Bayesian search with a force field as prior mean."""
