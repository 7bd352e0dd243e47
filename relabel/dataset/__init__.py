"""Labelled data: the one value between labelling and findings."""

from dosml.relabel.dataset.value import ROLES, Dataset, LabelSet, Provenance

__all__ = ["ROLES", "Dataset", "LabelSet", "Provenance"]
