"""Files of attacks, with every command that takes them: a clear refusal, or the right answer."""

from __future__ import annotations

import pytest
from tools.attack import cases, run_all, summary

pytestmark = [pytest.mark.slow, pytest.mark.reference_data]


def test_every_file_is_refused_clearly_or_answered_rightly(reference_data) -> None:
    chosen = cases(reference_data)
    assert len(chosen) > 1000
    outcomes = run_all(chosen, workers=2)
    worst = [
        one for one in outcomes if one.end in {"last net", "timeout", "unclear", "silently wrong"}
    ]
    print(summary(outcomes))
    assert not worst, "\n".join(map(str, worst))
    # sound files are no attack
    ends = {(one.case.path.name, one.case.words[0], one.end) for one in outcomes}
    for name in ("good.extxyz", "crlf.extxyz", "Cu[fcc].extxyz", "Cu@300K.extxyz"):
        assert (name, "smear-scan", "accepted and right") in ends, name
        # crlf.extxyz has no labels
        assert name == "crlf.extxyz" or (name, "train", "accepted and right") in ends, name
