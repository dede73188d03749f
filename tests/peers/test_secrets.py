"""A secret is in no log, error, table, JSON line or finding, whichever way it came in."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.support import tiny
from tests.peers.support.binary import Buho, Outcome
from tests.peers.support.s3 import refusing_server, s3_server

CANARY = "canary0sings0in0the0mine"
# As it is, and as a request may carry it.
SHAPES = (CANARY.encode(), base64.b64encode(CANARY.encode()))
COMMANDS = [
    ("run", "--night", tiny.NIGHT, "--format", "json"),
    ("doctor",),
    ("plan", "--night", tiny.NIGHT),
    ("sql", "select * from ops.runs"),
    ("runs", "list"),
    ("releases", "list"),
    ("maintain",),
    ("run", "--help"),
    ("--help",),
    ("run", "--no-such-flag"),
]
# Long enough to try, say and log; a storage that does not answer is tried again for minutes.
PATIENCE_S = 10


def story_of(buho: Buho, *arguments: str) -> Outcome:
    """A command at `-vv`, and what it said until it ended or patience did."""
    process = subprocess.Popen(
        buho.command("-vv", *arguments),
        env=buho.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE_S)
    return Outcome(arguments, process.returncode, out, err)


def assert_silent(outcome: Outcome) -> None:
    said = outcome.said.encode()
    for shape in SHAPES:
        at = said.find(shape)
        assert at < 0, f"{outcome.arguments} says: …{said[max(0, at - 300) : at + 60]!r}…"


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def test_a_secret_that_works_is_in_no_output_and_no_object(buho: Buho, tmp_path: Path):
    project = tiny.write_project(tmp_path / "project")
    with s3_server() as server:
        bucket = f"secrets-{tmp_path.name}".replace("_", "-")[:63]
        server.create_bucket(bucket)
        secrets = {"AWS_SECRET_ACCESS_KEY": CANARY, "AWS_SESSION_TOKEN": CANARY}
        at = buho.at(project, lake=f"s3://{bucket}/lake")
        at = at.with_environment(**{**server.environment, **secrets})
        for command in COMMANDS:
            assert_silent(story_of(at, *command))
        keys = server.keys(bucket)
        assert any(key.startswith("lake/marts/") for key in keys)
        for key in keys:
            body = server.client.get_object(Bucket=bucket, Key=key)["Body"].read()
            assert not any(shape in body for shape in SHAPES), key
    assert not [path for path in files(project) if CANARY.encode() in path.read_bytes()]


WITH_USER = [
    f"s3://user:{CANARY}@bucket/lake",
    f"s3://{CANARY}@bucket/lake",
    f"az://bucket/lake?sig={CANARY}",
]
WITH_USER += [f"https://user:{CANARY}@host/x", f"s3://bucket/lake#{CANARY}"]


@pytest.mark.parametrize("url", WITH_USER)
@pytest.mark.parametrize("setting", ["BUHO_LAKE", "BUHO_RAW", "--lake", "buho.toml", "broken buho.toml"])
def test_a_secret_in_a_url_is_refused_and_not_repeated(buho: Buho, tmp_path: Path, setting: str, url: str):
    project = tiny.write_project(tmp_path / "project")
    at, flags = buho.at(project), []
    if setting.startswith("BUHO_"):
        at = at.with_environment(**{setting: url})
    elif setting == "--lake":
        flags = ["--lake", url]
    else:
        rest = " oops" if setting.startswith("broken") else ""
        file = project / "buho.toml"
        file.write_text(file.read_text().replace('lake = "lake"', f'lake = "{url}"{rest}'))
    for command in COMMANDS:
        outcome = story_of(at, *flags, *command)
        assert_silent(outcome)
        if command[0] == "run" and "--night" in command:
            outcome.expect(2)


REFUSED = {
    "key": {"AWS_SECRET_ACCESS_KEY": CANARY},
    "token": {"AWS_SESSION_TOKEN": CANARY, "AWS_SECRET_ACCESS_KEY": "x"},
    "endpoint": {"AWS_SECRET_ACCESS_KEY": "x"},
    "proxy": {"AWS_SECRET_ACCESS_KEY": "x"},
    "customer key": {"AWS_SECRET_ACCESS_KEY": "x", "AWS_SSE_CUSTOMER_KEY_BASE64": CANARY},
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_secret_that_is_refused_is_in_no_error(buho: Buho, tmp_path: Path, kind: str):
    project = tiny.write_project(tmp_path / "project")
    with refusing_server() as endpoint:
        host = endpoint.removeprefix("http://")
        settings = {
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_REGION": "eu-west-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ENDPOINT_URL": f"http://user:{CANARY}@{host}" if kind == "endpoint" else endpoint,
            **({"AWS_PROXY_URL": f"http://user:{CANARY}@{host}"} if kind == "proxy" else {}),
            **REFUSED[kind],
        }
        at = buho.at(project, lake="s3://bucket/lake").with_environment(**settings)
        for command in COMMANDS[:4]:
            assert_silent(story_of(at, *command))


CLOUDS = {
    "azure token": ("az://bucket/lake", {"AZURE_STORAGE_SAS_TOKEN": f"sv=2023-11-03&sig={CANARY}"}),
    "azure key": ("az://bucket/lake", {"AZURE_STORAGE_ACCOUNT_KEY": f"{CANARY}=="}),
    "azure key that is none": ("az://bucket/lake", {"AZURE_STORAGE_ACCOUNT_KEY": f"{CANARY}!"}),
    "azure secret": (
        "az://bucket/lake",
        {"AZURE_CLIENT_ID": "x", "AZURE_TENANT_ID": "y", "AZURE_CLIENT_SECRET": CANARY},
    ),
    "google key": ("gs://bucket/lake", {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({"private_key": CANARY})}),
    "google key that is none": ("gs://bucket/lake", {"GOOGLE_SERVICE_ACCOUNT_KEY": CANARY}),
    "google key where its file belongs": (
        "gs://bucket/lake",
        {"GOOGLE_APPLICATION_CREDENTIALS": json.dumps({"private_key": CANARY}, indent=2)},
    ),
    "azure signature in the endpoint": (
        "az://bucket/lake",
        {"AZURE_STORAGE_ENDPOINT": f"https://somebody.blob.core.windows.net/?sv=2023-11-03&sig={CANARY}"},
    ),
    "aws token where its file belongs": (
        "s3://bucket/lake",
        {
            "AWS_WEB_IDENTITY_TOKEN_FILE": CANARY,
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/x",
            "AWS_REGION": "eu-west-1",
        },
    ),
}


@pytest.mark.parametrize("kind", CLOUDS)
def test_a_secret_of_another_cloud_is_in_no_error_and_no_table(buho: Buho, tmp_path: Path, kind: str):
    project = tiny.write_project(tmp_path / "project")
    there, secrets = CLOUDS[kind]
    with refusing_server() as endpoint:
        settings = {
            "AZURE_STORAGE_ACCOUNT_NAME": "somebody",
            "AZURE_STORAGE_ENDPOINT": f"{endpoint}/somebody",
            "AZURE_AUTHORITY_HOST": endpoint,
            "AZURE_ALLOW_HTTP": "true",
            "GOOGLE_BASE_URL": endpoint,
            "GOOGLE_ALLOW_HTTP": "true",
            **secrets,
        }
        for setting in ("lake", "raw"):
            at = buho.at(project, **{setting: there}).with_environment(**settings)
            for command in COMMANDS[:4]:
                assert_silent(story_of(at, *command))
    # What went wrong with raw is told in tables of a lake that is here.
    here = buho.at(project)
    for table in ("ops.runs", "ops.nodes", "ops.sources"):
        assert CANARY not in str(here.rows(f"select * from {table}"))
    assert not [path for path in files(project) if CANARY.encode() in path.read_bytes()]
