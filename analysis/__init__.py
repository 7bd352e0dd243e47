"""Labels and models to findings: DOS, errors, force differences, figures, report."""
