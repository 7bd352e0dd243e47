"""Where tasks run: one runner, for processes here and for Slurm."""
