"""Numbers read from a DOS or from forces: what each means, and how it is made."""
