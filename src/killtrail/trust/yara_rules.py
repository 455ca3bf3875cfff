"""The user's own YARA rules over programs, with yara-x (the extra `yara`); none are shipped."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from killtrail.errors import UnavailableError, UsageError
from killtrail.model.text import visible
from killtrail.model.trust import Check, CheckId, Result
from killtrail.trust.root import Root

_READ_MOST: Final = 256 << 20


def checks(root: Root, files: tuple[str, ...], suspects: set[str]) -> Iterator[Check]:
    """Matches in the programs of the search path and in whatever other checks name.

    Raises `UnavailableError` without yara-x, `UsageError` for rules that do not compile.
    """
    rules = _compiled(files)
    paths = {f"{folder}/{name}" for folder in root.searched() for name in root.names(folder)}
    count = 0
    found = False
    for path in sorted(paths | suspects):
        raw = _content(root, path)
        if raw is None:
            continue
        count += 1
        for rule in rules.scan(raw).matching_rules:
            found = True
            says = f"it matches the rule {visible(rule.identifier)}"
            yield _check(visible(path), Result.CONTRADICTED, ", ".join(files), says)
    if not found:
        says = f"none of them matches in {count} programs"
        yield _check("rules of yours", Result.CONSISTENT, ", ".join(files), says)


def _compiled(files: tuple[str, ...]) -> Any:  # noqa: ANN401 -- yara-x has no types
    try:
        import yara_x  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise UnavailableError("--yara needs yara-x", "pip install 'killtrail[yara]'") from error
    compiler = yara_x.Compiler()
    for name in files:
        try:
            compiler.new_namespace(name)
            compiler.add_source(Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yara_x.CompileError) as error:
            raise UsageError(f"{name}: {str(error).splitlines()[0]}") from error
    return compiler.build()


def _content(root: Root, path: str) -> bytes | None:
    # A link's target is examined at its own path.
    if root.resolve(path) != root.settle(path):
        return None
    fd = root.open(path)
    if fd is None:
        return None
    with os.fdopen(fd, "rb", buffering=0) as file:
        try:
            return file.read(_READ_MOST)
        except OSError:
            return None


def _check(subject: str, result: Result, by: str, says: str) -> Check:
    return Check(CheckId.KNOWN_PATH, subject, result, by, says)
