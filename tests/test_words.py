"""What users read is plain: the words of the man pages, no dialect of ours (docs/reference/glossary.md).

Read are string literals with a space in them (help texts, messages, sentences; f-strings with each value as 0),
docstrings (by a shorter list) and prose of the documents, without code spans, code blocks and HTML comments.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

SOURCES = sorted((ROOT / "src/killtrail").rglob("*.py"))
PAGES = sorted(
    [*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in (
        "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md",
    ))]
)  # fmt: skip

DIALECT = {
    # An actor has a name: a process, a user, a program; "not recorded" if it has none.
    "whoever": r"whoever|whomever",
    "nobody": r"(?<!user )nobody|somebody|anybody|everybody",
    # Subject, verb, object: "X is not a Y". ("There is no Y" is plain.)
    "is no": r"(?<!there )(?:is|are|was) no(?! longer)",
    "on record": r"on record",
    "number for a PID": r"(?:process|thread) numbers?|(?<!version )(?<!line )number \d+|by number|the numbers?(?= (?:has|had|goes|went|belongs|passed)\b)",
    "outlived": r"outliv\w+",
    "end for exit": r"(?:its|his|their|whose) ends?\b(?! of)|ended by (?:itself|signal)|(?:has|have|had) ended",
    "told": r"told|tells?|tell from",
    "life of a process": r"(?:a|one|each|its|earlier|another|that|same) li[fv]es?|lives of|still lives|it lives",
    "box for the ring buffers": r"box(?:es)?",
    "will as a noun": r"(?:a|the|its|his|of|by|no) wills?|wills",
    "likewise": r"likewise",
    "him for a process": r"him|his|himself",
    "behind for after": r"behind (?:it|its|a|the)|right behind",
    "a bystander's words": r"last words|goodbye|without a word|lets? go|by its own doing|set off by|of a kind",
    "inverted opening": r"(?:^|[.;] )Of (?:a|an|one|what|the)",
}  # fmt: skip
IN_DOCSTRINGS = (
    "whoever", "nobody", "is no", "on record", "outlived", "told", "box for the ring buffers",
    "will as a noun", "likewise", "him for a process", "a bystander's words",
)  # fmt: skip

_CODE = re.compile(
    r"^```.*?^```|^ {4}.*?$|`[^`\n]*`|<!--.*?-->|\]\([^)]*\)", re.MULTILINE | re.DOTALL
)
_QUERY = re.compile(r"^(?:SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA)\b|\(\?P?<|\\d|\\S|\\w")


def _dialect(text: str, kinds: tuple[str, ...]) -> list[str]:
    return [
        f"{kind}: {found[0]!r} in {text[max(0, found.start() - 50) : found.end() + 50]!r}"
        for kind in kinds
        for found in re.finditer(rf"\b(?:{DIALECT[kind]})(?!\w)", text, re.IGNORECASE)
    ]


def _plain(node: ast.JoinedStr) -> str:
    return "".join(str(v.value) if isinstance(v, ast.Constant) else "0" for v in node.values)


def strings(tree: ast.Module) -> Iterator[tuple[int, bool, str]]:
    """(line, whether it is a docstring, text) of each literal; of an f-string with 0 for its values."""
    docs = {
        id(node.value)
        for owner in ast.walk(tree)
        if isinstance(owner, (ast.Module, ast.ClassDef, ast.FunctionDef))
        for node in owner.body
        if isinstance(node, ast.Expr)
    }
    parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, False, _plain(node)
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node.lineno, id(node) in docs, node.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_strings_are_plain(path):
    """Help, messages and sentences by the whole list, docstrings by the shorter one."""
    found = []
    for line, documents, text in strings(ast.parse(path.read_text())):
        prose = " ".join(_CODE.sub("`code`", text).split())
        if " " in prose and not _QUERY.search(text):
            found += [
                f"{line}: {x}"
                for x in _dialect(prose, IN_DOCSTRINGS if documents else tuple(DIALECT))
            ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_are_plain(path):
    """Prose of the documents: no code spans, no code blocks."""
    text = _CODE.sub("`code`", path.read_text())
    found = [
        x
        for part in re.split(r"\n\s*\n", text)
        for x in _dialect(" ".join(part.split()), tuple(DIALECT))
    ]
    assert not found, "\n".join(found)


def test_the_list_finds_its_words():
    """Each entry of the list finds a sentence of the old dialect, and plain ones pass."""
    old = (
        "wait for whoever kills it", "nobody killed pid 7", "x is no signal", "the boots on record", "number 42 is taken",
        "it outlived SIGTERM", "its end is known", "the source tells no status", "another life", "forget the box",
        "a will of a dead parent", "likewise", "not for him", "a SIGKILL behind it", "last words", "Of one call only one is shown",
    )  # fmt: skip
    assert {
        found.partition(":")[0] for text in old for found in _dialect(text, tuple(DIALECT))
    } == set(DIALECT)
    plain = "There is no /proc. PID 7 was reused. It ran as user nobody, and line number 0 is first; it will exit."
    assert not _dialect(plain, tuple(DIALECT))
