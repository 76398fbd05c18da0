"""What the import contracts in setup.cfg cannot say, and that they cover what they should."""

import sys

from tests.house.tree import PACKAGES, ROOT, files, imports, module, setup, short

_DOOR = ("protocols.adapter", "protocols.media")


def _listed(section: str, option: str) -> set[str]:
    return set(setup()[section][option].split())


def test_the_contracts_know_every_package() -> None:
    assert _listed("importlinter", "root_packages") == set(PACKAGES)
    assert {name.strip("*") for name in _listed("options.packages.find", "include")} == set(
        PACKAGES
    )


def test_the_words_stand_on_nothing_but_msgspec() -> None:
    allowed = sys.stdlib_module_names | {"msgspec"}
    strange = [
        f"{short(path)}:{line} {name}"
        for path in files(".py", folders=("registry/model",))
        for line, name in imports(path)
        if name.split(".")[0] not in allowed and not name.startswith("registry.model")
    ]
    assert strange == []


def test_the_registry_package_imports_nothing() -> None:
    assert list(imports(ROOT / "registry" / "__init__.py")) == []


def test_every_codec_is_held_free_of_sockets_and_clocks() -> None:
    codecs = {
        module(path)
        for path in files(".py", folders=PACKAGES)
        if path.stem == "codec" or path.stem.startswith("codec_")
    }
    assert codecs <= _listed("importlinter:contract:codecs", "source_modules")


def test_every_protocol_is_independent_of_the_others() -> None:
    folders = {
        f"protocols.{path.parent.name}" for path in (ROOT / "protocols").glob("*/__init__.py")
    }
    assert _listed("importlinter:contract:protocols", "modules") == folders - {"protocols.media"}


def test_the_fourth_floor_uses_the_door_and_codecs_only() -> None:
    codecs = _listed("importlinter:contract:codecs", "source_modules")
    strange = [
        f"{short(path)}:{line} {name}"
        for path in files(".py", folders=("cascade", "edge_ai", "simulators"))
        for line, name in imports(path)
        if name.startswith("protocols") and not _allowed(name, codecs)
    ]
    assert strange == []


def _allowed(name: str, codecs: set[str]) -> bool:
    return name.startswith(_DOOR) or name in codecs
