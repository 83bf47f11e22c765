"""The text of a version file is checked to the byte without the slow encoder of indented JSON."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from connectome.errors import DamagedError
from connectome.store.canonical import is_version_text, json_digest, loaded_digest, version_text
from connectome.store.manifest import Manifest

WORDS = st.text(alphabet='ab "\\{}[]:,\n\u2028ü', max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(WORDS, VALUES, min_size=1, max_size=4)


@given(DOCUMENTS)
def test_the_text_of_a_document_is_recognised(document: dict[str, object]) -> None:
    assert is_version_text(version_text(document), document)
    assert loaded_digest(document) == json_digest(document)


@given(DOCUMENTS, st.data())
@settings(max_examples=200)
def test_a_text_that_differs_by_one_byte_is_not(document: dict[str, object], data: st.DataObject) -> None:
    text = version_text(document)
    at = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.sampled_from(b' \n{}[]",:a0'))
    for other in (text[:at] + bytes([byte]) + text[at + 1 :], text[:at] + bytes([byte]) + text[at:], text[:at]):
        assert is_version_text(other, document) == (other == text)


@pytest.mark.parametrize("cut", ["census", "digest", "environment"])
def test_a_forged_version_file_with_a_right_checksum_must_agree_with_itself(cut: str) -> None:
    manifest = Manifest("d", "1.0.0", {}, rejected=({"file": "f", "reason": "r", "kind": "k"},))
    document = json.loads(manifest.to_bytes())
    assert Manifest.from_bytes(manifest.to_bytes(), subject="d").rejected == manifest.rejected
    document.pop("checksum")
    document[cut] = {"seen": 9, "used": 9, "rejected": 0} if cut == "census" else {} if cut == "environment" else "0"
    if cut == "environment":
        document["surplus"] = 1
    forged = version_text({**document, "checksum": json_digest(document)})
    with pytest.raises(DamagedError, match="changed after it was written"):
        Manifest.from_bytes(forged, subject="d")
