"""The words of the model are those of the published contract."""

import json
from pathlib import Path

import pytest

from killtrail.model.verdict import DeathKind, Edge, OriginKind

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/schema/killtrail.verdict-1.json").read_text()
)["properties"]


@pytest.mark.parametrize(
    ("words", "contract"),
    [
        (DeathKind, SCHEMA["death"]["properties"]["kind"]["enum"]),
        (Edge, SCHEMA["ancestry"]["items"]["allOf"][1]["properties"]["edge"]["enum"]),
        (OriginKind, SCHEMA["origin"]["anyOf"][1]["properties"]["kind"]["enum"]),
    ],
)
def test_same_words(words, contract):
    """No word is given that the schema forbids, and none of the schema's is unknown here."""
    assert [word.value for word in words] == contract
