"""`python -m dosml`."""

from dosml.cli import main

if __name__ == "__main__":
    main()
