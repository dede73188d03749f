//! The environment variables that open a bucket, as the clouds' own tools name them.

use std::str::FromStr;

use url::Url;

use super::Environment;

/// Variables read for `s3://`.
pub const AWS_VARIABLES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ALLOW_HTTP",
    "AWS_ALLOW_INVALID_CERTIFICATES",
    "AWS_PROXY_URL",
    "AWS_PROXY_EXCLUDES",
    "AWS_PROXY_CA_CERTIFICATE",
    "AWS_CONNECT_TIMEOUT",
    "AWS_TIMEOUT",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_S3_EXPRESS",
    "AWS_IMDSV1_FALLBACK",
    "AWS_METADATA_ENDPOINT",
    "AWS_UNSIGNED_PAYLOAD",
    "AWS_CHECKSUM_ALGORITHM",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SKIP_SIGNATURE",
    "AWS_DISABLE_TAGGING",
    "AWS_REQUEST_PAYER",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_SSE_CUSTOMER_KEY_BASE64",
];

/// Variables read for `az://`.
pub const AZURE_VARIABLES: &[&str] = &[
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_STORAGE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_AUTHORITY_HOST",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_USE_EMULATOR",
    "AZURITE_BLOB_STORAGE_URL",
    "AZURE_USE_AZURE_CLI",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_IDENTITY_ENDPOINT",
    "AZURE_MSI_ENDPOINT",
    "AZURE_MSI_RESOURCE_ID",
    "AZURE_OBJECT_ID",
    "AZURE_SKIP_SIGNATURE",
    "AZURE_DISABLE_TAGGING",
    "AZURE_ALLOW_HTTP",
    "AZURE_PROXY_URL",
    "AZURE_PROXY_EXCLUDES",
    "AZURE_CONNECT_TIMEOUT",
    "AZURE_TIMEOUT",
];

/// Variables read for `gs://`.
pub const GOOGLE_VARIABLES: &[&str] = &[
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_BASE_URL",
    "GOOGLE_SKIP_SIGNATURE",
    "GOOGLE_ALLOW_HTTP",
    "GOOGLE_PROXY_URL",
    "GOOGLE_PROXY_EXCLUDES",
    "GOOGLE_CONNECT_TIMEOUT",
    "GOOGLE_TIMEOUT",
];

/// Parts of the names of variables that name a server.
const SERVERS: &[&str] = &["ENDPOINT", "BASE_URL", "AUTHORITY_HOST", "STORAGE_URL"];

/// Parts of the names of variables whose values may be said: names, switches, and servers, which are
/// refused where they carry a secret.
const PLAIN: &[&str] = &[
    "REGION",
    "ACCOUNT_NAME",
    "ROLE_",
    "ALLOW_",
    "TIMEOUT",
    "SKIP_",
    "DISABLE_",
    "USE_",
    "STYLE",
    "EXPRESS",
    "FALLBACK",
    "UNSIGNED",
    "CHECKSUM",
    "REQUEST_PAYER",
    "SERVER_SIDE",
    "BUCKET_KEY_ENABLED",
    "PROXY_EXCLUDES",
];

/// Whether a variable names a server.
pub(super) fn is_server(name: &str) -> bool {
    SERVERS.iter().any(|mark| name.contains(mark))
}

/// Whether what a variable holds may be said.
pub(super) fn is_plain(name: &str) -> bool {
    is_server(name) || PLAIN.iter().any(|mark| name.contains(mark))
}

/// The variables read for a URL.
pub(super) fn names_of(url: &Url) -> &'static [&'static str] {
    match url.scheme() {
        "s3" | "s3a" => AWS_VARIABLES,
        "gs" => GOOGLE_VARIABLES,
        _ => AZURE_VARIABLES,
    }
}

/// Those of the variables that are set (an empty one counts as unset), as the builder's keys.
pub(super) fn read<K: FromStr>(names: &[&str], env: &Environment) -> Vec<(K, String)> {
    names
        .iter()
        .filter_map(|name| {
            let value = env(name).filter(|value| !value.is_empty())?;
            let key = name.to_ascii_lowercase().parse().ok()?;
            Some((key, value))
        })
        .collect()
}
