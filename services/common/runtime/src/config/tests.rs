//! Settings from every source, and everything that can be wrong with them.

use std::io::Write as _;

use super::*;

const URL: &str = "postgres://mahnwerk:hunter2@db/registry";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Sample {
    #[serde(flatten)]
    common: CommonSettings,
    feed: SampleFeed,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct SampleFeed {
    retention_days: u32,
    upstream: Option<String>,
    api_token: String,
}

impl Settings for Sample {
    fn common(&self) -> &CommonSettings {
        &self.common
    }
}

fn read(
    file: &str,
    environment: &[(&str, &str)],
    overrides: &[(&str, &str)],
) -> Result<Sample, ConfigError> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    load(
        "registry",
        Some(written.path()),
        owned(environment),
        &owned(overrides),
    )
}

fn problems(result: Result<Sample, ConfigError>) -> Vec<(String, String)> {
    result
        .unwrap_err()
        .0
        .into_iter()
        .map(|problem| (problem.source, problem.key))
        .collect()
}

#[test]
fn later_sources_win() {
    let file = "[database]\nurl = 'sqlite://file'\nmax_connections = 3\nacquire_timeout_ms = 30\n[feed]\nretention_days = 5";
    let settings = read(
        file,
        &[
            ("REGISTRY__DATABASE__MAX_CONNECTIONS", "4"),
            ("REGISTRY__DATABASE__ACQUIRE_TIMEOUT_MS", "40"),
            ("REGISTRY__API__REFLECTION", "false"),
            ("REGISTRY__LOG__FORMAT", "text"),
            ("REGISTRY__FEED__UPSTREAM", "http://scoring:7102"),
            ("REGISTRY__FEED__API_TOKEN", "007"),
            ("REGISTRY_SERVICE_PORT", "80"),
            ("SCORING__DATABASE__URL", "sqlite://other"),
        ],
        &[
            ("database.acquire_timeout_ms", "50"),
            ("api.listen", "[::1]:7101"),
        ],
    )
    .unwrap();
    let CommonSettings {
        api, database, log, ..
    } = settings.common;
    assert_eq!(database.url, "sqlite://file");
    assert_eq!(database.max_connections, 4);
    assert_eq!(database.acquire_timeout_ms, 50);
    assert!(!api.reflection);
    assert_eq!(api.listen, "[::1]:7101".parse().unwrap());
    assert_eq!(log.format, LogFormat::Text);
    assert_eq!(settings.feed.retention_days, 5);
    assert_eq!(
        settings.feed.upstream.as_deref(),
        Some("http://scoring:7102")
    );
    assert_eq!(settings.feed.api_token, "007", "texts stay texts");
}

#[test]
fn unknown_keys_and_wrong_types_are_all_named_with_their_source() {
    let result = read(
        "typo = 1\n[database]\nurll = 'x'\n[api]\nmax_message_bytes = 'much'\n",
        &[
            ("REGISTRY__SERVER__TYPO", "1"),
            ("REGISTRY__SHUTDOWN__GRACE_MS", "soon"),
        ],
        &[("log.formt", "text"), ("log.format", "xml"), ("api", "1")],
    );
    let found = problems(result);
    let file = &found[0].0;
    assert!(file.starts_with("file "), "{found:?}");
    let expected = [
        (file.as_str(), "database.urll"),
        (file.as_str(), "typo"),
        ("environment variable REGISTRY__SERVER", "server"),
        ("--set", "log.formt"),
        ("--set", "api"),
        (file.as_str(), "api.max_message_bytes"),
        (
            "environment variable REGISTRY__SHUTDOWN__GRACE_MS",
            "shutdown.grace_ms",
        ),
        ("--set", "log.format"),
    ];
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_missing_or_broken_file_is_named() {
    let missing = load::<Sample>(
        "registry",
        Some(std::path::Path::new("/nowhere.toml")),
        [],
        &[],
    );
    assert_eq!(missing.unwrap_err().0[0].source, "file /nowhere.toml");
    assert_eq!(problems(read("[api", &[], &[])).len(), 1);
}

#[test]
fn an_api_listener_off_loopback_is_refused_and_an_ops_listener_is_not() {
    let result = read(
        "",
        &[("REGISTRY__DATABASE__URL", URL)],
        &[
            ("api.listen", "0.0.0.0:7101"),
            ("ops.listen", "0.0.0.0:9101"),
        ],
    );
    let ConfigError(problems) = result.unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].key, "api.listen");
    assert!(problems[0].message.contains("`api.access_file`"));
}

#[test]
fn an_api_listener_off_loopback_needs_tls_and_callers_or_the_development_switch() {
    let with = |more: &[(&str, &str)]| {
        let mut overrides = vec![("api.listen", "0.0.0.0:7101")];
        overrides.extend(more);
        let result = read("", &[("REGISTRY__DATABASE__URL", URL)], &overrides);
        result.map(|_| ()).map_err(|ConfigError(problems)| {
            problems
                .into_iter()
                .map(|problem| problem.key)
                .collect::<Vec<_>>()
        })
    };
    let tls = [("api.tls.certificate_file", "c"), ("api.tls.key_file", "k")];
    let access = [("api.access_file", "a")];
    assert_eq!(with(&tls), Err(vec!["api.listen".to_owned()]));
    assert_eq!(with(&access), Err(vec!["api.listen".to_owned()]));
    assert_eq!(with(&[tls[0], tls[1], access[0]]), Ok(()));
    assert_eq!(with(&[("api.unprotected", "true")]), Ok(()));
    assert_eq!(
        with(&[
            ("api.unprotected", "true"),
            tls[0],
            ("api.tls.client_certificate_required", "true")
        ]),
        Err(vec![
            "api.tls.key_file".to_owned(),
            "api.tls.client_certificate_required".to_owned()
        ])
    );
}

#[test]
fn values_out_of_range_are_all_named() {
    let result = read(
        "[database]\nmax_connections = 1\nacquire_timeout_ms = 1\n[api]\nmax_concurrent_requests = 0\nmax_message_bytes = 1\n\
         max_deadline_s = 0\n\
         [log]\nfilter = 'a=b=c'\n[shutdown]\ndrain_delay_ms = 60001\ngrace_ms = 600001",
        &[],
        &[],
    );
    let keys: Vec<_> = problems(result).into_iter().map(|(_, key)| key).collect();
    assert_eq!(
        keys,
        [
            "api.max_message_bytes",
            "api.max_concurrent_requests",
            "api.max_deadline_s",
            "database.max_connections",
            "database.acquire_timeout_ms",
            "shutdown.drain_delay_ms",
            "shutdown.grace_ms",
            "database.url",
            "log.filter"
        ]
    );
}

#[test]
fn the_effective_configuration_hides_secrets_and_nothing_else() {
    let settings = read(
        "",
        &[
            ("REGISTRY__DATABASE__URL", URL),
            ("REGISTRY__FEED__API_TOKEN", "hunter2"),
        ],
        &[],
    )
    .unwrap();
    let text = redacted(&settings);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(
        text.contains("url = \"postgres://mahnwerk:[redacted]@db/registry\""),
        "{text}"
    );
    assert!(text.contains("api_token = \"[redacted]\""), "{text}");
    assert!(text.contains("max_connections = 16"), "{text}");
    assert!(!format!("{:?}", settings.common).contains("hunter2"));
    // What is printed can be read again.
    toml::from_str::<Sample>(&text).unwrap();
}

#[test]
fn passwords_are_found_wherever_they_are_in_an_address() {
    for url in [
        "postgres://u:hunter2@h/d",
        "postgres://u:hunter2@x@h/d?sslmode=require",
        "postgres://u:hun/ter2@h/d",
        "postgres://h/d?user=u&password=hunter2&sslmode=require",
        "postgres://h/d?password=hunter2",
    ] {
        let text = redacted(&serde_json::json!({ "url": url }));
        assert!(!text.contains("ter2"), "{text}");
        assert!(text.contains("[redacted]") && text.contains("/d"), "{text}");
    }
    let plain = redacted(&serde_json::json!({ "url": "sqlite://data/registry.db?mode=rwc" }));
    assert!(plain.contains("sqlite://data/registry.db?mode=rwc"));
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_its_line_and_not_by_what_is_there() {
    let file = format!("[database]\nmax_connections = 3\nurl = \"{URL}\n");
    let error = read(&file, &[], &[]).unwrap_err().to_string();
    assert!(error.contains(": line "), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
