"""The same night with raw and lake both on an S3 server."""

from collections.abc import Iterator
from pathlib import Path

import deltalake
import pytest

from tests.peers.conftest import Night
from tests.peers.support.binary import Buho
from tests.peers.support.s3 import Server, s3_server

BUCKET = "buho-tests"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with s3_server() as running:
        running.create_bucket(BUCKET)
        yield running


@pytest.fixture(scope="module")
def on_s3(buho: Buho, server: Server, demo: Night) -> Buho:
    """The demo's raw files on the server, and a lake beside them after the last night."""
    assert server.upload(demo.raw, BUCKET, "raw") > 0
    settings = {"raw": f"s3://{BUCKET}/raw", "lake": f"s3://{BUCKET}/lake"}
    at = buho.at(demo.project, **settings).with_environment(**server.environment)
    at.night(demo.night).expect(0)
    return at


def marts(night: Night) -> list[str]:
    return sorted(f"marts.{path.name}" for path in (night.lake / "marts").iterdir())


def test_a_night_on_s3_publishes_the_same_marts_as_on_a_disk(
    demo: Night, buho: Buho, on_s3: Buho, tmp_path: Path
):
    # A lake of its own: the demo's has seen several nights, and each table knows from which it is.
    on_disk = buho.at(demo.project, raw=demo.raw, lake=tmp_path / "lake")
    on_disk.night(demo.night).expect(0)
    for name in marts(demo):
        query = f"select * from {name}"
        assert sorted(map(str, on_s3.rows(query))) == sorted(map(str, on_disk.rows(query))), name


def test_strangers_read_the_marts_on_s3(demo: Night, on_s3: Buho, server: Server):
    for name in marts(demo):
        uri = f"s3://{BUCKET}/lake/{name.replace('.', '/')}"
        table = deltalake.DeltaTable(uri, storage_options=server.environment)
        ours = on_s3.rows(f"select count(*) as n from {name}")[0]["n"]
        assert table.to_pyarrow_table().num_rows == int(ours), name


def test_a_second_run_on_s3_publishes_nothing(demo: Night, on_s3: Buho, server: Server):
    def published() -> list[str]:
        keys = server.keys(BUCKET, "lake/")
        return [key for key in keys if not key.startswith(("lake/ops/", "lake/_buho/"))]

    before, releases = published(), server.keys(BUCKET, "lake/_buho/releases/")
    again = on_s3.night(demo.night).expect(0).result
    assert again["status"] == "skipped", again
    assert published() == before
    assert server.keys(BUCKET, "lake/_buho/releases/") == releases


def test_a_wrong_bucket_is_worth_a_retry_and_named(demo: Night, buho: Buho, server: Server):
    settings = {"raw": "s3://no-such-bucket/raw", "lake": "s3://no-such-bucket/lake"}
    at = buho.at(demo.project, **settings).with_environment(**server.environment)
    outcome = at.night(demo.night).expect(2, 3)
    assert "no-such-bucket" in outcome.said


def test_secrets_are_in_no_output_and_no_object(demo: Night, on_s3: Buho, server: Server):
    secret = server.environment["AWS_SECRET_ACCESS_KEY"]
    outcome = on_s3("-v", "run", "--night", demo.night)
    assert secret not in outcome.said
    client = server.client
    for key in server.keys(BUCKET, "lake/_buho/"):
        assert secret.encode() not in client.get_object(Bucket=BUCKET, Key=key)["Body"].read(), key
