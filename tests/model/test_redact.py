"""Secrets are masked, and only secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killtrail.model.redact import MASK, redact

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "line",
    [
        ["app", f"--password={SECRET}"],
        ["app", "--password", SECRET],
        ["app", "-password", SECRET],
        ["env", f"DB_PASSWORD={SECRET}", "app"],
        ["app", f"--api-key={SECRET}"],
        ["app", "--access-token", SECRET],
        ["mysql", "-u", "root", f"-p{SECRET}"],
        ["/usr/bin/mysqldump", f"-p{SECRET}", "db"],
        ["psql", f"postgres://user:{SECRET}@db/x"],
        ["curl", "-H", f"Authorization: Bearer {SECRET}", "https://x"],
        ["curl", "-u", f"me:{SECRET}", "https://x"],
        ["sshpass", "-p", SECRET, "ssh", "x"],
        ["sh", "-c", f"app --password {SECRET} --verbose"],
        ["sh", "-c", f"SECRET={SECRET} app"],
        ["git", "clone", "https://x:ghp_abcdefghijklmnopqrstuv0123456789@x/y"],
        ["aws", "AKIAIOSFODNN7EXAMPLE"],
    ],
)
def test_masked(line):
    """The value is gone, the word that named it stays."""
    words, masked = redact(tuple(line))
    text = " ".join(words)

    assert masked
    assert MASK in text
    for value in (SECRET, "ghp_abc", "AKIAIOSFODNN7EXAMPLE"):
        assert value not in text


@pytest.mark.parametrize(
    "line",
    [
        ["sleep", "60"],
        ["sh", "-c", "kill -9 4242; echo done"],
        ["mkdir", "-p", "/tmp/x"],
        ["nginx:", "worker", "process"],
        ["find", "/", "-name", "token.txt"],
        ["ssh", "-p", "2222", "host"],
        ["curl", "https://example.org/a?b=c"],
    ],
)
def test_left_alone(line):
    """Ordinary command lines stay as they are."""
    assert (tuple(line), False) == redact(tuple(line))


@given(st.lists(st.text(max_size=60), max_size=8))
def test_any_bytes(words):
    """Any words in, as many words out."""
    assert len(words) == len(redact(tuple(words))[0])


@pytest.mark.parametrize(
    "token",
    [
        "AKIA" + "A" * 16,
        "ghp_" + "a" * 20,
        "glpat-" + "a" * 20,
        "xoxb-" + "a" * 10,
        "eyJ" + "a" * 10 + ("." + "a" * 10) * 2,
    ],
)
def test_the_shortest_of_each_known_kind(token):
    """A token that is as short as its kind can be is masked by its form alone."""
    assert redact(("app", token)) == (("app", "***"), True)
