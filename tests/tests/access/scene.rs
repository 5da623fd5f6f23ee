//! Four services that demand TLS and tokens, and calls with any credentials.

use std::time::Duration;

use e2e::{
    authority::{Access, Identity, LOGIN, claims},
    service::Service,
    suite::{Databases, Engine, overrides},
    wire::call_with,
};
use mahnwerk_proto::policy::{Method, methods};
use mahnwerk_runtime::server::{Running, Shutdown};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};
use serde_json::json;
use tonic::{
    Status,
    transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint},
};

/// The creditor that requests name.
pub const CREDITOR: &str = "acme";

/// How long an answer is waited for; a stream without news is taken to be allowed then.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Scene {
    pub access: Access,
    pub running: Vec<Running>,
    _databases: Databases,
}

impl Scene {
    /// `last` and what it depends on; `callers` are those in the table beside the services.
    pub async fn start(last: Service, callers: &str) -> Self {
        let access = Access::new(callers);
        let databases = Databases::new(Engine::Sqlite, last);
        let mut upstreams: Vec<(String, String)> = Vec::new();
        let mut running = Vec::new();
        for service in last.with_upstreams() {
            let mut settings = overrides(databases.url(service), 0, &[]);
            settings.extend(access.settings(service.name()));
            settings.extend(upstreams.iter().cloned());
            let started = service.start(&settings, Shutdown::new()).await;
            upstreams.push((service.url_setting(), format!("https://{}", started.api)));
            running.push(started);
        }
        Self {
            access,
            running,
            _databases: databases,
        }
    }

    pub fn url(&self, service: Service) -> String {
        format!("https://{}", self.running[place(service)].api)
    }

    /// What trusts the services, and shows `identity` if there is one.
    pub fn tls(&self, identity: Option<&Identity>) -> ClientTlsConfig {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.access.authority.pem()));
        match identity {
            None => tls,
            Some(Identity { certificate, key }) => tls.identity(transport::Identity::from_pem(
                std::fs::read(certificate).unwrap(),
                std::fs::read(key).unwrap(),
            )),
        }
    }

    /// A channel to the service that answers a method.
    pub fn channel(&self, service: Service, identity: Option<&Identity>) -> Channel {
        Endpoint::from_shared(self.url(service))
            .unwrap()
            .tls_config(self.tls(identity))
            .unwrap()
            .connect_lazy()
    }

    pub fn plaintext(&self, service: Service) -> Channel {
        let address = self.running[place(service)].api;
        Endpoint::from_shared(format!("http://{address}"))
            .unwrap()
            .connect_lazy()
    }

    /// A token by the issuer that says scopes and creditors.
    pub fn token(&self, scopes: &str, creditors: &[&str]) -> String {
        let mut claims = claims(LOGIN, "somebody");
        claims["scope"] = json!(scopes);
        claims["creditors"] = json!(creditors);
        self.access.login.token(&claims)
    }
}

pub fn place(service: Service) -> usize {
    Service::ALL
        .iter()
        .position(|each| *each == service)
        .unwrap()
}

/// The service that answers a method; what all of them have is asked of the first.
pub fn service_of(method: &Method) -> Service {
    Service::ALL
        .into_iter()
        .find(|service| {
            method
                .path
                .starts_with(&format!("/mahnwerk.{}.", service.name()))
        })
        .unwrap_or(Service::Registry)
}

/// Every method there is.
pub fn all() -> impl Iterator<Item = &'static Method> {
    methods().values()
}

pub fn method(name: &str) -> &'static Method {
    all().find(|method| method.path.ends_with(name)).unwrap()
}

/// A request that names a creditor and nothing else; empty if it has no place for one.
pub fn naming(method: &Method, creditor_id: &str) -> Vec<u8> {
    let input = method.descriptor.input();
    fill(&input, creditor_id, 5).map_or_else(Vec::new, |message| message.encode_to_vec())
}

fn fill(message: &MessageDescriptor, id: &str, depth: usize) -> Option<DynamicMessage> {
    let depth = depth.checked_sub(1)?;
    let mut filled = DynamicMessage::new(message.clone());
    if let Some(field) = message.get_field_by_name("creditor_id") {
        filled.set_field(&field, Value::String(id.to_owned()));
        return Some(filled);
    }
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind()
            && let Some(inner) = fill(&inner, id, depth)
        {
            let inner = Value::Message(inner);
            let is_list = field.is_list();
            filled.set_field(
                &field,
                if is_list {
                    Value::List(vec![inner])
                } else {
                    inner
                },
            );
            return Some(filled);
        }
    }
    None
}

/// Calls a method with a token, if any. `Ok` for whatever is not an error within two seconds.
pub async fn call(
    channel: &Channel,
    method: &Method,
    request: Vec<u8>,
    token: Option<&str>,
) -> Result<(), Status> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer
        .iter()
        .map(|value| ("authorization", value.as_str()))
        .collect();
    let call = call_with(channel, &method.path, vec![request], 1, &headers);
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map(drop),
        Err(_) => Ok(()),
    }
}
