"""The pages of explain: one word (exit status, signal, cause, mechanism, check), or all of them."""

from typing import Final

from killtrail.model import signals as sg
from killtrail.model.causes import Cause, Mechanism
from killtrail.model.trust import CheckId
from killtrail.report.page import Field, Page, Paragraph, Section, page
from killtrail.report.reference import causes, checks

MOST: Final = 255
"""Exit statuses are eight bits."""
_SHELL: Final = 128
_CODES: Final = {
    0: "success",
    1: "a general failure; each program gives it its own meaning",
    2: "usually wrong usage",
    124: "from timeout(1): the command was still running when its time was up",
    125: "from docker run, podman run or timeout(1): they failed themselves, the command did not run",
    126: "from a shell: the program was found but could not be executed",
    127: "from a shell: the program was not found",
    128: "from a shell: exit was given something that is not a whole number",
    255: "out of range, or a remote shell that failed",
}


def overview() -> Page:
    """All causes, mechanisms and checks."""
    return page(
        "What killtrail can say of a death, and how each thing is known",
        None,
        (
            Section(
                "causes", tuple(Field(c, p.means) for c, p in causes.CAUSES.items()), heading=True
            ),
            Section(
                "mechanisms", tuple(Field(m, t) for m, t in causes.MECHANISMS.items()), heading=True
            ),
            Section(
                "checks of trust",
                tuple(Field(c, f"proves {p.proves}") for c, p in checks.CHECKS.items()),
                heading=True,
            ),
        ),
    )


def cause(word: Cause) -> Page:
    """One cause."""
    about = causes.CAUSES[word]
    return page(
        f"{word}: {about.means}",
        None,
        (
            Section("looks similar", (Paragraph(about.similar),)),
            Section("what proves it", (Paragraph(about.proof),)),
            Section("what to do", (Paragraph(about.do),)),
        ),
    )


def mechanism(word: Mechanism) -> Page:
    """One mechanism."""
    return page(f"{word}: {causes.MECHANISMS[word]}", None, ())


def check(word: CheckId) -> Page:
    """One check of trust."""
    about = checks.CHECKS[word]
    return page(
        f"{word}: {about.how}",
        None,
        (
            Section("proves", (Paragraph(about.proves),)),
            Section("can't say", (Paragraph(about.cannot),)),
            Section("false alarms", (Paragraph(about.alarms),)),
        ),
    )


def signal(number: int) -> Page:
    """One signal, by its name."""
    shown = Section(
        "shell status",
        (Paragraph(f"{_SHELL + number}: what a shell shows where this signal killed a process"),),
    )
    return page(causes.signal_text(number), None, (shown,))


def exit_status(number: int) -> Page:
    """What a number from 0 to 255 may mean as an exit status."""
    sections = []
    if 1 <= number <= sg.LAST:
        sections.append(Section("as a signal", (Paragraph(causes.signal_text(number)),)))
    if _SHELL < number <= _SHELL + sg.LAST:
        return _shell_status(number)
    meaning = _CODES.get(number, "its meaning is up to the program")
    return page(f"exit status {number}: {meaning}.", None, tuple(sections))


def _shell_status(number: int) -> Page:
    name = sg.name(number - _SHELL)
    title = f"status {number} in a shell: killed by {name}, or it called exit({number})."
    blocks = [Paragraph(causes.signal_text(number - _SHELL))]
    if number == _SHELL + sg.SIGKILL:
        blocks.append(
            Paragraph(
                "137 does not mean out of memory: any SIGKILL shows it, the OOM killer's is one of"
                " many. Kubernetes and Docker show 137 for their own stop after its grace time, too."
            )
        )
    ask = Paragraph("killtrail why PID says which it was, and who sent it.")
    return page(title, None, (Section("", (*blocks, ask)),))
