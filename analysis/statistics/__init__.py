"""Tables of errors, intervals, correlations and learning curves."""
