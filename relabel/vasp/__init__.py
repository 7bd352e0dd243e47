"""VASP: inputs that are right to the letter, and outputs that are read with their traps known."""
