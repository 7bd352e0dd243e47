"""How much faster a whole Gaunt table is than asking sympy for the same coefficients.

    python benchmarks/gaunt_table.py

Tables are computed cold, with all caches cleared, and once more with the roots of factorials kept.
sympy is asked once for each non-zero coefficient, in a process that has not computed any before (so
its own caches help as much as they can within one pass). Times are CPU seconds: other work on the
machine does not count.
"""

from __future__ import annotations

import time

from sympy.physics.wigner import gaunt, real_gaunt

from dosml.theory import gaunt_tables

REPEATS = 20
# sympy's real_gaunt takes milliseconds a coefficient: a sample is scaled up.
REAL_SAMPLE = 500


def table_seconds(l_max: int, kind: str, *, roots_kept: bool = False) -> float:
    """Shortest of some runs, cold or with the square roots of factorials kept."""
    cached = [gaunt_tables._unique]  # noqa: SLF001
    if not roots_kept:
        cached += [
            gaunt_tables._level_factor,  # noqa: SLF001
            gaunt_tables._triple_factor,  # noqa: SLF001
            gaunt_tables._binomials,  # noqa: SLF001
        ]
    seconds = []
    for _ in range(REPEATS):
        for function in cached:
            function.cache_clear()
        start = time.process_time()
        gaunt_tables.gaunt_table(l_max, kind)
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    """Print the times and the ratios."""
    for kind, function in (("complex", gaunt), ("real", real_gaunt)):
        table = gaunt_tables.gaunt_table(6, kind)
        rows = [(*row[::2], *row[1::2]) for row in table.indices.tolist()]
        sample = rows if kind == "complex" else rows[:: len(rows) // REAL_SAMPLE]
        start = time.process_time()
        values = [function(*row) for row in sample]
        theirs = (time.process_time() - start) * len(rows) / len(sample)
        assert all(values), "a coefficient that sympy calls zero"
        ours = table_seconds(6, kind)
        kept = table_seconds(6, kind, roots_kept=True)
        print(
            f"{kind:8s} l_max  6: {len(rows):7d} coefficients, table {ours * 1e3:7.2f} ms, "
            f"sympy {theirs:6.2f} s, ratio {theirs / ours:.0f} cold, {theirs / kept:.0f} with the "
            "factorials' roots kept (as sympy keeps its factorials)"
            + ("" if len(sample) == len(rows) else f" (sympy from {len(sample)} of them)")
        )
        for l_max in (12, 20):
            count = len(gaunt_tables.gaunt_table(l_max, kind))
            ours = table_seconds(l_max, kind)
            print(
                f"{kind:8s} l_max {l_max:2d}: {count:7d} coefficients, table {ours * 1e3:7.2f} ms"
            )


if __name__ == "__main__":
    main()
