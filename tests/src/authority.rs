//! Certificates and tokens of our own, and a suite that demands them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An authority that makes certificates.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

impl Authority {
    /// With a key of its own.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes a certificate for these names to `directory`: IP addresses, URIs, or DNS names.
    pub fn write(&self, directory: &Path, file: &str, names: &[&str]) -> Identity {
        self.write_with(CertificateParams::default(), directory, file, names)
    }

    /// As [`Self::write`], good for so long from now on.
    pub fn write_for(
        &self,
        time: Duration,
        directory: &Path,
        file: &str,
        names: &[&str],
    ) -> Identity {
        let now = Duration::from_secs(now().try_into().expect("a time after 1970"));
        let mut params = CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + time;
        self.write_with(params, directory, file, names)
    }

    fn write_with(
        &self,
        mut params: CertificateParams,
        directory: &Path,
        file: &str,
        names: &[&str],
    ) -> Identity {
        let key = KeyPair::generate().expect("a key");
        params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let identity = Identity {
            certificate: directory.join(format!("{file}.pem")),
            key: directory.join(format!("{file}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem()).expect("a file");
        std::fs::write(&identity.key, key.serialize_pem()).expect("a file");
        identity
    }
}

fn san(name: &str) -> SanType {
    if let Ok(address) = name.parse() {
        SanType::IpAddress(address)
    } else if name.contains("://") {
        SanType::URI(name.try_into().expect("a URI"))
    } else {
        SanType::DnsName(name.try_into().expect("a DNS name"))
    }
}

/// Somebody who signs tokens.
pub struct Signer {
    key: EcdsaKeyPair,
    /// Name of the key.
    pub kid: String,
}

impl Signer {
    /// With a key of its own, called `kid`.
    #[must_use]
    pub fn new(kid: &str) -> Self {
        let rng = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &rng).expect("a key");
        Self {
            key: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &rng).expect("a key"),
            kid: kid.to_owned(),
        }
    }

    /// The key, as a member of a JSON Web Key Set.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        })
    }

    /// A token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": "ES256", "kid": self.kid}), claims)
    }

    /// A token with this header.
    #[must_use]
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature.expect("a signature"))
        )
    }
}

/// The claim `iss` of tokens by [`Access::login`].
pub const LOGIN: &str = "https://login.example";
/// The claim `iss` of tokens by [`Access::cluster`].
pub const CLUSTER: &str = "https://cluster.example";
/// The claim `aud` that services accept.
pub const AUDIENCE: &str = "mahnwerk";

/// What a protected suite needs, as files, and who can make what it demands.
pub struct Access {
    directory: TempDir,
    /// Made the certificates of the services, and those of clients that are believed.
    pub authority: Authority,
    /// Says scopes and creditors in its tokens.
    pub login: Signer,
    /// Its tokens carry a subject only; the table knows them.
    pub cluster: Signer,
    server: Identity,
}

impl Access {
    /// With a table in which, beside `callers` (TOML), the services themselves are known.
    #[must_use]
    pub fn new(callers: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let authority = Authority::new("ours");
        let server = authority.write(directory.path(), "server", &["127.0.0.1", "localhost"]);
        std::fs::write(directory.path().join("ca.pem"), authority.pem()).expect("a file");
        let access = Self {
            login: Signer::new("login-1"),
            cluster: Signer::new("cluster-1"),
            server,
            authority,
            directory,
        };
        access.publish("login", &[access.login.jwk()]);
        access.publish("cluster", &[access.cluster.jwk()]);
        access.write_table(callers);
        for service in ["scoring", "segmentation", "dunning"] {
            let claims = claims(CLUSTER, &format!("system:{service}"));
            access.write(&format!("{service}.token"), &access.cluster.token(&claims));
        }
        access
    }

    /// Path of a file.
    #[must_use]
    pub fn path(&self, file: &str) -> String {
        self.directory.path().join(file).display().to_string()
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file as a whole, so that nobody sees half of it.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.directory.path().join(file);
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(&new, &path).expect("a file");
    }

    /// Publishes the keys of an issuer.
    pub fn publish(&self, issuer: &str, keys: &[Value]) {
        self.write(
            &format!("{issuer}.jwks"),
            &json!({"keys": keys}).to_string(),
        );
    }

    /// Writes the table of callers.
    pub fn write_table(&self, callers: &str) {
        let (login, cluster) = (self.path("login.jwks"), self.path("cluster.jwks"));
        let table = format!(
            r#"
            [[issuers]]
            name = "login"
            issuer = "{LOGIN}"
            audiences = ["{AUDIENCE}"]
            jwks_file = "{login}"
            clock_skew_s = 0
            scopes_claim = "scope"
            creditors_claim = "creditors"

            [[issuers]]
            name = "cluster"
            issuer = "{CLUSTER}"
            audiences = ["{AUDIENCE}"]
            jwks_file = "{cluster}"

            [[callers]]
            name = "scoring"
            issuer = "cluster"
            subject = "system:scoring"
            scopes = ["feed.change.read"]
            creditors = ["*"]

            [[callers]]
            name = "segmentation"
            issuer = "cluster"
            subject = "system:segmentation"
            scopes = ["feed.change.read"]
            creditors = ["*"]

            [[callers]]
            name = "dunning"
            issuer = "cluster"
            subject = "system:dunning"
            scopes = ["feed.change.read", "registry.timeline.write", "registry.contact.write",
                      "registry.credithold.write"]
            creditors = ["*"]
            {callers}
            "#
        );
        self.write("access.toml", &table);
    }

    /// Settings of a service, as `--set` takes them, that make it demand all this.
    #[must_use]
    pub fn settings(&self, service: &str) -> Vec<(String, String)> {
        let mut settings = vec![
            (
                "api.tls.certificate_file",
                self.server.certificate.display().to_string(),
            ),
            ("api.tls.key_file", self.server.key.display().to_string()),
            ("api.tls.client_ca_file", self.path("ca.pem")),
            ("api.access_file", self.path("access.toml")),
        ];
        if service != "registry" {
            settings.push(("peers.ca_file", self.path("ca.pem")));
            settings.push(("peers.token_file", self.path(&format!("{service}.token"))));
        }
        settings
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
}

/// Claims of a token that is good from a minute ago for ten minutes.
#[must_use]
pub fn claims(issuer: &str, subject: &str) -> Value {
    json!({
        "iss": issuer, "aud": AUDIENCE, "sub": subject,
        "nbf": now() - 60, "exp": now() + 600,
    })
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    use mahnwerk_runtime::clock::{Clock as _, SystemClock};
    SystemClock.now() / 1_000_000
}
