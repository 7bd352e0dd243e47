"""Labelled data: the one value between labelling and findings, and its files."""

from dosml.relabel.dataset.files import save
from dosml.relabel.dataset.label_set import LabelSet
from dosml.relabel.dataset.noise import FrameNoise, LabelNoise
from dosml.relabel.dataset.pairing import from_store
from dosml.relabel.dataset.reference import REFERENCE, reference_dataset, reference_metals
from dosml.relabel.dataset.sources import label_files, load, load_files
from dosml.relabel.dataset.value import ROLES, Dataset, Provenance

__all__ = [
    "REFERENCE",
    "ROLES",
    "Dataset",
    "FrameNoise",
    "LabelNoise",
    "LabelSet",
    "Provenance",
    "from_store",
    "label_files",
    "load",
    "load_files",
    "reference_dataset",
    "reference_metals",
    "save",
]
