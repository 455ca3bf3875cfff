"""Secrets that their own text gives away: by the name they are given to, or by their form.

Names as programs and services use them in options, environment variables, connection strings,
headers, queries and JSON. Forms are the prefixes that issuers give to their tokens so that scanners
find them (GitHub, GitLab, Slack, AWS, Google, Stripe, npm, PyPI, HashiCorp, DigitalOcean, SendGrid,
OpenAI, JSON web tokens of RFC 7519).
"""

import re
import unicodedata
from typing import Final

MASK: Final = "***"
_STRONG: Final = (
    r"(?:[\w.-]*(?:passwd|password|passphrase|passwort|kennwort|contrase\w{2,3}|\u043f\u0430\u0440\u043e\u043b\u044c|secret|token|"
    r"credential|api[-_]?key|secret[-_]?key)(?:s|\d+|[-_.][\w.-]*)?"
    r"|[\w.-]*(?:access|private|auth|account|encryption|signing|shared|license)[-_]?key(?:[-_]base)?"
    r"|[\w.-]*(?:[-_.]|\b|db|user|my|pg)(?:pass|pwd|pw)"
    r"|[\w.-]*_auth|bearer|otp|pin)"
)
"""Names of something secret."""
_WEAK: Final = r"(?:[\w.-]*[-_.])?(?:key|auth)"
"""Names of something that may as well be a file, a column or a method."""
_NOT_ITSELF: Final = re.compile(
    r"(?i)(?:[-_.](?:file|path|stdin|prompt|fd|dir|url|type|length|min|max|policy|expiry|expires|"
    r"name)|askpass|keypass(?:es)?file|sock)$"
)
"""`--password-file`, `SSH_AUTH_SOCK`: the value says where the secret is."""
_OPTION: Final = re.compile(rf"(?i)^--?(?:{_STRONG}|(?P<weak>{_WEAK}))$")
_VALUE: Final = r"(?:'[^']*'|\"(?:\\.|[^\"\\])*\"|[^\s&;,'\"]+)"
_ASSIGNED: Final = re.compile(
    rf"(?i)(?<![\w.-])(?P<name>(?:{_STRONG}|(?P<weak>{_WEAK})))(?P<sign>\s*[=:]\s*)(?P<value>{_VALUE})"
)
_JSON: Final = re.compile(
    rf"(?i)(\\?\"(?:{_STRONG}|{_WEAK})\\?\"\s*:\s*\\?\")((?:[^\"\\]|\\[^\"])*)(\\?\")"
)
_URL: Final = re.compile(
    r"(?i)((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,30}://[^\s/:@]*:)(?!\d*/)([^\s'\"]+)(@)"
)
_URL_TOKEN: Final = re.compile(r"(?i)(\bhttps?://)(?!git@)([^\s/:@'\"]{8,})(@)")
_QUERY: Final = re.compile(
    r"(?i)([?&](?:key|sig|signature|code|auth|x-amz-signature|x-amz-security-token)=)([^\s&#'\"]+)"
)
_HEADER: Final = re.compile(
    r"(?i)((?<![\w-])(?:(?:proxy-)?authorization|set-cookie|cookie|[\w-]*[-_](?:token|key|secret|auth))"
    r"\s*:\s*(?:(?:bearer|basic|token|digest|apikey|negotiate|aws4-hmac-sha256)\s+)?)([^'\"\n]+)"
)
_PIPED: Final = re.compile(
    r"(\b(?:echo|printf)\s+(?:-\w+\s+)*)([^|;&]+?)(\s*\|\s*(?:sudo\s+(?:-\w+\s+)*)?"
    r"(?:passwd|chpasswd|smbpasswd|cryptsetup|kinit|gpg|docker\s+login|sudo\s+-S|faillock)\b)"
)
_FORMS: Final = re.compile(
    r"\b(?:A(?:KIA|SIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|"
    r"xox[abeprs]-[\w-]{10,}|(?<![\w-])eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}|AIza[\w-]{35}|"
    r"[rs]k_(?:live|test)_\w{16,}|sk-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|npm_\w{30,}|"
    r"pypi-[\w-]{30,}|hv[bs]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{32,})"
)
_HOOK: Final = re.compile(r"(hooks\.slack\.com/services/)[\w/]{10,}")
_ALIKE: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0501\u051b\u051d\u043a\u043c\u0442",
    "aeopcyxisdqwkmt",
)
"""Cyrillic letters that look Latin (Unicode TR 39): a password is named by them, too."""
_PLAIN: Final = re.compile(r"^\d+$|\.[a-z]\w{1,4}$")
"""A number, a file with its ending."""
_A_KEY_IS_LONGER: Final = 6


def is_secret_option(word: str) -> bool:
    """Whether the word is an option whose value, in the next word, is a secret: `--password`."""
    found = _OPTION.match(word)
    return found is not None and not _NOT_ITSELF.search(word)


def is_weak_option(word: str) -> bool:
    """Whether the option's value may as well be the name of a file or of a method: `--key`."""
    found = _OPTION.match(word)
    return found is not None and found["weak"] is not None


def plain_value(word: str) -> bool:
    """Whether the value of a `--key` or `--auth` is a file, a number or a short word."""
    return len(word) < _A_KEY_IS_LONGER or word[0] in "/.~$-" or bool(_PLAIN.search(word))


def masked(text: str) -> str:
    """The text without the secrets that are named in it or known by their form."""
    found = _masked(text)
    if found != text or text.isascii():
        return found
    alike = _alike(text)
    found = _masked(alike)
    return text if found == alike else found


def _masked(text: str) -> str:
    if ":" in text or "=" in text:
        text = _HEADER.sub(rf"\1{MASK}", text)
        text = _JSON.sub(rf"\1{MASK}\3", text)
        text = _URL.sub(rf"\1{MASK}\3", text)
        text = _URL_TOKEN.sub(rf"\1{MASK}\3", text)
        text = _QUERY.sub(rf"\1{MASK}", text)
        text = _ASSIGNED.sub(_assigned, text)
    if "|" in text:
        text = _PIPED.sub(rf"\1{MASK}\3", text)
    return _HOOK.sub(rf"\1{MASK}", _FORMS.sub(MASK, text))


def _assigned(found: re.Match[str]) -> str:
    name, value = found["name"], found["value"]
    bare = value.strip("'\"")
    if _NOT_ITSELF.search(name) or not bare or bare == MASK or bare.startswith("//"):
        return found[0]
    if found["weak"] is not None and plain_value(bare):
        return found[0]
    if name.upper() in {"PWD", "OLDPWD"} and bare[0] in "/~.":
        return found[0]
    return f"{name}{found['sign']}{MASK}"


def _alike(text: str) -> str:
    """The text with look-alike letters made Latin and invisible format characters taken out."""
    plain = unicodedata.normalize("NFKC", text).translate(_ALIKE)
    return "".join(c for c in plain if unicodedata.category(c) != "Cf")
