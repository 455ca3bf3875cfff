"""Programs whose password has no telling name: a short option, a place, half of a word.

Each from the program's own man page. A program is known by its file name wherever it stands in a
command line, so that `sudo env timeout 9 mysql -pX` and `ssh host mysql -pX` are read too: a word
too many masked is a lesser evil than a password shown.
"""

import re
from typing import Final

from killtrail._slotted import dataclass


@dataclass(frozen=True, slots=True)
class SecretPlaces:
    """Where one program takes a secret."""

    next_word: tuple[str, ...] = ()
    """Options whose next word is the secret."""
    joined: tuple[str, ...] = ()
    """Options that the secret follows without a blank."""
    pair: str = ""
    """Letters of short options whose value is `user:secret`, also behind other letters (`-su`)."""
    long_pair: tuple[str, ...] = ()
    """Long options with such a value."""
    after: tuple[tuple[str, int], ...] = ()
    """(word, n): the n-th plain word after it is the secret."""
    only_after: str = ""
    """The options count only after this subcommand."""
    value: re.Pattern[str] | None = None
    """What stands before and after a secret inside a plain word (groups 1 and 2)."""


_MYSQL: Final = SecretPlaces(joined=("-p",))
_MONGO: Final = SecretPlaces(next_word=("-p",), joined=("-p",))
_ARCHIVE: Final = SecretPlaces(next_word=("-P",), joined=("-P",))
_PUTTY: Final = SecretPlaces(next_word=("-pw",))
_LDAP: Final = SecretPlaces(next_word=("-w",), joined=("-w",))
_LOGIN: Final = SecretPlaces(next_word=("-p",), joined=("-p",), only_after="login")
_SMB: Final = SecretPlaces(pair="U", long_pair=("--user",))
_PROGRAMS: Final = {
    "mycli": _MYSQL,
    "mongo": _MONGO,
    "mongosh": _MONGO,
    "mongodump": _MONGO,
    "mongorestore": _MONGO,
    "mongoexport": _MONGO,
    "mongoimport": _MONGO,
    "sqlcmd": SecretPlaces(next_word=("-P",), joined=("-P",)),
    "bcp": SecretPlaces(next_word=("-P",), joined=("-P",)),
    "sqlplus": SecretPlaces(value=re.compile(r"^([^/\s]+/)[^@\s]+(.*)$")),
    "redis-cli": SecretPlaces(next_word=("-a", "--pass")),
    "curl": SecretPlaces(
        pair="uU", long_pair=("--user", "--proxy-user"), next_word=("-b", "--cookie")
    ),
    "sshpass": SecretPlaces(next_word=("-p",), joined=("-p",)),
    "smbclient": _SMB,
    "smbmap": SecretPlaces(next_word=("-p",)),
    "rpcclient": _SMB,
    "net": _SMB,
    "ldapsearch": _LDAP,
    "ldapmodify": _LDAP,
    "ldapadd": _LDAP,
    "ldapdelete": _LDAP,
    "ldappasswd": SecretPlaces(next_word=("-w", "-a", "-s")),
    "openssl": SecretPlaces(next_word=("-k", "-K", "-pass", "-passin", "-passout", "-passwd")),
    "docker": _LOGIN,
    "podman": _LOGIN,
    "buildah": _LOGIN,
    "skopeo": _LOGIN,
    "nerdctl": _LOGIN,
    "vault": SecretPlaces(after=(("login", 1),)),
    "rabbitmqctl": SecretPlaces(
        after=(("add_user", 2), ("change_password", 2), ("authenticate_user", 2))
    ),
    "htpasswd": SecretPlaces(after=(("-b", 3), ("-cb", 3), ("-bc", 3), ("-nb", 2), ("-bB", 3))),
    "useradd": SecretPlaces(next_word=("-p",)),
    "usermod": SecretPlaces(next_word=("-p",)),
    "chpasswd": SecretPlaces(after=(("chpasswd", 1),)),
    "send": SecretPlaces(after=(("send", 1),)),
    "7z": SecretPlaces(joined=("-p",)),
    "7za": SecretPlaces(joined=("-p",)),
    "7zr": SecretPlaces(joined=("-p",)),
    "rar": SecretPlaces(joined=("-p", "-hp")),
    "unrar": SecretPlaces(joined=("-p",)),
    "zip": _ARCHIVE,
    "unzip": _ARCHIVE,
    "pscp": _PUTTY,
    "plink": _PUTTY,
    "psftp": _PUTTY,
    "rclone": SecretPlaces(next_word=("--sftp-pass", "--ftp-pass", "--crypt-password")),
    "xfreerdp": SecretPlaces(joined=("/p:",)),
    "ipmitool": SecretPlaces(next_word=("-P",)),
    "snmpwalk": SecretPlaces(next_word=("-c", "-A", "-X")),
    "snmpget": SecretPlaces(next_word=("-c", "-A", "-X")),
}
_MYSQL_FAMILY: Final = re.compile(r"^(?:mysql|mariadb)(?!d(?:_safe|_multi)?$)")


def places_of(program: str) -> SecretPlaces | None:
    """Where the program of this file name takes secrets, None where it is not known."""
    found = _PROGRAMS.get(program)
    if found is None and program[:1] == "m" and _MYSQL_FAMILY.match(program):
        return _MYSQL
    return found
