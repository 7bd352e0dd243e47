"""Labelled data of others: archives that are fetched, and files of any program."""
