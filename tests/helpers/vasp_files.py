"""Small DOSCAR and vasprun.xml files of one d band, in the forms that VASP's versions give them."""

from __future__ import annotations

import math

#: eV; the band's centre lies 2 eV below the Fermi level.
FERMI_LEVEL = 0.5
ENERGIES = [-8 + 0.25 * step for step in range(65)]
ORBITALS = ("s", "py", "pz", "px", "dxy", "dyz", "dz2", "dxz", "x2-y2")


def d_value(energy: float) -> float:
    """States/eV of one d orbital."""
    return math.exp(-((energy + 1.5) ** 2)) / math.sqrt(math.pi)


def orbital_values(energy: float) -> list[float]:
    return [0.05] * 4 + [d_value(energy)] * 5


def doscar(*, components: int = 1, ncdij: int = 0, atoms: int = 1, energy_format: str = "%11.3f"):
    """Lines of a DOSCAR; `components` is 1, 2 (spins) or 4 (non-collinear)."""
    spins = 2 if components == 2 else 1
    head = f"{ENERGIES[-1]:16.8f}{ENERGIES[0]:16.8f}{len(ENERGIES):5d}{FERMI_LEVEL:16.8f}{1:16.8f}"
    lines = [f"{atoms:4d}{atoms:4d}   1{ncdij:4d}", "  0.2E+02  0.3E-09", "  1.0E-004", "  CAR "]
    lines += [" made up", head]
    integral = 0.0
    for energy in ENERGIES:
        total = sum(orbital_values(energy)) * atoms
        integral += 0.25 * total
        row = [total / spins] * spins + [integral / spins] * spins
        lines.append(energy_format % energy + "".join(f"{value:12.4E}" for value in row))
    for _ in range(atoms):
        lines.append(head)
        for energy in ENERGIES:
            row = []
            for value in orbital_values(energy):
                row += {1: [value], 2: [value / 2] * 2, 4: [value, 0.1, -0.1, 0.0]}[components]
            lines.append(energy_format % energy + "".join(f"{value:12.4E}" for value in row))
    return lines


def dos_section(*, fermi_level: str = f"{FERMI_LEVEL:.8f}", components: int = 1, comment: str = ""):
    """A `<dos>` of one atom; `components` is 1, 2 (spins) or 4 (non-collinear)."""
    spins = 2 if components == 2 else 1
    mark = f' comment="{comment}"' if comment else ""
    lines = [f"<dos{mark}>", f'<i name="efermi">  {fermi_level} </i>', "<total><array>"]
    lines.append("<field>energy</field><field>total</field><field>integrated</field><set>")
    for spin in range(spins):
        lines.append(f'<set comment="spin {spin + 1}">')
        integral = 0.0
        for energy in ENERGIES:
            total = sum(orbital_values(energy)) / spins
            integral += 0.25 * total
            lines.append(f"<r> {energy:9.4f}{total:11.4f}{integral:11.4f} </r>")
        lines.append("</set>")
    lines.append("</set></array></total><partial><array><field>energy</field>")
    lines += [f"<field>{name:>5}</field>" for name in ORBITALS]
    lines.append('<set><set comment="ion 1">')
    for component in range(components):
        lines.append(f'<set comment="spin {component + 1}">')
        for energy in ENERGIES:
            values = orbital_values(energy)
            if components == 2:
                values = [value / 2 for value in values]
            elif component:
                values = [-0.1] * 9
            lines.append(f"<r> {energy:9.4f}" + "".join(f"{one:9.4f}" for one in values) + " </r>")
        lines.append("</set>")
    lines.append("</set></set></array></partial></dos>")
    return "\n".join(lines)


def eigenvalues(top: float, kpoints: int = 1, tag: str = "eigenvalues"):
    """Three bands; the highest one holds `top` at the last k-point."""
    lines = [
        f"<{tag}><array><field>eigene</field><field>occ</field><set>",
        '<set comment="spin 1">',
    ]
    for kpoint in range(kpoints):
        last = top if kpoint == kpoints - 1 else 0.0
        lines.append(f'<set comment="kpoint {kpoint + 1}">')
        lines += [
            f"<r> {-8.0:9.4f}{1.0:9.4f} </r>\n<r> {-1.0:9.4f}{1.0:9.4f} </r>",
            f"<r> {9.0:9.4f}{last:9.4f} </r></set>",
        ]
    return "\n".join([*lines, f"</set></set></array></{tag}>"])


def vasprun(
    calculation: str | None = None,
    *,
    system: str = "made up",
    element: str = "Zr",
    ismear: int = 1,
    weights: tuple[float, ...] = (1.0,),
    forces: bool = True,
):
    """A run of one Zr atom; `calculation` is what follows energy and forces of its only step."""
    structure = (
        '<structure><crystal><varray name="basis"><v> 3.2 0 0 </v><v> 0 3.2 0 </v><v> 0 0 3.2 </v>'
        '</varray></crystal><varray name="positions"><v> 0.0 0.0 0.0 </v></varray></structure>\n'
    )
    energy = '<energy><i name="e_fr_energy"> -8.45000000 </i></energy>\n'
    vectors = (
        '<varray name="forces" ><v>      0.00000000      0.00000000      0.00000000 </v></varray>\n'
        '<varray name="stress" ><v>      1.00000000      0.00000000      0.00000000 </v>'
        "<v>      0.00000000      1.00000000      0.00000000 </v>"
        "<v>      0.00000000      0.00000000      1.00000000 </v></varray>\n"
    )
    body = eigenvalues(0.0) + dos_section() if calculation is None else calculation
    step = f"<scstep>{energy}</scstep>\n{structure}{vectors}{energy}" if forces else ""
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling>\n<generator>'
        '<i name="version" type="string">5.4.4 </i></generator>\n'
        f'<incar><i type="string" name="SYSTEM"> {system}</i></incar>\n'
        '<kpoints><generation param="Gamma"><v type="int" name="divisions"> 3 3 3 </v></generation>'
        '<varray name="weights">' + "".join(f"<v> {one} </v>" for one in weights) + "</varray>"
        "</kpoints>\n"
        '<parameters><i type="int" name="NELM"> 60</i><i name="NELECT"> 5.00000000</i>'
        f'<i type="int" name="NBANDS"> 3</i><i type="int" name="ISMEAR"> {ismear}</i>'
        '<i name="SIGMA"> 0.20000000</i><i type="int" name="NELM"> 1</i></parameters>\n'
        f'<atominfo><array name="atoms"><set><rc><c>{element}</c><c>   1</c></rc></set></array>'
        f'<array name="atomtypes"><set><rc><c> 1</c><c>{element}</c><c> 91.2240</c><c> 4.0</c>'
        "<c>  PAW_PBE Zr_sv 04Jan2005 </c></rc></set></array></atominfo>\n"
        f"<calculation>\n{step}{body}\n</calculation>\n</modeling>\n"
    )
