"""Typed settings and the old map of texts: one object of both, and what is wrong at the place where it is written."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field

from pulumi_training.spec.settings import (
    ContainerLimits,
    Setting,
    TargetSettings,
    address,
    credential,
    credentials_of_model,
    kind_of,
    read_settings,
    settings_of,
    size_in_bytes,
    unknown_settings,
)


class Place(ContainerLimits):
    """A target's settings with one of each kind."""

    region: str | None = address(description="Where.")
    token: str | None = credential(description="What opens it.")
    copies: Annotated[int, Field(ge=1)] | None = address(description="How many.")


def wrong(compute: dict[str, Any]) -> dict[str, str]:
    found = read_settings(Place, compute, "place")[1]
    problems = {problem.path: problem.message for problem in found}
    assert len(problems) == len(found), "one problem for each property"
    return problems


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("1b", 1),
        ("64k", 64 << 10),
        ("512m", 512 << 20),
        ("512MB", 512 << 20),
        ("1.5g", 3 << 29),
        ("16Gi", 16 << 30),
        ("16GiB", 16 << 30),
        ("1t", 1 << 40),
        (" 2 g ", 2 << 30),
    ],
)
def test_sizes_are_those_of_docker_and_of_kubernetes(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1g", "1x", "1ib", "g", "1.5.2g", "nan", "٣g0"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size; write one, as 16g or 512m"):
        size_in_bytes(text)


def test_one_object_is_made_of_texts_and_typed_values() -> None:
    compute = {"settings": {"memory": "1g", "region": "north"}, "place": {"cpus": 2, "token": "t"}}
    settings, problems = read_settings(Place, compute, "place")
    assert not problems
    assert (settings.memory, settings.region, settings.cpus, settings.token) == ("1g", "north", 2.0, "t")
    assert settings.ulimits is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"memory": "1g"}, {"memory": "1024m"}),
        ({"cpus": "2"}, {"cpus": 2.0}),
        ({"ulimits": "nofile=4"}, {"ulimits": [{"name": "nofile", "soft": 4, "hard": 4}]}),
        ({"ulimits": "a=1,b=2"}, {"ulimits": [{"name": "b", "soft": 2}, {"name": "a", "soft": 1}]}),
        ({"region": "north"}, {"region": "north"}),
        ({"region": ""}, {"region": "north"}),
        ({"region": "north"}, {"region": None}),
    ],
    ids=str,
)
def test_what_is_given_twice_and_means_the_same_counts_once(old: dict[str, str], new: dict[str, Any]) -> None:
    settings, problems = read_settings(Place, {"settings": old, "place": new}, "place")
    assert not problems
    whole = {"settings": old} if None in new.values() else {"place": new}
    assert settings.comparable() == settings_of(Place, whole, "place").comparable()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"memory": "1g"}, {"memory": "2g"}),
        ({"cpus": "2"}, {"cpus": 1}),
        ({"ulimits": "nofile=4"}, {"ulimits": [{"name": "nofile", "soft": 4, "hard": 5}]}),
        ({"region": "north"}, {"region": "south"}),
    ],
    ids=str,
)
def test_what_is_given_twice_and_differs_is_refused_with_both_names(
    old: dict[str, str], new: dict[str, Any]
) -> None:
    [name] = old
    problems = wrong({"settings": old, "place": new})
    assert list(problems) == [f"compute.place.{name}"]
    assert f"compute.settings.{name}" in problems[f"compute.place.{name}"]


def test_everything_wrong_is_told_at_once_where_it_is_written() -> None:
    problems = wrong(
        {
            "settings": {"memory": "lots", "cpus": "0", "memry": "1g"},
            "place": {
                "shmSize": "much",
                "copies": 0,
                "ulimits": [{"name": "nofile"}, {"name": "NO", "soft": 1}],
            },
        }
    )
    assert problems.keys() == {
        "compute.settings.memory", "compute.settings.cpus", "compute.settings.memry", "compute.place.shmSize",
        "compute.place.copies", "compute.place.ulimits[0].soft", "compute.place.ulimits[1].name",
    }  # fmt: skip
    assert problems["compute.settings.memory"] == "'lots' is not a size; write one, as 16g or 512m"
    assert problems["compute.place.shmSize"] == "'much' is not a size; write one, as 16g or 512m"
    assert "did you mean memory?" in problems["compute.settings.memry"]


def test_what_cannot_be_read_does_not_count() -> None:
    settings = settings_of(Place, {"settings": {"memory": "lots", "region": "north"}, "place": 5}, "place")
    assert (settings.memory, settings.region) == (None, "north")


@pytest.mark.parametrize("value", ["nofile=1:2", {"nofile": 1}, [["nofile", 1]]])
def test_the_typed_form_has_no_language_of_its_own(value: Any) -> None:
    assert "ulimits" in str(list(wrong({"place": {"ulimits": value}})))


def test_a_credential_is_not_shown_where_it_is_wrong() -> None:
    problems = wrong({"place": {"token": {"hidden": "in an object"}}})
    assert "in an object" not in str(problems) and "the secret value" in problems["compute.place.token"]


def test_what_a_newer_version_wrote_is_kept() -> None:
    settings, problems = read_settings(Place, {"place": {"brandNew": 7, "memory": "1g"}}, "place")
    assert not problems
    assert settings.model_extra == {"brandNew": 7}
    assert settings.model_dump(by_alias=True)["brandNew"] == 7


def test_where_settings_are_declared_an_unknown_name_is_a_mistake() -> None:
    [found] = unknown_settings(Place, {"memroy": "1g", "cpus": 2}, "settings")
    assert found.path == "settings.memroy" and "did you mean memory?" in found.message


def test_the_typed_form_knows_the_names_of_the_wire_only() -> None:
    """What compares and sends settings reads them by these names."""
    problems = wrong({"place": {"shm_size": "1g"}})
    assert list(problems) == ["compute.place.shm_size"]
    assert "did you mean shmSize?" in problems["compute.place.shm_size"]


def test_marks() -> None:
    assert kind_of(Place, "region") is Setting.ADDRESS
    assert credentials_of_model(Place) == {"token"}

    class Unmarked(TargetSettings):
        loose: str | None = None

    with pytest.raises(KeyError):
        kind_of(Unmarked, "loose")
