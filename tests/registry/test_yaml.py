"""Importing documents: lines, sections, traps of YAML and bombs."""

import pytest
import yaml

from registry.exchange.document import Document, read_devices
from registry.model import Faulty, Profile


def read(text: str, **profiles: Profile) -> Document:
    return read_devices(text, "yaml", node="edge-1", profiles=profiles)


def faults(text: str) -> list[str]:
    with pytest.raises(Faulty) as caught:
        read(text)
    return [str(fault) for fault in caught.value.faults]


DOCUMENT = """\
areas:
  - {code: 990000, name: 云岭省, name_en: Yunling, kind: province, valid_from: 2020-01-01}
profiles:
  - name: gauge
    address: {topic: "city/{local}", unit: "{unit}"}
    points: [{name: level, unit: m}]
rules:
  - {id: high, point: level, comparison: above, limit: 3, severity: major}
devices:
  - local: 007
    name: 1234
    profile: gauge
    with: {unit: 3}
    link: {protocol: modbus, endpoint: "modbus+tcp://h:502"}
    area: 990101
    codes: {asset: 010, gb28181: 34020000001320000001}
    place: {lon: 112.5551993, lat: 37.8711251, system: gcj02}
  - id: free
    home: no
    name: Free
    kind: sensor
    place:
"""


def test_a_document_with_everything() -> None:
    document = read(DOCUMENT)
    (area,) = document.areas
    assert (area.code, area.valid_from) == ("990000", "2020-01-01")
    assert [p.name for p in document.profiles] == ["gauge"]
    assert [r.limit for r in document.rules] == [3.0]
    first, second = document.devices
    assert first.id == "edge-1~007"
    assert first.name == "1234"
    assert first.area == "990101"
    assert first.codes == {"asset": "010", "gb28181": "34020000001320000001"}
    assert first.link is not None
    assert first.link.address == {"topic": "city/{local}", "unit": 3}
    assert first.points[0].name == "level"
    assert first.place is not None
    assert first.place.raw is not None
    assert (second.id, second.home, second.place) == ("free", "no", None)
    assert document.lines == {"edge-1~007": 10, "free": 18}


def test_mistakes_are_told_with_their_line_and_path() -> None:
    told = faults(
        "areas:\n"
        "  - {code: 99, name: x, kind: province}\n"
        "rules:\n"
        "  - {id: a, point: p, comparison: over, limit: x, severity: major}\n"
        "devices:\n"
        "  - id: a\n"
        "    nmae: A\n"
        "    kind: sensor\n"
        "    points:\n"
        "      - {name: level}\n"
        "      - name: two words\n"
        "    tags: [x, 3, [y]]\n"
        "  - 17\n"
        "  - {id: b, name: B, kind: meter, name: C}\n"
    )
    assert [text.partition(" (")[0] for text in told] == [
        "line 2, areas[0].code: '99' does not fit",
        "line 4, rules[0].comparison: 'over' does not fit",
        "line 4, rules[0].limit: 'x' does not fit",
        "line 7, devices[0].nmae: is unknown",
        "line 6, devices[0].name: is missing",
        "line 12, devices[0].tags[2]: ['y'] does not fit",
        "line 11, devices[0].points[1].name: 'two words' does not fit",
        "line 13, devices[1]: is no mapping",
        "line 14, devices[2].name: is given twice",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("device: []", "line 1, device: is unknown (expected areas, profiles, rules, devices)"),
        ("devices: {a: 1}", "line 1, devices: is no list (expected a list)"),
        ("- 1", "line 1, file: is no mapping"),
        ("devices: []\ndevices: []", "line 2, devices: is given twice"),
        ("devices: [", "line 2, character 1: did not find"),
        ("a: 1\n---\nb: 2", "line 2, character 1"),
        ("devices:\n\t- x", "line 2"),
        ("devices: [!!python/object/apply:os.system [x]]", "line 1, devices[0]"),
        ("devices: [{id: !secret x, name: n, kind: meter}]", "line 1, devices[0].id: has the tag"),
        ("devices: [{[a]: b}]", "line 1, devices[0]: has a key that is no word"),
        (
            "devices: [{local: a, id: b, name: n, kind: meter}]",
            "line 1, devices[0].local: is given",
        ),
        ("devices: [{local: a~b, name: n, kind: meter}]", "line 1, devices[0].local: 'a~b' holds"),
        ("devices: [{id: b, name: n, kind: meter, link: 3}]", "line 1, devices[0].link: 3 does"),
        ("devices: [{id: b, name: n, kind: meter, points: 3}]", "line 1, devices[0].points: 3 d"),
        ("devices: [{id: b, name: n, kind: meter, codes: 3}]", "line 1, devices[0].codes: 3 does"),
        ("devices: [{id: b, name: n, kind: meter, with: 3}]", "line 1, devices[0].with: is no map"),
        ("devices: [{id: b, name: n, kind: meter, place: 3}]", "line 1, devices[0].place: 3 does"),
        (
            "devices: [{id: a, place: {lon: .nan}}]",
            "line 1, devices[0].place.lon: .nan is no finite",
        ),
        (
            "devices: [{id: a, points: [{scale: 1.0e+999}]}]",
            "line 1, devices[0].points[0].scale: 1.0e+999 is",
        ),
        ("rules: [{id: a}, {id: a}]", "line 1, rules[0].point: is missing"),
    ],
)
def test_broken_documents(text: str, told: str) -> None:
    assert faults(text)[0].startswith(told)


def test_an_empty_document_is_empty() -> None:
    assert read("") == read("devices:\n") == read("# nothing\n") == Document()


def test_anchors_and_merges_may_be_used_and_the_own_value_wins() -> None:
    document = read(
        "devices:\n"
        "  - &base {id: a, name: A, kind: sensor, area: 990101}\n"
        "  - {<<: *base, id: b, area: '880101'}\n"
        "  - {id: c, <<: [*base], name: C}\n"
    )
    assert [(d.id, d.name, d.area) for d in document.devices] == [
        ("a", "A", "990101"),
        ("b", "A", "880101"),
        ("c", "C", "990101"),
    ]
    assert document.lines == {"a": 2, "b": 3, "c": 4}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\n"
        + "".join(
            f"{c}: &{c} [{', '.join(['*' + p] * 12)}]\n"
            for p, c in zip("abcdef", "bcdefg", strict=True)
        )
        + "devices: *g",
        "devices:\n  - &a {id: a, name: n, kind: meter, tags: [*a]}",
        "devices:\n  - &a {<<: *a}",
        "devices: &d [*d]",
        "devices: " + "[" * 5_000,
        "devices: " + "{a: " * 200,
        "devices:\n" + "".join("  " * n + "-\n" for n in range(1, 200)),
    ],
)
def test_bombs_are_refused_quickly(text: str) -> None:
    assert faults(text)


def test_a_laughing_bomb_in_a_known_section_is_refused() -> None:
    levels = ["- &l0 {tags: [x, x, x, x, x, x, x, x, x, x]}"]
    levels += [f"- &l{n} {{tags: [{', '.join([f'*l{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    assert "aliases: repeat too much" in "\n".join(faults("devices:\n" + "\n".join(levels)))


def test_the_fast_loader_is_there() -> None:
    assert yaml.__with_libyaml__
