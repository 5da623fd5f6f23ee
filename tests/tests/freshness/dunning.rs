//! From a payment, a dispute or a promise to the reason why dunning leaves an item alone.

use std::ops::Range;

use e2e::{
    suite::{Clients, DunningClients, Engine, Service, patiently},
    world::day,
};
use mahnwerk_proto::{
    dunning::v1::{ExplainDebtorRequest, Finding},
    registry::v1::{CreatePromiseRequest, Dispute, DisputeReason, OpenDisputeRequest, Promise},
};

use crate::freshness::{
    Ask, CREDITOR, DEBTORS, nothing_is_stale_with_a_token, scores::pay, suite_with_invoices,
    tries_per_debtor,
};

/// What keeps an item from being dunned, taken in turn.
#[derive(Clone, Copy, Debug)]
enum Act {
    Pay,
    Dispute,
    Promise,
}

impl Act {
    fn of(number: usize) -> Self {
        match number % 3 {
            0 => Self::Pay,
            1 => Self::Dispute,
            _ => Self::Promise,
        }
    }

    /// Does it with an invoice of the debtor. Returns the consistency token.
    async fn on(self, clients: &mut Clients, debtor: usize, number: usize) -> String {
        let invoice_id = format!("i{debtor}-{number}");
        match self {
            Self::Pay => pay(clients, debtor, number).await,
            Self::Dispute => dispute(clients, invoice_id).await,
            Self::Promise => promise(clients, debtor, invoice_id).await,
        }
    }

    /// Whether what dunning says of the item follows from it. An item that is paid may be missing.
    fn is_seen_in(self, finding: Option<&Finding>) -> bool {
        let reason = finding.map_or("PAID", |finding| finding.reason.as_str());
        match self {
            Self::Pay => reason == "PAID",
            Self::Dispute => reason == "DISPUTED",
            Self::Promise => reason == "PROMISED",
        }
    }
}

async fn dispute(clients: &mut Clients, invoice_id: String) -> String {
    let dispute = Dispute {
        creditor_id: CREDITOR.to_owned(),
        dispute_id: format!("dispute-{invoice_id}"),
        invoice_id,
        reason: DisputeReason::Delivery.into(),
        ..Dispute::default()
    };
    let opened = clients
        .arrangements
        .open_dispute(OpenDisputeRequest {
            request_id: dispute.dispute_id.clone(),
            dispute: Some(dispute),
        })
        .await
        .expect("a dispute");
    opened.into_inner().consistency_token
}

async fn promise(clients: &mut Clients, debtor: usize, invoice_id: String) -> String {
    let promise = Promise {
        creditor_id: CREDITOR.to_owned(),
        debtor_id: format!("d{debtor}"),
        promise_id: format!("promise-{invoice_id}"),
        invoice_ids: vec![invoice_id],
        promised_date: Some(day(2025, 1, 10)),
        ..Promise::default()
    };
    let created = clients
        .arrangements
        .create_promise(CreatePromiseRequest {
            request_id: promise.promise_id.clone(),
            promise: Some(promise),
        })
        .await
        .expect("a promise");
    created.into_inner().consistency_token
}

async fn findings(dunning: &DunningClients, debtor: usize, at_least: &str) -> Vec<Finding> {
    let explained = patiently(async || {
        dunning
            .work
            .clone()
            .explain_debtor(ExplainDebtorRequest {
                creditor_id: CREDITOR.to_owned(),
                debtor_id: format!("d{debtor}"),
                at_least: at_least.to_owned(),
            })
            .await
    })
    .await;
    explained.into_inner().findings
}

/// Pays, disputes or promises one invoice of the debtor after the other and asks why it is dunned or not. Returns how
/// many answers were stale.
async fn act_and_ask(
    clients: &Clients,
    dunning: &DunningClients,
    debtor: usize,
    numbers: Range<usize>,
    ask: Ask,
) -> usize {
    let mut clients = clients.clone();
    let mut stale = 0;
    for number in numbers {
        let act = Act::of(number);
        let token = act.on(&mut clients, debtor, number).await;
        let item_id = format!("i{debtor}-{number}");
        let all = findings(dunning, debtor, ask.at_least(&token)).await;
        let own = all.iter().find(|finding| finding.item_id == item_id);
        let seen = act.is_seen_in(own);
        if !seen && ask == Ask::WithToken {
            println!("{act:?} of {item_id} is not seen: {own:?}");
        }
        stale += usize::from(!seen);
    }
    stale
}

async fn answers_with_a_token_are_never_stale(engine: Engine) {
    let invoices = 2 * tries_per_debtor();
    let (suite, token) = suite_with_invoices(engine, Service::Dunning, invoices).await;
    let (clients, dunning) = (suite.clients(), suite.dunning());
    for debtor in 0..DEBTORS {
        let all = findings(&dunning, debtor, &token).await;
        assert_eq!(all.len(), invoices);
        let spared = ["PAID", "DISPUTED", "PROMISED"];
        let one = all
            .iter()
            .find(|finding| spared.contains(&finding.reason.as_str()));
        assert!(one.is_none(), "{one:?}");
    }
    let what = format!("findings of dunning on {engine:?}");
    nothing_is_stale_with_a_token(&what, async |debtor, numbers, ask| {
        act_and_ask(&clients, &dunning, debtor, numbers, ask).await
    })
    .await;
    suite.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_with_the_token_of_a_payment_dispute_or_promise_say_so_on_sqlite() {
    answers_with_a_token_are_never_stale(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_with_the_token_of_a_payment_dispute_or_promise_say_so_on_postgres() {
    answers_with_a_token_are_never_stale(Engine::Postgres).await;
}
