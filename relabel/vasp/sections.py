"""The sections of a vasprun.xml: where each begins and ends, and what lies inside what.

Most of a vasprun.xml is tables, which an XML parser turns into millions of Python objects. Here
only the tags of sections are looked at, so that a table can be read as one array and what is not
asked for be skipped; but they are looked at as a tree: the `<eigenvalues>` of a calculation are not
those inside its `<projected>`, `<electronvelocities>` (LOPTICS) or `<eigenvalues_kpoints_opt>`.

Small sections go through the XML parser one by one, after what VASP writes against the rules of XML
(`&`, `<` and control characters of the user's own SYSTEM) has been put right.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Sections that divide a file. Rows and cells of tables are not among them: they are the most.
_WORDS = """
modeling generator incar kpoints parameters primitive_cell atominfo calculation scstep structure
eigenvalues eigenvalues_kpoints_opt projected projected_kpoints_opt electronvelocities
electronvelocities_kpoints_opt dos total partial energy dielectricfunction dynmat born_charges
"""
_NAMES = _WORDS.split()
#: The only ones whose inside is divided; in all others only their own end is looked for.
_DIVIDED = frozenset({"modeling", "calculation", "dos"})
_TAG = re.compile(rb"<(/?)(" + b"|".join(name.encode() for name in _NAMES) + rb")\b([^<>]*)>")
_ATTRIBUTE = re.compile(rb"([\w:]+)\s*=\s*[\"']([^\"']*)[\"']")
#: Tags of VASP that a section's text may hold; every other "<" was written by the user.
_FOREIGN_LESS = re.compile(
    rb"<(?!/?(?:"
    + b"|".join(name.encode() for name in _NAMES)
    + rb"|i|v|r|c|rc|crystal|field|separator|set|array|varray|dimension|atoms|types|generation|"
    rb"time|nmr\w*|kpointlabels|volumetricdata|atom_name|\w*opt)\b[^<>]*>)"
)
_AND = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r")


@dataclass(slots=True)
class Section:
    """One section of a file; a long trajectory has half a million of them.

    Attributes
    ----------
    name, attributes
        Of its opening tag.
    begin, inner, end
        Where its opening tag begins, where that ends, and where its closing tag ends; `end` is -1
        where the file stops before.
    children
        Sections directly inside, in the order of the file; none where the inside is not divided.
    """

    name: str
    attributes: Mapping[str, str]
    begin: int
    inner: int
    end: int = -1
    children: Sequence[Section] = ()

    @property
    def whole(self) -> bool:
        """Whether the section was closed."""
        return self.end >= 0

    def all(self, name: str) -> list[Section]:
        """Whole sections of a name directly inside this one."""
        return [one for one in self.children if one.name == name and one.whole]

    def last(self, name: str) -> Section | None:
        """Last whole section of a name directly inside this one."""
        return next(reversed(self.all(name)), None)

    def text(self, raw: bytes) -> bytes:
        """Bytes of the section, tags included."""
        return raw[self.begin : self.end]


def sections(raw: bytes) -> list[Section]:
    """Outermost sections of a file, of any completeness.

    Closing tags that belong to no open section are passed over, as are the openings that a closing
    tag leaves behind.
    """
    found: list[Section] = []
    # each section that is open, with the list of its children
    stack: list[tuple[Section | None, list[Section]]] = [(None, found)]
    for match in _TAG.finditer(raw):
        closing, name, rest = match[1], match[2].decode(), match[3]
        top = stack[-1][0]
        if top is not None and top.name not in _DIVIDED and not (closing and name == top.name):
            continue
        if not closing:
            one = Section(name, _attributes(rest), match.start(), match.end())
            stack[-1][1].append(one)
            if rest.rstrip().endswith(b"/"):
                one.end = match.end()
            elif name in _DIVIDED:
                inside: list[Section] = []
                one.children = inside
                stack.append((one, inside))
            else:
                stack.append((one, []))
        elif any(one is not None and one.name == name for one, _ in stack):
            while (closed := stack.pop()[0]) is not None and closed.name != name:
                pass
            if closed is not None:
                closed.end = match.end()
    return found


def _attributes(text: bytes) -> Mapping[str, str]:
    if not text:
        return _NOTHING
    return {
        name.decode(): value.decode("latin-1").strip() for name, value in _ATTRIBUTE.findall(text)
    }


def parsed(text: bytes) -> ET.Element:
    """Parse a small section.

    Raises
    ------
    xml.etree.ElementTree.ParseError
        If it is no XML, even so.
    """
    cleaned = _AND.sub(b"&amp;", text.translate(None, _CONTROL))
    # VASP declares ISO-8859-1, in which every byte is a character
    head = b'<?xml version="1.0" encoding="ISO-8859-1"?>'
    try:
        return ET.fromstring(head + cleaned)  # noqa: S314 - no document type gets here
    except ET.ParseError:
        return ET.fromstring(head + _FOREIGN_LESS.sub(b"&lt;", cleaned))  # noqa: S314 - as above
