"""Where jobs run: one seam, `concurrent.futures.Executor`, for processes and for Slurm."""
