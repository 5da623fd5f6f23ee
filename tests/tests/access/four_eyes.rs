//! Four eyes: two tokens of one person are one principal, whatever they may do.

use e2e::{
    authority::{LOGIN, claims},
    service::Service,
    wire::{call_with, reason},
    world::{TODAY, creditor, debtor, euro, invoice},
};
use mahnwerk_proto::registry::v1::{
    CreateCreditorRequest, CreateDebtorRequest, CreateInvoiceRequest, Creditor, FourEyes,
    GrantApprovalRequest, GrantApprovalResponse, OpenBusinessDayRequest, RequestWriteOffRequest,
    RequestWriteOffResponse, WriteOffInvoiceRequest,
};
use prost::Message;
use serde_json::json;
use tonic::{Status, transport::Channel};

use crate::access::scene::{CREDITOR, Scene, method};

/// Calls by people with tokens.
struct Desk {
    scene: Scene,
    channel: Channel,
}

impl Desk {
    async fn start() -> Self {
        let scene = Scene::start(Service::Registry, "").await;
        let channel = scene.channel(Service::Registry, None);
        Self { scene, channel }
    }

    /// A call with a token that holds one scope; the encoded answer.
    async fn call(
        &self,
        subject: &str,
        scope: &str,
        name: &str,
        request: impl Message,
    ) -> Result<Vec<u8>, Status> {
        let mut claims = claims(LOGIN, subject);
        claims["scope"] = json!(scope);
        claims["creditors"] = json!(["*"]);
        let bearer = format!("Bearer {}", self.scene.access.login.token(&claims));
        let headers = [("authorization", bearer.as_str())];
        let requests = vec![request.encode_to_vec()];
        let path = &method(name).path;
        let mut answers = call_with(&self.channel, path, requests, 1, &headers).await?;
        Ok(answers.remove(0))
    }

    /// An invoice `i1` of a creditor that leaves no write-off to one alone.
    async fn furnish(&self) {
        let four_eyes = FourEyes {
            write_off_above: Some(euro(0)),
        };
        let request_id = || "furnish".to_owned();
        let new = CreateCreditorRequest {
            request_id: request_id(),
            creditor: Some(Creditor {
                four_eyes: Some(four_eyes),
                ..creditor(CREDITOR)
            }),
        };
        let done = self.call("admin", "*", "/CreateCreditor", new).await;
        done.expect("a creditor");
        let day = OpenBusinessDayRequest {
            request_id: request_id(),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(TODAY),
        };
        let done = self.call("admin", "*", "/OpenBusinessDay", day).await;
        done.expect("a day");
        let new = CreateDebtorRequest {
            request_id: request_id(),
            debtor: Some(debtor(CREDITOR, "d1")),
        };
        let done = self.call("admin", "*", "/CreateDebtor", new).await;
        done.expect("a debtor");
        let new = CreateInvoiceRequest {
            request_id: request_id(),
            invoice: Some(invoice(CREDITOR, "d1", "i1", 5_000)),
        };
        let done = self.call("admin", "*", "/CreateInvoice", new).await;
        done.expect("an invoice");
    }
}

fn refusal(refused: Result<Vec<u8>, Status>) -> String {
    reason(&refused.unwrap_err())
}

#[tokio::test]
async fn who_asked_does_not_grant_with_another_token() {
    const WRITE_OFF: &str = "registry.writeoff.write";
    const GRANT: &str = "registry.approval.write";
    let desk = Desk::start().await;
    desk.furnish().await;
    let alone = WriteOffInvoiceRequest {
        request_id: "alone".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        invoice_id: "i1".to_owned(),
        amount: None,
    };
    let alone = desk.call("clerk", WRITE_OFF, "/WriteOffInvoice", alone);
    assert_eq!(refusal(alone.await), "FOUR_EYES_REQUIRED");
    let ask = RequestWriteOffRequest {
        request_id: "ask".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        invoice_id: "i1".to_owned(),
        amount: None,
        reason: "insolvent".to_owned(),
    };
    let asked = desk.call("clerk", WRITE_OFF, "/RequestWriteOff", ask).await;
    let asked = RequestWriteOffResponse::decode(asked.unwrap().as_slice()).unwrap();
    let grant = GrantApprovalRequest {
        request_id: "grant".to_owned(),
        creditor_id: CREDITOR.to_owned(),
        approval_id: asked.approval.unwrap().approval_id,
    };
    let by = async |subject, scope| {
        desk.call(subject, scope, "/GrantApproval", grant.clone())
            .await
    };
    assert_eq!(refusal(by("clerk", GRANT).await), "FOUR_EYES_REQUIRED");
    assert_eq!(refusal(by("lead", WRITE_OFF).await), "SCOPE_MISSING");
    let granted = by("lead", GRANT).await.unwrap();
    let granted = GrantApprovalResponse::decode(granted.as_slice()).unwrap();
    assert_eq!(granted.invoice.unwrap().open_amount, Some(euro(0)));
    let approval = granted.approval.unwrap();
    assert_ne!(approval.requested_by, approval.decided_by);
    assert!(approval.requested_by.ends_with("clerk") && approval.decided_by.ends_with("lead"));
}
