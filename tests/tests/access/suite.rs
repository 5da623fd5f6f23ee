//! The services know each other: what is written at one arrives at the last.

use e2e::{
    authority::{LOGIN, claims},
    service::Service,
    suite::patiently,
    world::{TODAY, creditor, debtor},
};
use mahnwerk_client::{Settings, connect};
use mahnwerk_proto::{
    dunning::v1::{ListProceduresRequest, procedure_service_client::ProcedureServiceClient},
    registry::v1::{
        CreateCreditorRequest, CreateDebtorRequest, OpenBusinessDayRequest,
        creditor_service_client::CreditorServiceClient, debtor_service_client::DebtorServiceClient,
    },
    segmentation::v1::{GetMembershipsRequest, membership_service_client::MembershipServiceClient},
};
use serde_json::json;

use crate::access::scene::{CREDITOR, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn services_show_each_other_who_they_are() {
    let scene = Scene::start(Service::Dunning, "").await;
    let mut claims = claims(LOGIN, "clerk");
    claims["scope"] = json!("registry.*.write segmentation.membership.read dunning.procedure.read");
    claims["creditors"] = json!([CREDITOR]);
    scene
        .access
        .write("clerk.token", &scene.access.login.token(&claims));
    let settings = Settings {
        ca_file: scene.access.path("ca.pem"),
        token_file: scene.access.path("clerk.token"),
        ..Settings::default()
    };
    let channel = |service| connect(&scene.url(service), &settings).unwrap();
    let mut creditors = CreditorServiceClient::new(channel(Service::Registry));
    creditors
        .create_creditor(CreateCreditorRequest {
            request_id: "c".to_owned(),
            creditor: Some(creditor(CREDITOR)),
        })
        .await
        .unwrap();
    creditors
        .open_business_day(OpenBusinessDayRequest {
            request_id: "o".to_owned(),
            creditor_id: CREDITOR.to_owned(),
            business_date: Some(TODAY),
        })
        .await
        .unwrap();
    let mut debtors = DebtorServiceClient::new(channel(Service::Registry));
    let token = debtors
        .create_debtor(CreateDebtorRequest {
            request_id: "d".to_owned(),
            debtor: Some(debtor(CREDITOR, "4711")),
        })
        .await
        .unwrap()
        .into_inner()
        .consistency_token;
    let memberships = MembershipServiceClient::new(channel(Service::Segmentation));
    patiently(async || {
        let request = GetMembershipsRequest {
            creditor_id: CREDITOR.to_owned(),
            debtor_id: "4711".to_owned(),
            at_least: token.clone(),
        };
        memberships.clone().get_memberships(request).await
    })
    .await;
    let procedures = ProcedureServiceClient::new(channel(Service::Dunning));
    patiently(async || {
        let request = ListProceduresRequest {
            creditor_id: CREDITOR.to_owned(),
            ..ListProceduresRequest::default()
        };
        procedures.clone().list_procedures(request).await
    })
    .await;
}
