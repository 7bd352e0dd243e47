"""What several test folders share; importable because pytest puts `tests` on the path."""
