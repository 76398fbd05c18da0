"""The licence stands where people and tools look for it."""

from tests.house.tree import ROOT, setup


def test_the_licence_is_apache_2_in_full() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert setup()["metadata"]["license"] == "Apache-2.0"
    assert setup()["metadata"]["license_files"] == "LICENSE"


def test_the_changes_speak_of_this_version() -> None:
    assert f"## [{setup()['metadata']['version']}]" in (ROOT / "CHANGELOG.md").read_text()
