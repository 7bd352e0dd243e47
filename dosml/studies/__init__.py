"""What is done on labelled data: scans, surveys, learning curves, transfer, grids, phonons."""
