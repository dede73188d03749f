"""Google's storage as its XML interface answers, spoken by the S3 server that we have.

No registry has an emulator that writes through the XML interface under a condition: fake-gcs-server and
gcp-storage-emulator know only JSON uploads. The two interfaces were made alike (listings, ranges, multipart
uploads have the same words); what differs is the header of a condition, and that is translated here. So this
holds our client to Google's words, and says nothing of Google's own behaviour under load.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.peers.support.s3 import KEY, REGION, s3_server

BUCKET = "conformance"
GENERATION = "HTTP_X_GOOG_IF_GENERATION_MATCH"
COPY = "HTTP_X_GOOG_COPY_SOURCE"
# Requests come with an empty token, and the server asks who is there.
SOMEBODY = (
    f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/{REGION}/s3/aws4_request, SignedHeaders=host, Signature=0"
)


class GoogleWords:
    """Generation 0 is the generation of an object that is not there."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        generation = environ.pop(GENERATION, None)
        if generation == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        elif generation is not None:
            start_response("501 Not Implemented", [("Content-Type", "application/xml")])
            return [b"<Error><Code>NotImplemented</Code></Error>"]
        if COPY in environ:
            environ["HTTP_X_AMZ_COPY_SOURCE"] = environ.pop(COPY)
        environ["HTTP_AUTHORIZATION"] = SOMEBODY
        return self.application(environ, start_response)


@contextmanager
def gcs_server() -> Iterator[tuple[str, dict[str, str]]]:
    with s3_server(speaks=GoogleWords) as server:
        server.create_bucket(BUCKET)
        # An account as emulators are told of: no token is asked for.
        account = {
            "client_email": "nobody",
            "private_key": "none",
            "private_key_id": "none",
            "gcs_base_url": server.endpoint,
            "disable_oauth": True,
        }
        environment = {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account), "GOOGLE_ALLOW_HTTP": "true"}
        yield f"gs://{BUCKET}/lake", environment
