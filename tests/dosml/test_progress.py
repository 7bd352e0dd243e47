from io import StringIO

import pytest
from rich.console import Console

from dosml import progress
from dosml.progress import Reporter, duration


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def lines_of(clock, *, seconds, total):
    screen = StringIO()
    with Reporter(Console(file=screen, width=100)).bar("labelling", total) as update:
        for done in range(1, total + 1):
            clock.now += seconds
            update(done)
    return screen.getvalue().splitlines()


def test_without_a_terminal_every_tenth_is_a_line_with_the_time_left(clock):
    lines = lines_of(clock, seconds=12.0, total=40)
    assert len(lines) == 10
    assert lines[0] == "labelling: 4 of 40, 48 s, about 7 min left"
    assert lines[4] == "labelling: 20 of 40, 4 min, about 4 min left"
    assert lines[-1] == "labelling: 40 of 40, 8 min, done"


def test_few_long_steps_are_a_line_each(clock):
    assert len(lines_of(clock, seconds=100.0, total=3)) == 3


def test_what_ends_at_once_is_silent(clock):
    assert lines_of(clock, seconds=0.1, total=40) == []


def test_what_was_done_before_does_not_flatter_the_time_left(clock):
    screen = StringIO()
    with Reporter(Console(file=screen, width=100)).stages("training") as tell:
        tell("sigma_0.2", 50, 100)
        clock.now += 60.0
        tell("sigma_0.2", 60, 100)
    assert screen.getvalue().strip() == "sigma_0.2: 60 of 100, 60 s, about 4 min left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.4, "4 s"), (89, "89 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_durations_are_short(seconds, words):
    assert duration(seconds) == words
