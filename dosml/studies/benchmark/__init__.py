"""`dosml benchmark`: any learner on any collection of metals, and why each metal is hard."""
