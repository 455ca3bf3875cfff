"""Nothing in a name can steer a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from killtrail.model.text import shell_words, shortened, visible


@given(st.text())
def test_no_control_left(text):
    """No control, format or surrogate character survives."""
    for char in visible(text):
        assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
        assert char not in "\u202e\u202d\u2066\u2067\u200b\ufeff"


def test_known_escapes_are_readable():
    """The common ones read as in a shell."""
    assert visible("a\x1b[31mb\nc\td\x07") == "a\\e[31mb\\nc\\td\\x07"


def test_plain_text_stays():
    """Letters of any script stay."""
    assert visible("grüße 進程 ok") == "grüße 進程 ok"


def test_words_are_quoted():
    """A command line can be typed again."""
    assert shell_words(("sh", "-c", "it's \x1b")) == "sh -c 'it'\\''s \\e'"


def test_the_end_of_a_long_text_stays():
    """A script's last command is often the one that matters."""
    script = f"sh -c 'echo {'x' * 200}; kill -9 42'"

    assert shortened(script, 40).endswith("kill -9 42'")
    assert len(shortened(script, 40)) == 40
    assert shortened("sleep 60", 40) == "sleep 60"
