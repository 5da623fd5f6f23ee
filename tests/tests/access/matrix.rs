//! Every method with every kind of bad credentials, and with good ones.

use std::collections::BTreeMap;

use e2e::{
    authority::{Authority, CLUSTER, LOGIN, Signer, claims, now},
    service::Service,
    wire::reason,
};
use futures::{StreamExt as _, stream};
use mahnwerk_proto::policy::Method;
use serde_json::json;
use tonic::{Code, Status, transport::Channel};

use crate::access::scene::{CREDITOR, Scene, all, call, naming, service_of};

/// Calls at once.
const AT_ONCE: usize = 16;

/// What a call is tried with, and what comes of it.
struct Try {
    what: &'static str,
    channel: usize,
    token: Option<String>,
    code: Code,
    reason: &'static str,
}

/// Channels to every service: as it should be, without TLS, and with a certificate that a stranger made.
struct Channels([Vec<Channel>; 4]);

const GOOD: usize = 0;
const PLAINTEXT: usize = 1;
const STRANGER: usize = 2;
const CERTIFIED: usize = 3;

impl Channels {
    fn new(scene: &Scene) -> Self {
        let directory = scene.access.directory();
        let stranger = Authority::new("stranger").write(directory, "stranger", &["shop.example"]);
        let shop = scene
            .access
            .authority
            .write(directory, "shop", &["spiffe://shop/checkout"]);
        let to_all = |channel: &dyn Fn(Service) -> Channel| Service::ALL.map(channel).to_vec();
        Self([
            to_all(&|service| scene.channel(service, None)),
            to_all(&|service| scene.plaintext(service)),
            to_all(&|service| scene.channel(service, Some(&stranger))),
            to_all(&|service| scene.channel(service, Some(&shop))),
        ])
    }

    fn to(&self, kind: usize, method: &Method) -> &Channel {
        &self.0[kind][crate::access::scene::place(service_of(method))]
    }
}

fn changed(name: &str, value: serde_json::Value) -> serde_json::Value {
    let mut claims = claims(LOGIN, "somebody");
    claims["scope"] = json!("*");
    claims["creditors"] = json!(["*"]);
    claims[name] = value;
    claims
}

/// All scopes but one.
fn others(method: &Method) -> String {
    let own = &method.policy.as_ref().unwrap().scope;
    let scopes = all().map(|other| other.policy.as_ref().unwrap().scope.as_str());
    scopes
        .filter(|scope| scope != own)
        .collect::<Vec<_>>()
        .join(" ")
}

fn refusals(scene: &Scene, method: &Method) -> Vec<Try> {
    let login = &scene.access.login;
    let good = changed("sub", json!("somebody"));
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    let bad = |what, token: String, reason| Try {
        what,
        channel: GOOD,
        token: Some(token),
        code: Code::Unauthenticated,
        reason,
    };
    let denied = |what, token: String, reason| Try {
        code: Code::PermissionDenied,
        ..bad(what, token, reason)
    };
    let connection = |what, channel| Try {
        what,
        channel,
        token: Some(login.token(&good)),
        code: Code::Unavailable,
        reason: "",
    };
    let unsigned = login.token_with(&header("none", "login-1"), &good);
    let unsigned = format!("{}.", unsigned.rsplit_once('.').unwrap().0);
    let own = method.policy.as_ref().unwrap().scope.as_str();
    let mut tries = vec![
        Try {
            what: "nothing",
            channel: GOOD,
            token: None,
            code: Code::Unauthenticated,
            reason: "CREDENTIALS_MISSING",
        },
        bad("no token", "word".to_owned(), "CREDENTIALS_INVALID"),
        bad(
            "another audience",
            login.token(&changed("aud", json!("another"))),
            "CREDENTIALS_INVALID",
        ),
        bad(
            "another issuer",
            login.token(&changed("iss", json!(CLUSTER))),
            "CREDENTIALS_INVALID",
        ),
        bad(
            "expired",
            login.token(&changed("exp", json!(now() - 1))),
            "CREDENTIALS_EXPIRED",
        ),
        bad(
            "not valid yet",
            login.token(&changed("nbf", json!(now() + 60))),
            "CREDENTIALS_EXPIRED",
        ),
        bad(
            "another signature",
            Signer::new("login-1").token(&good),
            "CREDENTIALS_INVALID",
        ),
        bad("alg none", unsigned, "CREDENTIALS_INVALID"),
        bad(
            "another algorithm",
            login.token_with(&header("HS256", "login-1"), &good),
            "CREDENTIALS_INVALID",
        ),
        bad(
            "an unknown key",
            login.token_with(&header("ES256", "login-2"), &good),
            "CREDENTIALS_INVALID",
        ),
        denied(
            "nobody in the table",
            scene
                .access
                .cluster
                .token(&claims(CLUSTER, "system:nobody")),
            "CALLER_UNKNOWN",
        ),
        denied(
            "all scopes but this",
            scene.token(&others(method), &["*"]),
            "SCOPE_MISSING",
        ),
        connection("no TLS", PLAINTEXT),
        connection("a stranger's certificate", STRANGER),
    ];
    if !method.policy.as_ref().unwrap().without_creditor {
        let other = scene.token(own, &["another"]);
        tries.push(denied("another creditor", other, "CREDITOR_NOT_ALLOWED"));
    }
    tries
}

fn permissions(scene: &Scene, method: &Method) -> Vec<Try> {
    let own = method.policy.as_ref().unwrap().scope.as_str();
    let allowed = |what, channel, token| Try {
        what,
        channel,
        token,
        code: Code::Ok,
        reason: "",
    };
    let mut tries = vec![
        allowed("this scope", GOOD, Some(scene.token(own, &["*"]))),
        allowed("a certificate", CERTIFIED, None),
    ];
    if !naming(method, CREDITOR).is_empty() {
        let creditor = scene.token(own, &["another", CREDITOR]);
        tries.push(allowed("this creditor", GOOD, Some(creditor)));
    }
    tries
}

/// What is wrong with what came of a try; allowed is what was not refused for who called.
fn judge(attempt: &Try, answer: Result<(), Status>) -> Option<String> {
    let (code, why) = match &answer {
        Ok(()) => (Code::Ok, String::new()),
        Err(status) => (status.code(), reason(status)),
    };
    let is_refusal = matches!(code, Code::Unauthenticated | Code::PermissionDenied);
    let is_right = match attempt.code {
        Code::Ok => !is_refusal,
        // What fails before there is a call has no reason of ours, and says so in the words of the transport.
        Code::Unavailable => {
            let transports = [
                Code::Unavailable,
                Code::Unknown,
                Code::Internal,
                Code::Cancelled,
            ];
            why.is_empty() && transports.contains(&code)
        }
        expected => code == expected && why == attempt.reason,
    };
    (!is_right).then(|| format!("{}: {code:?} {why} {answer:?}", attempt.what))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_refuses_what_it_should_and_nothing_else() {
    let caller = r#"
        [[callers]]
        name = "checkout"
        certificate = "spiffe://shop/checkout"
        scopes = ["*"]
        creditors = ["*"]
    "#;
    let scene = Scene::start(Service::Dunning, caller).await;
    let channels = Channels::new(&scene);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    // Those that are refused first: they must not have been able to do anything.
    for make in [refusals, permissions] {
        let tries: Vec<_> = all()
            .flat_map(|method| {
                make(&scene, method)
                    .into_iter()
                    .map(move |each| (method, each))
            })
            .collect();
        let calls = tries.iter().map(|(method, attempt)| {
            let channel = channels.to(attempt.channel, method);
            let request = naming(method, CREDITOR);
            async move {
                let answer = call(channel, method, request, attempt.token.as_deref()).await;
                (method, attempt, judge(attempt, answer))
            }
        });
        let mut answers = stream::iter(calls).buffer_unordered(AT_ONCE);
        while let Some((method, attempt, judgement)) = answers.next().await {
            *counts.entry(attempt.what).or_default() += 1;
            wrong.extend(judgement.map(|text| format!("{} {text}", method.path)));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    let calls: usize = counts.values().sum();
    println!("{} methods, {calls} calls: {counts:?}", all().count());
    assert!(calls > 16 * all().count());
}
