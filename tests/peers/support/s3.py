"""A real S3 server over HTTP on the loopback interface, for as long as a test needs it."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

Application = Callable[..., Iterable[bytes]]
AWS = "aws"
KEY, SECRET, REGION = "buho-test", "buho-test-secret", "eu-west-1"


class OneAtATime:
    """The server checks a condition, then writes: only under a lock is put-if-absent what it says."""

    def __init__(self, application):
        self.application = application
        self.lock = threading.Lock()
        self.requests = 0

    def __call__(self, environ, start_response):
        with self.lock:
            self.requests += 1
            # The body is made while it is iterated, so it must be complete before the lock goes.
            return [b"".join(self.application(environ, start_response))]


class Forgetful:
    """As some servers that look like S3: a put that is to be made only if absent is made anyway."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return self.application(environ, start_response)


class ReadOnly:
    """A bucket that may be read and not written, as raw exports are to who only loads them."""

    def __init__(self, application, bucket: str):
        self.application = application
        self.bucket = bucket

    def __call__(self, environ, start_response):
        is_write = environ["REQUEST_METHOD"] not in ("GET", "HEAD")
        if is_write and environ["PATH_INFO"].split("/")[1] == self.bucket:
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b"<Error><Code>AccessDenied</Code><Message>read only</Message></Error>"]
        return self.application(environ, start_response)


class Silent:
    """A bucket of which no request is answered while the server is up."""

    def __init__(self, application, bucket: str):
        self.application = application
        self.bucket = bucket
        self.closed = threading.Event()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].split("/")[1] != self.bucket:
            return self.application(environ, start_response)
        self.closed.wait()
        start_response("503 Service Unavailable", [("Content-Type", "application/xml")])
        return [b"<Error><Code>ServiceUnavailable</Code><Message>closed</Message></Error>"]


class Overloaded:
    """A service on a bad day, by seed: asks to come again later, loses answers, is late, breaks off.

    `injected` counts what was done to requests. A write that is to be made only if absent can meet a 409, as
    where another is at work on the same object.
    """

    REFUSED = "503, come again later"
    LOST = "500, though it was done"
    CONFLICT = "409, another is at work"
    LATE = "late"
    TORN = "broken off"
    KINDS = (REFUSED, LOST, CONFLICT, LATE, TORN)

    def __init__(self, application: Application, chance: float, seed: int):
        self.application = application
        self.chance = chance
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.injected: Counter[str] = Counter()

    def fault(self, environ) -> str | None:
        is_read = environ["REQUEST_METHOD"] == "GET"
        kinds = [self.REFUSED, self.LATE, self.TORN if is_read else self.LOST]
        if "HTTP_IF_NONE_MATCH" in environ:
            kinds = [self.CONFLICT, self.CONFLICT, self.LOST]
        with self.lock:
            if self.random.random() >= self.chance:
                return None
            kind = self.random.choice(kinds)
            self.injected[kind] += 1
            return kind

    def __call__(self, environ, start_response):
        kind = self.fault(environ)
        if kind == self.REFUSED:
            return refuse(start_response, "503 Slow Down", "SlowDown", ("Retry-After", "1"))
        if kind == self.CONFLICT:
            return refuse(start_response, "409 Conflict", "ConditionalRequestConflict")
        if kind == self.LOST:
            b"".join(self.application(environ, lambda *_: None))
            return refuse(start_response, "500 Internal Server Error", "InternalError")
        if kind == self.LATE:
            time.sleep(0.2)
        answer = b"".join(self.application(environ, start_response))
        # The length that was announced is that of the whole: who reads sees the connection end early.
        return [answer[: len(answer) // 2] if kind == self.TORN else answer]


def refuse(start_response, status: str, code: str, *headers: tuple[str, str]) -> list[bytes]:
    start_response(status, [("Content-Type", "application/xml"), *headers])
    return [f"<Error><Code>{code}</Code><Message>{status}</Message></Error>".encode()]


class Quiet(WSGIRequestHandler):
    """One line per request would bury the story of the test."""

    def log_request(self, code="-", size="-"):
        """Says nothing."""


@dataclass(frozen=True)
class Server:
    endpoint: str
    application: OneAtATime

    @property
    def environment(self) -> dict[str, str]:
        """What a user sets to reach this server."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
        }

    @cached_property
    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    def create_bucket(self, bucket: str) -> None:
        location = {"LocationConstraint": REGION}
        self.client.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)

    def upload(self, folder: Path, bucket: str, prefix: str) -> int:
        """Puts every file below `folder` under the prefix, as old as it is; says how many."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        keys = s3_backends[DEFAULT_ACCOUNT_ID][AWS].get_bucket(bucket).keys
        for path in files:
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            self.client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
            keys[key].last_modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
        return len(files)

    def copy_bucket(self, source: str, target: str) -> None:
        """A bucket with the objects of another, as old as these, without a request for each of them."""
        self.create_bucket(target)
        store = s3_backends[DEFAULT_ACCOUNT_ID][AWS]
        for name, key in list(store.get_bucket(source).keys.items()):
            # One by one: who waits for an answer must not wait for all of them.
            with self.application.lock:
                store.copy_object(key, target, name)
                store.get_bucket(target).keys[name].last_modified = key.last_modified

    def download(self, bucket: str, prefix: str, folder: Path) -> None:
        """The objects below a prefix as files of a folder, without a request for each of them."""
        store = s3_backends[DEFAULT_ACCOUNT_ID][AWS]
        for name, key in list(store.get_bucket(bucket).keys.items()):
            if name.startswith(prefix):
                file = folder / name.removeprefix(prefix)
                file.parent.mkdir(parents=True, exist_ok=True)
                with self.application.lock:
                    content = key.value
                file.write_bytes(content)

    def remove_bucket(self, bucket: str) -> None:
        with self.application.lock:
            del s3_backends[DEFAULT_ACCOUNT_ID][AWS].buckets[bucket]

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))


@contextmanager
def served(application) -> Iterator[str]:
    """Serves an application on the loopback interface; its endpoint."""
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


@contextmanager
def s3_server(
    keeps_conditions: bool = True,
    read_only: str | None = None,
    silent: str | None = None,
    speaks: Callable[[Application], Application] | None = None,
) -> Iterator[Server]:
    """A server; `read_only` names a bucket that takes no writes from the binary, `silent` one that does not
    answer, `speaks` another dialect."""
    backend = DomainDispatcherApplication(create_backend_app)
    if speaks is not None:
        backend = speaks(backend)
    if not keeps_conditions:
        backend = Forgetful(backend)
    if read_only:
        backend = ReadOnly(backend, read_only)
    application = OneAtATime(backend)
    if silent is None:
        with served(application) as endpoint:
            yield Server(endpoint, application)
        return
    # In front of the lock: who waits there keeps nobody waiting.
    waiting = Silent(application, silent)
    with served(waiting) as endpoint:
        try:
            yield Server(endpoint, application)
        finally:
            waiting.closed.set()


@contextmanager
def refusing_server() -> Iterator[str]:
    """A server that refuses whatever it is asked."""

    def refuse(_environ, start_response):
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"]

    with served(refuse) as endpoint:
        yield endpoint
