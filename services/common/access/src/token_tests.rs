use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000;

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng);
        Self(pair.unwrap())
    }

    fn jwk(&self, kid: &str) -> Value {
        let point = self.0.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": kid,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        })
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self
            .0
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "one"})
}

fn claims() -> Value {
    json!({
        "iss": "https://issuer", "aud": ["other", "mahnwerk"], "sub": "shop",
        "exp": NOW + 600, "nbf": NOW - 600,
    })
}

/// The claims with one of them changed; null takes it away.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let all = claims.as_object_mut().unwrap();
    if value.is_null() {
        all.remove(name);
    } else {
        all.insert(name.to_owned(), value);
    }
    claims
}

struct Scene {
    table: Table,
    keys: Keys,
    signer: Signer,
}

impl Scene {
    fn new(issuer_more: &str) -> Self {
        let signer = Signer::new();
        let set = json!({"keys": [signer.jwk("one")]});
        Self {
            table: Table::parse(&format!(
                r#"
                [[issuers]]
                name = "login"
                issuer = "https://issuer"
                audiences = ["mahnwerk"]
                jwks_file = "unused"
                {issuer_more}
                [[callers]]
                name = "checkout"
                issuer = "login"
                subject = "shop"
                scopes = ["scoring.decision.write"]
                creditors = ["acme"]
                "#
            ))
            .unwrap(),
            keys: Keys::parse(&set.to_string()).unwrap(),
            signer,
        }
    }

    fn verify(&self, token: &str) -> Result<Verified, Refused> {
        verify(token, &self.table, &[&self.keys], NOW)
    }

    fn claiming(&self, claims: &Value) -> Result<Verified, Refused> {
        self.verify(&self.signer.token(&header(), claims))
    }
}

#[test]
fn a_good_token_speaks_for_the_caller_in_the_table() {
    let scene = Scene::new("");
    let verified = scene.claiming(&claims()).unwrap();
    assert_eq!(verified.caller.name, "checkout");
    assert_eq!(verified.until, NOW + 660);
    assert_eq!(
        scene.claiming(&with("sub", json!("other"))),
        Err(Refused::Unknown)
    );
}

#[test]
fn times_are_judged_with_the_difference_between_clocks() {
    let scene = Scene::new("clock_skew_s = 30");
    let judged = |name, value: u64| scene.claiming(&with(name, json!(value))).map(|_| ());
    assert_eq!(judged("exp", NOW - 29), Ok(()));
    assert!(matches!(judged("exp", NOW - 30), Err(Refused::Expired(_))));
    assert_eq!(judged("nbf", NOW + 30), Ok(()));
    assert!(matches!(judged("nbf", NOW + 31), Err(Refused::Expired(_))));
    assert_eq!(
        scene.claiming(&with("nbf", Value::Null)).map(|_| ()),
        Ok(())
    );
    assert_eq!(
        scene
            .claiming(&with("exp", json!(NOW as f64 + 0.5)))
            .map(|_| ()),
        Ok(())
    );
}

#[test]
fn what_is_missing_wrong_or_of_another_type_is_invalid() {
    let scene = Scene::new("");
    for (name, value) in [
        ("iss", Value::Null),
        ("iss", json!("https://other")),
        ("aud", Value::Null),
        ("aud", json!("other")),
        ("aud", json!([])),
        ("sub", Value::Null),
        ("sub", json!("")),
        ("sub", json!("s".repeat(600))),
        ("exp", Value::Null),
        ("exp", json!("4102444800")),
        ("exp", json!(true)),
        ("nbf", json!("0")),
    ] {
        let refused = scene.claiming(&with(name, value.clone()));
        assert!(
            matches!(refused, Err(Refused::Invalid(_))),
            "{name} {value}: {refused:?}"
        );
    }
}

#[test]
fn no_other_signature_is_taken() {
    let scene = Scene::new("");
    let invalid = |token: &str| matches!(scene.verify(token), Err(Refused::Invalid(_)));
    let stranger = Signer::new();
    assert!(invalid(&stranger.token(&header(), &claims())));
    for header in [
        json!({"alg": "none", "kid": "one"}),
        json!({"alg": "None", "kid": "one"}),
        json!({"alg": "HS256", "kid": "one"}),
        json!({"alg": "ES384", "kid": "one"}),
        json!({"alg": "RS256", "kid": "one"}),
        json!({"alg": "EdDSA", "kid": "one"}),
        json!({"alg": "ES256", "kid": "one", "crit": ["exp"]}),
    ] {
        assert!(invalid(&scene.signer.token(&header, &claims())), "{header}");
    }
    let good = scene.signer.token(&header(), &claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let payload = encode(&with("sub", json!("somebody")));
    let moved = format!(
        "{}.{payload}.{signature}",
        signed.split_once('.').unwrap().0
    );
    for token in [
        "",
        ".",
        "..",
        "a.b.c",
        signed,
        &format!("{signed}."),
        &moved,
        &format!("{good}.x"),
        &"a".repeat(9_000),
    ] {
        assert!(invalid(token), "{token}");
    }
}

/// A public key taken for a shared secret would let everybody sign.
#[test]
fn a_public_key_is_no_shared_secret() {
    let scene = Scene::new("");
    let secret = scene.signer.0.public_key().as_ref();
    let signed = format!(
        "{}.{}",
        encode(&json!({"alg": "HS256", "kid": "one"})),
        encode(&claims())
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    let refused = scene.verify(&format!("{signed}.{signature}"));
    assert!(matches!(refused, Err(Refused::Invalid(_))), "{refused:?}");
}

#[test]
fn an_unknown_key_is_told_apart_because_keys_change() {
    let scene = Scene::new("");
    let token = scene
        .signer
        .token(&json!({"alg": "ES256", "kid": "two"}), &claims());
    assert_eq!(scene.verify(&token), Err(Refused::UnknownKey(0)));
    // Without a name it can only mean the only one.
    let unnamed = scene.signer.token(&json!({"alg": "ES256"}), &claims());
    assert!(scene.verify(&unnamed).is_ok());
    let two = json!({"keys": [scene.signer.jwk("one"), Signer::new().jwk("two")]});
    let keys = Keys::parse(&two.to_string()).unwrap();
    let refused = verify(&unnamed, &scene.table, &[&keys], NOW);
    assert_eq!(refused, Err(Refused::UnknownKey(0)));
    assert!(
        verify(
            &scene.signer.token(&header(), &claims()),
            &scene.table,
            &[&keys],
            NOW
        )
        .is_ok()
    );
}

#[test]
fn keys_that_cannot_sign_are_left_out() {
    let signer = Signer::new();
    let mut encryption = signer.jwk("enc");
    encryption["use"] = json!("enc");
    let secret = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0"});
    let set = |keys: Value| Keys::parse(&json!({"keys": keys}).to_string());
    assert!(set(json!([encryption.clone(), secret.clone()])).is_err());
    let keys = set(json!([encryption, secret, signer.jwk("sig")])).unwrap();
    assert!(keys.find(Some("sig")).is_some() && keys.find(Some("enc")).is_none());
    assert!(keys.find(Some("s")).is_none());
    let mut other = signer.jwk("one");
    other["alg"] = json!("ES384");
    let mut scene = Scene::new("");
    scene.keys = set(json!([other])).unwrap();
    let refused = scene.claiming(&claims());
    assert!(matches!(refused, Err(Refused::Invalid(_))), "{refused:?}");
}

#[test]
fn claims_carry_scopes_and_creditors_where_the_issuer_may_say_so() {
    let scene = Scene::new("scopes_claim = \"scope\"\ncreditors_claim = \"tenants\"");
    let mut claims = with("sub", json!("jane"));
    claims["scope"] = json!("openid registry.*.read");
    claims["tenants"] = json!(["acme", "not an id"]);
    let caller = scene.claiming(&claims).unwrap().caller;
    assert_eq!(caller.name, "login:jane");
    assert_eq!(caller.scopes, [Scope::parse("registry.*.read").unwrap()]);
    assert_eq!(caller.creditors, Creditors::new(["acme".to_owned()]));
    // The table has the last word.
    claims["sub"] = json!("shop");
    assert_eq!(scene.claiming(&claims).unwrap().caller.name, "checkout");
    // Without the claims there is nothing that may be done.
    let bare = scene.claiming(&with("sub", json!("jane"))).unwrap().caller;
    assert!(bare.scopes.is_empty() && bare.creditors == Creditors::new([]));
}

#[test]
fn claims_that_cannot_be_read_are_not_repeated() {
    let scene = Scene::new("");
    let refused = scene.claiming(&with("exp", json!("ottilie@example.org")));
    let told = refused.unwrap_err().to_string();
    assert_eq!(told, "its claims cannot be read");
}
