"""What a storage must keep for a lake to lie on it, and what is said of one that does not."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.support import tiny
from tests.peers.support.azurite import azurite_server
from tests.peers.support.binary import Buho
from tests.peers.support.gcs import gcs_server
from tests.peers.support.radosgw import radosgw_server
from tests.peers.support.s3 import Server, s3_server
from tests.peers.support.unavailable import UnavailableError


@dataclass(frozen=True)
class Bucket:
    """A bucket on a server, and the lake that a test wants there."""

    server: Server
    name: str

    @property
    def lake(self) -> str:
        return f"s3://{self.name}/lake"

    def at(self, buho: Buho, project: Path) -> Buho:
        return buho.at(project, lake=self.lake).with_environment(**self.server.environment)


@contextmanager
def bucket(keeps_conditions: bool = True) -> Iterator[Bucket]:
    with s3_server(keeps_conditions) as server:
        # The server forgets nothing between two tests of one process.
        made = Bucket(server, f"stores-{uuid.uuid4().hex}")
        server.create_bucket(made.name)
        yield made


@pytest.mark.parametrize("command", [("doctor",), ("run", "--night", tiny.NIGHT)], ids=" ".join)
def test_a_look_alike_of_s3_that_ignores_conditions_is_refused_in_plain_words(
    buho: Buho, tmp_path: Path, command: tuple[str, ...]
):
    project = tiny.write_project(tmp_path / "project")
    with bucket(keeps_conditions=False) as there:
        refused = there.at(buho, project)(*command).expect(2)
        assert there.lake in refused.said
        assert "only if absent" in refused.said
        assert "two runs could publish over each other" in refused.said
        assert "use a storage that keeps this condition" in refused.said
        assert there.server.keys(there.name) == []


def test_a_storage_is_tried_on_the_first_night_and_that_is_remembered(buho: Buho, tmp_path: Path):
    project = tiny.write_project(tmp_path / "project")
    tiny.deliver(project, f"bad/bad_{tiny.NIGHT}.csv", tiny.GOOD.encode())
    with bucket() as there:
        at = there.at(buho, project)
        at.night(tiny.NIGHT).expect(0)
        client, key = there.server.client, "lake/_buho/format.json"
        written = client.get_object(Bucket=there.name, Key=key)
        assert json.loads(written["Body"].read())["probed"] == there.lake
        at.night(tiny.NIGHT).expect(0)
        assert client.head_object(Bucket=there.name, Key=key)["LastModified"] == written["LastModified"]
        at("doctor").expect(0)
        assert not [key for key in there.server.keys(there.name) if "/probe" in key]


@pytest.mark.parametrize(
    "server", [azurite_server, radosgw_server, gcs_server], ids=["azurite", "radosgw", "google"]
)
def test_a_night_on_another_server_is_a_night(
    buho: Buho, tmp_path: Path, server: Callable[[], AbstractContextManager[tuple[str, dict[str, str]]]]
):
    project = tiny.write_project(tmp_path / "project")
    with ExitStack() as stack:
        try:
            url, environment = stack.enter_context(server())
        except UnavailableError as reason:
            pytest.skip(str(reason))
        at = buho.at(project, lake=url).with_environment(**environment)
        at.night(tiny.NIGHT).expect(0)
        assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)
        tiny.deliver(project, f"bad/bad_{tiny.NIGHT}.csv", tiny.GOOD.encode())
        at.night(tiny.NIGHT).expect(0)
        assert tiny.total_of(at, "bad") == (2, tiny.GOOD_TOTAL)
        assert at.night(tiny.NIGHT).expect(0).result["status"] == "skipped"
        at("maintain").expect(0)
        assert at("doctor").expect(0)


def test_a_lake_that_was_copied_to_a_look_alike_is_refused(buho: Buho, tmp_path: Path):
    project, lake = tiny.write_project(tmp_path / "project"), tmp_path / "lake"
    buho.at(project, lake=lake).night(tiny.NIGHT).expect(0)
    with bucket(keeps_conditions=False) as there:
        there.server.upload(lake, there.name, "lake")
        at = there.at(buho, project)
        assert "only if absent" in at.night(tiny.NIGHT).expect(2).said
        # Reading needs no promise.
        assert tiny.total_of(at, "good") == (2, tiny.GOOD_TOTAL)
