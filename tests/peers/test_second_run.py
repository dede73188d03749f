"""Unchanged work costs nothing: a second run of a night commits nothing outside ops."""

import pytest

from tests.peers.conftest import Night
from tests.peers.support.lake import commits, releases

PROJECTS = ["online_retail", "complete_journey", "demo"]


def published(night: Night) -> dict[str, list[str]]:
    return {name: log for name, log in commits(night.lake).items() if not name.startswith("ops.")}


@pytest.mark.parametrize("nights", PROJECTS, indirect=True)
def test_a_second_run_of_the_same_night_makes_no_commit_outside_ops(nights: Night):
    before, released = published(nights), releases(nights.lake)
    again = nights.buho.night(nights.night).expect(0).result
    assert published(nights) == before
    assert releases(nights.lake) == released
    assert again["nodes"]["built"] == 0, again
    assert again["rows"]["ingested"] == 0, again
    assert again["status"] == "skipped", again


@pytest.mark.parametrize("nights", ["online_retail"], indirect=True)
def test_a_night_with_nothing_to_do_is_still_listed(nights: Night):
    run = nights.buho.night(nights.night).expect(0).result["run_id"]
    assert run in nights.buho("runs", "list").expect(0).stdout


@pytest.mark.parametrize("nights", ["online_retail"], indirect=True)
def test_skip_code_says_that_there_was_nothing_to_do(nights: Night):
    nights.buho.night(nights.night, "--skip-code").expect(99)
