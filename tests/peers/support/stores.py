"""A storage server for a test that is not Python: `python -m tests.peers.support.stores NAME`.

Says on one line where the server is, as `{"url": …, "environment": {…}}`, or why there is none, as
`{"skipped": …}`; then it runs until its standard input ends.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.peers.support.azurite import azurite_server
from tests.peers.support.gcs import gcs_server
from tests.peers.support.radosgw import radosgw_server
from tests.peers.support.s3 import s3_server
from tests.peers.support.unavailable import UnavailableError

Address = tuple[str, dict[str, str]]
BUCKET = "conformance"


@contextmanager
def moto() -> Iterator[Address]:
    with s3_server() as server:
        server.create_bucket(BUCKET)
        yield f"s3://{BUCKET}/lake", server.environment


SERVERS = {"moto": moto, "azurite": azurite_server, "google": gcs_server, "radosgw": radosgw_server}


def serve(server: AbstractContextManager[Address]) -> None:
    try:
        with server as (url, environment):
            print(json.dumps({"url": url, "environment": environment}), flush=True)
            sys.stdin.read()
    except UnavailableError as reason:
        print(json.dumps({"skipped": str(reason)}), flush=True)


if __name__ == "__main__":
    serve(SERVERS[sys.argv[1]]())
