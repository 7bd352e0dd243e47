"""Force-field learners."""
