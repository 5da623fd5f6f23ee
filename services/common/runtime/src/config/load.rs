//! Reading settings: defaults, then a file, then the environment, then flags; later ones win.

use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Source as _, Value, ValueKind};
use serde_json::Value as Known;

use super::Settings;

/// Something wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was set, for example `file registry.toml`; empty where only the result is wrong.
    pub source: String,
    /// The key, for example `database.url`.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            source,
            key,
            message,
        } = self;
        let separator = if source.is_empty() || key.is_empty() {
            ""
        } else {
            ": "
        };
        write!(formatter, "{source}{separator}{key}: {message}")
    }
}

/// The configuration is wrong; everything that is wrong is named.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

/// The environment of the process, without what is not text.
#[must_use]
pub fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the settings of `service`: defaults, then `file` (TOML), then variables such as `REGISTRY__DATABASE__URL`
/// from `environment`, then `overrides` such as (`database.url`, …).
///
/// # Errors
/// Every unknown key and every value of a wrong type, with its source; if there are none, everything that
/// [`Settings::validate`] finds.
pub fn load<S: Settings>(
    service: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: &[(String, String)],
) -> Result<S, ConfigError> {
    let defaults = S::default();
    let mut reader = Reader {
        known: serde_json::to_value(&defaults).unwrap_or_default(),
        defaults: Config::try_from(&defaults).map_err(|error| only("defaults", &error))?,
        settings: Vec::new(),
        problems: Vec::new(),
    };
    if let Some(path) = file {
        reader.read_file(path);
    }
    reader.read_environment(service, environment);
    reader.read_overrides(overrides);
    reader.check_types::<S>();
    let settings: S = reader.finish()?;
    let problems: Vec<_> = settings
        .validate()
        .into_iter()
        .map(|violation| Problem {
            source: String::new(),
            key: violation.field,
            message: violation.description,
        })
        .collect();
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(ConfigError(problems))
    }
}

fn only(source: &str, error: &config::ConfigError) -> ConfigError {
    ConfigError(vec![Problem {
        source: source.to_owned(),
        key: String::new(),
        message: error.to_string(),
    }])
}

struct Setting {
    source: String,
    key: String,
    value: Value,
}

struct Reader {
    /// What there is to set, with the types of the defaults.
    known: Known,
    defaults: Config,
    /// What was set, weakest first.
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

impl Reader {
    fn refuse(&mut self, source: impl Into<String>, key: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            source: source.into(),
            key: key.to_owned(),
            message: message.into(),
        });
    }

    fn read_file(&mut self, path: &Path) {
        let source = format!("file {}", path.display());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.refuse(source, "", error.to_string()),
        };
        // Its own account shows the line, and that may be the one with the password.
        if let Err(error) = toml::from_str::<toml::Table>(&text) {
            return self.refuse(source, "", unreadable(&text, &error));
        }
        match File::from_str(&text, FileFormat::Toml).collect() {
            Ok(values) => self.take(&|_| source.clone(), "", values, &self.known.clone()),
            Err(error) => self.refuse(source, "", error.to_string()),
        }
    }

    fn read_environment(
        &mut self,
        service: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) {
        let prefix = service.to_uppercase().replace('-', "_");
        let variables: Map<String, String> = environment.into_iter().collect();
        let source = Environment::with_prefix(&prefix)
            .prefix_separator("__")
            .separator("__")
            .source(Some(variables));
        // Building a configuration of this source alone turns `a.b` into `b` within `a`.
        let values = Config::builder()
            .add_source(source)
            .build()
            .and_then(|built| built.collect());
        match values {
            Ok(values) => self.take(
                &|key| {
                    let name = key.to_uppercase().replace('.', "__");
                    format!("environment variable {prefix}__{name}")
                },
                "",
                values,
                &self.known.clone(),
            ),
            Err(error) => self.refuse("environment", "", error.to_string()),
        }
    }

    fn read_overrides(&mut self, overrides: &[(String, String)]) {
        for (key, value) in overrides {
            let values = Config::builder()
                .set_override(key, value.as_str())
                .and_then(|builder| builder.build())
                .and_then(|built| built.collect());
            match values {
                Ok(values) => self.take(&|_| "--set".to_owned(), "", values, &self.known.clone()),
                Err(error) => self.refuse("--set", key, error.to_string()),
            }
        }
    }

    /// Takes what is known from a table and refuses the rest.
    fn take(
        &mut self,
        source: &dyn Fn(&str) -> String,
        section: &str,
        values: Map<String, Value>,
        known: &Known,
    ) {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, value) in values {
            let key = if section.is_empty() {
                name.clone()
            } else {
                format!("{section}.{name}")
            };
            let Some(known) = known.get(&name) else {
                self.refuse(source(&key), &key, "is not a setting");
                continue;
            };
            let is_section = known.as_object().is_some_and(|fields| !fields.is_empty());
            match value.kind {
                ValueKind::Table(values) if is_section => self.take(source, &key, values, known),
                _ if is_section => self.refuse(source(&key), &key, "is a section, not a setting"),
                kind => self.settings.push(Setting {
                    source: source(&key),
                    key,
                    value: Value::new(None, typed(kind, known)),
                }),
            }
        }
    }

    /// Tries every setting alone on top of the defaults, so that all wrong ones are found.
    fn check_types<S: Settings>(&mut self) {
        let mut wrong = Vec::new();
        for Setting { source, key, value } in &self.settings {
            let result = Config::builder()
                .add_source(self.defaults.clone())
                .set_override(key, value.clone())
                .and_then(|builder| builder.build())
                .and_then(Config::try_deserialize::<S>);
            if let Err(error) = result {
                wrong.push(Problem {
                    source: source.clone(),
                    key: key.clone(),
                    message: error.to_string(),
                });
            }
        }
        self.problems.extend(wrong);
    }

    fn finish<S: Settings>(self) -> Result<S, ConfigError> {
        if !self.problems.is_empty() {
            return Err(ConfigError(self.problems));
        }
        let mut builder = Config::builder().add_source(self.defaults);
        for Setting { source, key, value } in self.settings {
            builder = builder
                .set_override(key, value)
                .map_err(|error| only(&source, &error))?;
        }
        builder
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|error| only("settings", &error))
    }
}

/// Where a file is wrong and why, without what is there.
fn unreadable(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => {
            let line = before.matches('\n').count() + 1;
            format!("line {line}: {}", error.message())
        }
        None => error.message().to_owned(),
    }
}

/// Text from the environment and from flags takes the type of the default; what does not fit is refused later.
fn typed(kind: ValueKind, known: &Known) -> ValueKind {
    let ValueKind::String(text) = &kind else {
        return kind;
    };
    match known {
        Known::Number(_) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => ValueKind::I64(number),
            (_, Ok(number)) => ValueKind::Float(number),
            _ => kind,
        },
        Known::Bool(_) => text.parse().map_or(kind, ValueKind::Boolean),
        _ => kind,
    }
}
