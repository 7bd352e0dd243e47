"""How fast `dosml relabel collect` reads VASP outputs.

Makes a study of N jobs whose vasprun.xml.gz all have the size of a real label run (35 Ti atoms, 291
bands, NEDOS 3001, `<projected>` included), one file copied N times: what is measured is reading,
checking and writing. Then collects it twice: from the outputs, and again from the label store.

    python benchmarks/collect_labels.py [N] [workers]
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from helpers.vasp_study import settings, write_potcars

from dosml.relabel.frames import canonical
from dosml.relabel.structures import build_structure
from dosml.relabel.vasp.collect import collect
from dosml.relabel.vasp.jobs import find_jobs, write_jobs
from dosml.relabel.vasp.protocol import VaspProtocol

STAND_IN = Path(__file__).parents[1] / "tests" / "tools" / "vasp_std"


def projected(text: str) -> str:
    """Band-by-band projections as VASP appends them: they are most of a file."""
    atoms = int(re.search(r"<atoms>\s*(\d+)", text)[1])
    bands = int(re.search(r'name="NBANDS">\s*(\d+)', text)[1])
    points = text.count('comment="kpoint')
    row = (
        "        <r>  0.0643  0.0000  0.0646  0.0021  0.0000  0.0113  0.0000  0.0204  0.0000 </r>\n"
    )
    block = f'       <set comment="band 1">\n{row * atoms}       </set>\n' * bands
    whole = f'      <set comment="kpoint 1">\n{block}      </set>\n' * points
    part = f"  <projected>\n   <array>\n    <set>\n{whole}    </set>\n   </array>\n  </projected>\n"
    return text.replace(" </calculation>\n</modeling>", part + " </calculation>\n</modeling>")


def main() -> None:
    """Make, collect, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as scratch:
        import pymatgen.io.vasp.inputs

        study = Path(scratch) / "study"
        potcars = write_potcars(Path(scratch) / "potcars")
        pymatgen.io.vasp.inputs.SETTINGS["PMG_VASP_PSP_DIR"] = str(potcars)
        frame = canonical(build_structure("Ti"))
        frames = []
        for number in range(count):
            one = frame.copy()
            one.positions[0, 0] += 1e-3 * number
            frames.append(canonical(one))
        start = time.perf_counter()
        write_jobs(study, frames, settings(0.2), VaspProtocol(), on_progress=lambda _: None)
        print(f"inputs: {count} folders in {time.perf_counter() - start:.1f} s")
        jobs = find_jobs(study)
        subprocess.run([sys.executable, STAND_IN], cwd=jobs[0].folder, check=True)
        text = projected((jobs[0].folder / "vasprun.xml").read_text(encoding="utf-8"))
        (jobs[0].folder / "vasprun.xml").unlink()
        own = re.findall(r"<v>.*</v>", text[text.find("initialpos") :])[3]
        for job in jobs:
            # every job needs its own first position, or it is refused as another frame
            row = (job.folder / "POSCAR").read_text(encoding="utf-8").splitlines()[8].split()[:3]
            mine = "<v>" + "".join(f"{float(x):17.8f}" for x in row) + " </v>"
            packed = gzip.compress(text.replace(own, mine).encode(), 1)
            (job.folder / "vasprun.xml.gz").write_bytes(packed)
        print(f"each output: {len(text) / 1e6:.1f} MB, {len(packed) / 1e6:.2f} MB compressed")
        for what in ("from the outputs", "from the label store"):
            start = time.perf_counter()
            found = collect(study, unpaired=False, workers=workers, on_progress=lambda _: None)
            seconds = time.perf_counter() - start
            assert found.n_labels == count
            minutes = seconds / count * 10_000 / 60
            print(
                f"collect {what}: {seconds:.1f} s with {workers} processes, "
                f"{1000 * seconds / count:.0f} ms a label, 10 000 in {minutes:.1f} min"
            )
        shutil.rmtree(study)
    print(f"cores here: {os.cpu_count()}")


if __name__ == "__main__":
    main()
