"""Several campaigns as one table, and every correlation across their metals."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.survey_columns import CONTROLS, PUBLISHED_MEASURES
from dosml.analysis.measures.table import ranked
from dosml.analysis.statistics.angular_resolution import gain_of
from dosml.analysis.statistics.campaigns import differences
from dosml.analysis.statistics.controls import Controls
from dosml.analysis.statistics.correlation import MINIMUM_POINTS, correlate_within, holm
from dosml.analysis.statistics.measures_ranking import rank_measures
from dosml.analysis.statistics.primary import PrimaryTest, primary_test
from dosml.analysis.statistics.published import D_BAND_CENTERS, published_metals, published_table
from dosml.analysis.statistics.scan import setting_words
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from dosml.analysis.statistics.campaigns import CampaignTables

#: What is to be explained.
TARGET = "force_percent_error"
#: Fewest metals behind a ranking: a metal left out must leave enough for a straight line.
FEWEST_METALS = MINIMUM_POINTS


@dataclass(frozen=True)
class SurveyData:
    """Several metals with the same electronic settings.

    Attributes
    ----------
    campaigns
        One per metal.
    facts
        What was run, shown in the report: strings or mappings of strings.
    failures
        Metal without a result -> why.
    crystals
        Metal -> kind of crystal that its frames were sampled from, of those where it is known.
    controls
        What was run beside the metals.
    seed
        Seed of every permutation and bootstrap.

    Raises
    ------
    InputError
        If a metal comes twice, smearing schemes are mixed, or no setting is common to all.
    """

    campaigns: Sequence[CampaignTables]
    facts: Mapping[str, object] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    crystals: Mapping[str, str] = field(default_factory=dict)
    controls: Controls = field(default_factory=Controls)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that the campaigns belong together."""
        metals = [campaign.metal for campaign in self.campaigns]
        if not metals:
            raise InputError("a survey needs at least one finished campaign, got none")
        twice = sorted({metal for metal in metals if metals.count(metal) > 1})
        if twice:
            raise InputError(
                f"two campaigns are of {', '.join(twice)}: a correlation across metals counts "
                f"each metal once, name one campaign of it"
            )
        schemes = {str(s) for c in self.campaigns for s in c.results["smearing_scheme"]}
        if len(schemes) > 1:
            raise InputError(
                f"the campaigns smear with {', '.join(sorted(schemes))}: widths of different "
                f"schemes cannot be compared, join campaigns of one scheme"
            )
        if not self.common:
            each = "; ".join(
                f"{c.metal}: {', '.join(setting_words(*s) for s in _settings(c))}"
                for c in self.campaigns
            )
            raise InputError(f"no electronic setting is common to all campaigns ({each})")

    @cached_property
    def common(self) -> list[tuple[float, float]]:
        """Settings (σ in eV, electrons per atom) that every campaign has, nearest neutral first."""
        shared = set.intersection(*(set(_settings(c)) for c in self.campaigns))
        return sorted(shared, key=lambda s: (abs(s[1]), s[0]))

    @property
    def reference(self) -> tuple[float, float]:
        """The setting of the main question: nearest to neutral, then the smallest σ."""
        return self.common[0]

    @property
    def metals(self) -> list[str]:
        """Metals in the order given."""
        return [campaign.metal for campaign in self.campaigns]

    @cached_property
    def with_d(self) -> list[str]:
        """Metals whose d-DOS is known at the reference."""
        rows = self.at(self.reference)
        return list(rows["metal"][rows["d_band_center_ev"].notna()])

    @property
    def limits(self) -> list[str]:
        """What the labels cannot show, in the words of their engines."""
        return list(dict.fromkeys(line for one in self.campaigns for line in one.limits))

    @property
    def warnings(self) -> list[str]:
        """Why the numbers of the metals may not be comparable."""
        lines = list(dict.fromkeys(one.warning for one in self.campaigns if one.warning))
        lines += differences(self.campaigns)
        total = "n_total_fermi_bare_states_per_ev_atom"
        rows = self.at(self.reference).set_index("metal")
        without = [metal for metal in self.metals if metal not in self.with_d]
        # a DOS that is known has a value for all states at E_F
        none = [metal for metal in without if total in rows and np.isfinite(rows[total][metal])]
        bare = [metal for metal in without if metal not in none]
        if none:
            lines.append(f"The DOS of {', '.join(none)} has no d states here.")
        if bare:
            lines.append(
                f"The d-DOS of {', '.join(bare)} is not known at {setting_words(*self.reference)}: "
                "no measure of it can be tried there."
            )
        if len({campaign.version for campaign in self.campaigns}) > 1:
            lines.append("The campaigns were written by different versions of dosml.")
        return lines + [f"{metal} has no result: {why}" for metal, why in self.failures.items()]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per metal and setting: results.csv, angular need, and what is published."""
        import pandas as pd

        parts = []
        # by symbol: permutations must not depend on the order in which metals are named
        for campaign in sorted(self.campaigns, key=lambda one: one.metal):
            part = campaign.results.copy()
            part.insert(0, "metal", campaign.metal)
            for name, values in _angular(campaign).items():
                part[name] = values
            parts.append(part)
        rows = pd.concat(parts, ignore_index=True)
        facts = published_metals()[["metal", "melting_temperature_k", *PUBLISHED_MEASURES]]
        errors = published_table()[["metal", "force_percent_error"]].rename(
            columns={"force_percent_error": "published_force_percent_error"}
        )
        return rows.merge(facts, on="metal", how="left").merge(errors, on="metal", how="left")

    def at(self, setting: tuple[float, float]) -> pd.DataFrame:
        """Rows of one common setting, one per metal."""
        width, shift = setting
        here = np.isclose(self.table["sigma_ev"], width)
        here &= np.isclose(self.table["electrons_per_atom_shift"], shift)
        return self.table[here].reset_index(drop=True)

    @property
    def tiers(self) -> list[str]:
        """Force % error columns of tiers that every metal has."""
        start = f"{TARGET}_tier_"
        names = [n for n in self.table.columns if n.startswith(start)]
        names = [n for n in names if not n.endswith(("_low", "_high"))]
        return [n for n in names if self.at(self.reference)[n].notna().all()]

    @cached_property
    def baseline(self) -> str:
        """What measures must beat: a published d-band centre known for all metals, else ours."""
        full = [n for n in reversed(D_BAND_CENTERS) if self.at(self.reference)[n].notna().all()]
        return full[0] if full else "d_band_center_ev"

    @property
    def enough(self) -> bool:
        """Whether there are enough metals for a correlation."""
        return len(self.campaigns) >= FEWEST_METALS

    @cached_property
    def primary(self) -> PrimaryTest | None:
        """The primary test: ln(force error) against unsmeared chi_4 at the reference."""
        return primary_test(self.at(self.reference), TARGET, self.crystals, seed=self.seed)

    @property
    def own(self) -> pd.DataFrame:
        """The metals at the reference with their crystals, which controls are held against."""
        rows = self.at(self.reference)
        return rows.assign(crystal=[self.crystals.get(m, "unknown") for m in rows["metal"]])

    @cached_property
    def ranking(self) -> pd.DataFrame | None:
        """Exploratory: every DOS measure against the force error at the reference."""
        return self._rank(self.reference, TARGET)

    @cached_property
    def correlations(self) -> pd.DataFrame | None:
        """Every ranking made, with Holm's correction over all tests of the report's main part.

        One row per target, setting and measure; "target", "sigma_ev", "electrons_per_atom_shift",
        the columns of `rank_measures`, "controls", "baseline" and
        "pearson_p_holm_all".
        """
        import pandas as pd

        asked = [(self.reference, TARGET)]
        asked += [(setting, TARGET) for setting in self.common[1:]]
        asked += [(self.reference, tier) for tier in self.tiers]
        asked += [(self.reference, "angular_gain_percent")]
        parts = []
        for setting, target in asked:
            ranking = self._rank(setting, target)
            if ranking is None:
                continue
            part = ranking.copy()
            part.insert(0, "target", target)
            part.insert(1, "sigma_ev", setting[0])
            part.insert(2, "electrons_per_atom_shift", setting[1])
            part["controls"] = " ".join(ranking.attrs["controls"])
            part["baseline"] = ranking.attrs["baseline"]
            parts.append(part)
        if not parts:
            return None
        for part in parts:
            part.attrs = {}
        every = pd.concat(parts, ignore_index=True)
        every["pearson_p_holm_all"] = holm(every["pearson_p"])
        return every

    @cached_property
    def within(self) -> pd.DataFrame | None:
        """Each measure against the force error across the settings inside metals.

        "measure", "n_metals", "n_points", "pearson", "p", "p_holm"; None with one setting only.
        """
        import pandas as pd

        rows = []
        for measure in ranked():
            part = self.table[["metal", measure, TARGET]].dropna()
            try:
                r, p, n = correlate_within(
                    part[measure], part[TARGET], list(part["metal"]), seed=self.seed
                )
            except InputError:  # too few points, or nothing varies inside a metal
                continue
            row = {"measure": measure, "n_metals": n, "n_points": len(part), "pearson": r, "p": p}
            rows.append(row)
        if not rows:
            return None
        table = pd.DataFrame(rows)
        table["p_holm"] = holm(table["p"])
        # many tie at the smallest p that so few permutations allow
        order = np.lexsort((-table["pearson"].abs(), table["p"]))
        return table.iloc[order].reset_index(drop=True)

    @cached_property
    def ours_for_published(self) -> pd.DataFrame | None:
        """Our DOS measures against the published force errors of the same metals."""
        return self._rank(self.reference, "published_force_percent_error", controls=())

    def _rank(
        self, setting: tuple[float, float], target: str, controls: Sequence[str] = CONTROLS
    ) -> pd.DataFrame | None:
        rows = self.at(setting)
        needed = [target, self.baseline, *controls]
        if not set(needed) <= set(rows.columns):
            return None
        rows = rows.dropna(subset=needed)
        if len(rows) < FEWEST_METALS or rows[target].nunique() < 2:
            return None
        # a measure that does not vary or is missing cannot be tried
        counted = {m: rows[m].dropna() for m in ranked() if m in rows.columns}
        measures = [m for m, v in counted.items() if len(v) >= FEWEST_METALS and np.ptp(v) > 0]
        if not measures:
            return None
        return rank_measures(
            rows,
            target=target,
            measures=measures,
            baseline=self.baseline,
            controls=list(controls),
            seed=self.seed,
        )


def published_ranking(seed: int = 0) -> pd.DataFrame:
    """Rank published d-band numbers against the published force errors (NequIP, all tiers).

    Returns
    -------
    pandas.DataFrame
        As `rank_measures`, given the melting temperature.
    """
    return rank_measures(
        published_table(),
        target=TARGET,
        measures=list(PUBLISHED_MEASURES),
        controls=["melting_temperature_k"],
        seed=seed,
    )


def _settings(campaign: CampaignTables) -> list[tuple[float, float]]:
    pairs = campaign.results[["sigma_ev", "electrons_per_atom_shift"]].itertuples(index=False)
    return [(round(float(width), 9), round(float(shift), 9)) for width, shift in pairs]


def _angular(campaign: CampaignTables) -> dict[str, list[float]]:
    """Pair and angular shares of every row of a campaign's results."""
    pairs, gains, nulls = [], [], []
    for width, shift in _settings(campaign):
        pair = gain = null = float("nan")
        if campaign.angular is not None:
            name = setting_words(width, shift)
            group = campaign.angular[campaign.angular["setting"] == name].sort_values("l_max")
            left = 1 - group["explained"].to_numpy(float)
            if len(left) > 2 and left[1] > 0:
                pair, gain = 100 * left[0], float(gain_of(left[1:]))
                if "angular_gain_null_high_percent" in group:  # not of older versions
                    null = float(group["angular_gain_null_high_percent"].iloc[0])
        pairs.append(pair)
        gains.append(gain)
        nulls.append(null)
    return {
        "pairs_unexplained_percent": pairs,
        "angular_gain_percent": gains,
        "angular_gain_null_high_percent": nulls,
    }
