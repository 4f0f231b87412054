"""The built-in sets of what to redact: keys, e-mails, cards.

A set is a list of patterns, each with marks: short texts of which one must be there for the pattern to match, so that
looking for them is nearly all that a request without secrets costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_ANY_CASE = re.IGNORECASE


@dataclass(frozen=True, slots=True)
class Secret:
    """One kind of secret.

    kind:    what the replacement calls it
    marks:   lower-case texts, one of which is in every text with this secret
    pattern: finds it; a group called `secret` is what is replaced, else the whole match
    valid:   a further check of what was found
    """

    kind: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    valid: Callable[[str], bool] = bool


def _key(marks: str, pattern: str, flags: int = 0) -> Secret:
    return Secret("key", tuple(marks.split()), re.compile(rf"(?<![A-Za-z0-9]){pattern}", flags))


_PRIVATE_KEY = (
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s:,.()-]|\\+[nrt/])*?"
    r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|(?![A-Za-z0-9+/=\s:,.()\\-])|$)"
)

KEYS: tuple[Secret, ...] = (
    # OpenAI, Anthropic (sk-ant-), OpenRouter (sk-or-), DeepSeek, Langfuse (sk-lf-): with a digit, or longer than words.
    _key("sk-", r"sk-(?:(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}|(?:[a-z]{2,5}-)?[A-Za-z_]{16,})"),
    _key("sk_ rk_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"),  # Stripe
    _key("aiza ya29.", r"(?:AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,})"),  # Google
    _key(
        "hf_ gsk_ xai- r8_ pplx- nvapi- csk- tvly-", r"(?:hf_|gsk_|xai-|r8_|pplx-|nvapi-|csk-|tvly-)[A-Za-z0-9_-]{20,}"
    ),
    _key("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat-", r"(?:gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{20,}"),
    _key("xox xapp-", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}"),  # Slack
    _key("akia asia abia acca", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"),  # AWS, its id
    _key(
        "aws",
        r"aws[A-Za-z0-9_.-]{0,20}?(?:secret|session|access)[A-Za-z0-9_.-]{0,20}\W{1,8}(?P<secret>[A-Za-z0-9/+=]{40,})",
        _ANY_CASE,
    ),
    _key("npm_ pypi- sg. dop_v1_", r"(?:npm_|pypi-|SG\.|dop_v1_)[A-Za-z0-9._-]{30,}"),
    _key(
        "accountkey= sharedaccesskey=", r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{40,}={0,2})", _ANY_CASE
    ),
    _key("eyj", r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),  # JSON web tokens
    _key(
        "bearer",
        r"bearer[\s\"':]+(?P<secret>(?:(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{12,}|[A-Za-z._~+/-]{20,})=*)",
        _ANY_CASE,
    ),
    _key(
        "authorization", r"authorization\W{1,8}(?:basic|bearer|token)\s+(?P<secret>[A-Za-z0-9._~+/-]{6,}=*)", _ANY_CASE
    ),
    _key(
        "api_key api-key apikey",
        r"api[-_]?key\W{1,6}(?P<secret>(?=[A-Za-z_.-]*[0-9])[A-Za-z0-9_.-]{16,}|[A-Za-z_.-]{20,})",
        _ANY_CASE,
    ),
    Secret("private-key", ("private key",), re.compile(_PRIVATE_KEY)),
)

SECRET_ATTRIBUTE = re.compile(r"(?:^|[._-])(?:authorization|api[._-]?key|cookie)$", _ANY_CASE)
"""Attributes (captured headers, mostly) whose whole value is a secret whatever it looks like."""

EMAILS: tuple[Secret, ...] = (
    Secret(
        "email",
        ("@",),
        re.compile(
            r"(?<![\w.+%'-])[\w.+%'-]{1,64}+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![\w-])"
        ),
    ),
)


def _is_card(found: str) -> bool:
    """Whether digits are a payment card's: an issuer's range and length (ISO/IEC 7812), and the Luhn sum."""
    digits = [int(character) for character in found if character.isdigit()]
    if not _ISSUED.fullmatch("".join(map(str, digits))):
        return False
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_ISSUED = re.compile(
    r"""4\d{12}(?:\d{3}){0,2}                                       # Visa
      | (?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}  # Mastercard
      | 3[47]\d{13}                                                 # American Express
      | (?:6011|64[4-9]\d|65\d\d)\d{12,15}                          # Discover
      | 35(?:2[89]|[3-8]\d)\d{12,15}                                # JCB
      | 3(?:0[0-5]|[689]\d)\d{11,16}                                # Diners Club
      | 62\d{14,17}                                                 # UnionPay
      | (?:50|5[6-8]|6[37])\d{14,17}                                # Maestro""",
    re.VERBOSE,
)

CARDS: tuple[Secret, ...] = (
    Secret(
        "card",
        (),
        re.compile(
            r"(?<![0-9])(?:[2-6][0-9]{11,18}|[2-6][0-9]{3}(?P<gap>[ -])(?:[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{4}"
            r"|[0-9]{6}(?P=gap)[0-9]{4,5}))(?![0-9])"
        ),
        _is_card,
    ),
)

BUILTIN: dict[str, tuple[Secret, ...]] = {"keys": KEYS, "emails": EMAILS, "cards": CARDS}
