"""docs/reference/python-api.md: its examples are run, and give what stands there."""

import doctest
import io
import os
import re
import time

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs/reference/python-api.md"
BLOCK = re.compile(r"^(<!-- live -->\n)?```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(*, live: bool) -> str:
    """The blocks that need an armed recorder, or the others; each run needs the imports of the first."""
    blocks = [(bool(found[1]), found[2]) for found in BLOCK.finditer(PAGE.read_text())]
    first = blocks[0][1]
    own = [text for needs, text in blocks if needs is live]
    return "\n".join(own if not live else [first, *own])


def run(text: str, monkeypatch) -> doctest.TestResults:
    monkeypatch.chdir(ROOT)
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    result = runner.run(test, out=said.write)
    assert not result.failed, said.getvalue()
    return result


def test_examples_on_files(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert run(examples(live=False), monkeypatch).attempted > 20
    monkeypatch.undo()
    time.tzset()


@pytest.mark.live
def test_examples_on_a_live_host(bpf, monkeypatch):
    assert os.geteuid() == 0
    assert run(examples(live=True), monkeypatch).attempted > 5
