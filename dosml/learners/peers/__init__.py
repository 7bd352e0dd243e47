"""Force fields of other projects, each in an environment of its own, never imported here."""
