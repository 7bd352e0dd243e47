"""Scripts that run inside the peers' environments; they know nothing of dosml."""
