"""Each death as a person reads it, at the widths that terminals have."""

import pytest

from killtrail._slotted import fields, is_dataclass
from killtrail.model.causes import Cause
from killtrail.model.text import visible
from killtrail.report import text
from killtrail.report.page import Page
from killtrail.report.pages.verdict import verdict_page
from tests.report import goldens, samples

pytestmark = pytest.mark.usefixtures("utc")


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _strings(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _strings(getattr(value, field.name))


def test_every_cause_has_a_sample():
    """The samples are judged, not written: each must be what it is called, and none may lack."""
    assert set(samples.CAUSES) == {cause.value for cause in Cause}
    assert {name: v.cause.value for name, v in samples.CAUSES.items()} == {
        n: n for n in samples.CAUSES
    }


@pytest.mark.parametrize("name", samples.EVERY)
def test_screen(name):
    """What a terminal of 100 columns shows."""
    goldens.check(f"why-{name}", text.lines(verdict_page(samples.EVERY[name]), 100))


@pytest.mark.parametrize("name", ["killed-by-process", "oom-killed", "hostile", "incident-2000"])
@pytest.mark.parametrize("columns", [60, 80, 120])
def test_widths(name, columns):
    """The same on narrow and wide ones."""
    goldens.check(f"why-{name}-{columns}", text.lines(verdict_page(samples.EVERY[name]), columns))


@pytest.mark.parametrize("name", ["killed-by-process", "logs-alone", "not-established", "hostile"])
def test_colour(name):
    """Title by certainty, labels, and dim places."""
    goldens.check(f"why-{name}-colour", text.lines(verdict_page(samples.EVERY[name]), 80, True))


def test_ascii():
    """A stream without the ellipsis gets dots, and escapes for the rest, within its width."""
    page = verdict_page(samples.OTHERS["hostile"])
    lines = text.lines(page, 80, encoding="ascii")

    assert all(line.isascii() for line in lines)
    goldens.check("why-hostile-ascii", lines)


def test_records():
    """--evidence: the records field by field, below the screen."""
    page = verdict_page(samples.CAUSES["killed-by-process"], records=True)
    goldens.check("why-evidence", text.lines(page, 100))


def test_from_files():
    """The next question goes to the same files."""
    page = verdict_page(samples.OTHERS["logs-alone"], files=("audit log", "kern.log"))
    goldens.check("why-from-files", text.lines(page, 100))


@pytest.mark.parametrize("name", samples.EVERY)
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_nothing_is_wider(name, columns):
    """No line is wider than the terminal, in UTF-8 and in ASCII; colour adds no character."""
    page = verdict_page(samples.EVERY[name], records=True)
    plain = text.lines(page, columns)

    assert max(map(len, plain)) <= columns
    assert max(map(len, text.lines(page, columns, encoding="ascii"))) <= columns
    coloured = [_without_sgr(line) for line in text.lines(page, columns, True)]
    assert coloured == plain


def _without_sgr(line: str) -> str:
    parts = line.split("\x1b[")
    return parts[0] + "".join(part.partition("m")[2] for part in parts[1:])


@pytest.mark.parametrize("name", samples.EVERY)
def test_all_of_it_is_safe(name):
    """Every string of a page may be printed by any renderer as it is."""
    page = verdict_page(samples.EVERY[name], records=True, files=(samples.HOSTILE,))

    assert isinstance(page, Page)
    assert all(visible(each) == each for each in _strings(page))


@pytest.mark.parametrize("name", samples.EVERY)
def test_order(name):
    """What, how, by whom, who started that, why, how sure, ruled out, next."""
    order = ["what", "how", "by whom", "started by", "incident", "pattern", "why", "how sure",
             "conflicts", "ruled out", "also seen", "next"]  # fmt: skip
    labels = [section.label for section in verdict_page(samples.EVERY[name]).sections]

    assert labels == [label for label in order if label in labels]
    assert {"what", "how", "why", "how sure", "next"} <= set(labels)


@pytest.mark.parametrize("name", samples.EVERY)
def test_next_is_about_this_death(name):
    """Never the glossary."""
    page = verdict_page(samples.EVERY[name])
    (section,) = [s for s in page.sections if s.label == "next"]

    assert 1 <= len(section.blocks) <= 3
    assert not any("killtrail explain" in each for each in _strings(section))
