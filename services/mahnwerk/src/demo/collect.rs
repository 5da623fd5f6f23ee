//! Asks the services what they know when the story is over.

use chrono::NaiveDate;
use mahnwerk_proto::{
    dunning::v1::{GetNoticeRequest, Notice, NoticeChannel, NoticeState, Task},
    registry::v1::{
        Balance, Debtor, GetPortfolioBalanceRequest, Item, ItemKind, ListDebtorsRequest,
        ListItemsRequest,
    },
    scoring::v1::Score,
};

use super::{
    CREDITOR,
    drive::{self, Driven},
    effect::{Effect, effect},
    ledger::Story,
    remind,
    segments::{self, Movements},
};
use crate::{
    client::{Clients, Result, call},
    output::proto_date,
};

const PAGE: i32 = 1_000;

/// What the services know.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// By id.
    pub(crate) debtors: Vec<Debtor>,
    /// All invoices with what settled them.
    pub(crate) invoices: Vec<Item>,
    /// By currency, on the last day.
    pub(crate) balances: Vec<Balance>,
    /// By currency, at the end of every month.
    pub(crate) month_ends: Vec<(NaiveDate, Vec<Balance>)>,
    /// Current scores, in the order of the debtors.
    pub(crate) scores: Vec<Score>,
    /// Who moved between treatment segments.
    pub(crate) movements: Movements,
    /// Open tasks, the most urgent first.
    pub(crate) tasks: Vec<Task>,
    /// A notice with its text for each language.
    pub(crate) letters: Vec<Notice>,
    /// How the debtors paid.
    pub(crate) with_reminders: Effect,
    /// How they would have paid if nobody had reminded them.
    pub(crate) without_reminders: Effect,
}

/// Collects everything that the report is about, as of the last write.
///
/// # Errors
/// If a service refuses.
pub(crate) async fn collect(
    story: &Story,
    undisturbed: &Story,
    driven: &Driven,
    clients: &Clients,
) -> Result<Facts> {
    let debtors = debtors(clients).await?;
    let ids: Vec<String> = debtors
        .iter()
        .map(|debtor| debtor.debtor_id.clone())
        .collect();
    let mut month_ends = Vec::new();
    for day in story.period.month_ends() {
        month_ends.push((day, balances(clients, day).await?));
    }
    Ok(Facts {
        invoices: invoices(clients).await?,
        balances: balances(clients, story.period.last()).await?,
        month_ends,
        scores: drive::scores(clients, &ids, &driven.consistency_token).await?,
        movements: segments::movements(clients, &ids).await?,
        tasks: remind::tasks(clients).await?,
        letters: letters(clients, &driven.dunned.notices).await?,
        with_reminders: effect(story),
        without_reminders: effect(undisturbed),
        debtors,
    })
}

/// The latest e-mail of the highest level in each language, with its text.
async fn letters(clients: &Clients, notices: &[Notice]) -> Result<Vec<Notice>> {
    let mut letters = Vec::new();
    for language in ["de", "nl", "en"] {
        let emails = notices.iter().filter(|it| {
            it.language == language
                && it.channel() == NoticeChannel::Email
                && it.state() == NoticeState::Sent
        });
        let Some(chosen) = emails.max_by_key(|it| it.level) else {
            continue;
        };
        let request = GetNoticeRequest {
            creditor_id: CREDITOR.to_owned(),
            notice_id: chosen.notice_id.clone(),
            at_least: String::new(),
        };
        let answer = clients.runs().get_notice(call(request)).await?;
        letters.extend(answer.into_inner().notice.map(without_id));
    }
    Ok(letters)
}

/// Ids are made by the service and differ from run to run.
fn without_id(mut notice: Notice) -> Notice {
    notice.text = notice.text.replace(&notice.notice_id, "(id of the notice)");
    notice
}

async fn debtors(clients: &Clients) -> Result<Vec<Debtor>> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListDebtorsRequest {
            creditor_id: CREDITOR.to_owned(),
            page_size: PAGE,
            page_token,
            at_least: String::new(),
        };
        let page = clients
            .debtors()
            .list_debtors(call(request))
            .await?
            .into_inner();
        all.extend(page.debtors);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn invoices(clients: &Clients) -> Result<Vec<Item>> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListItemsRequest {
            creditor_id: CREDITOR.to_owned(),
            kind: ItemKind::Invoice.into(),
            page_size: PAGE,
            page_token,
            ..ListItemsRequest::default()
        };
        let page = clients
            .accounts()
            .list_items(call(request))
            .await?
            .into_inner();
        all.extend(page.items);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn balances(clients: &Clients, day: NaiveDate) -> Result<Vec<Balance>> {
    let request = GetPortfolioBalanceRequest {
        creditor_id: CREDITOR.to_owned(),
        as_of: Some(proto_date(day)),
        ..GetPortfolioBalanceRequest::default()
    };
    Ok(clients
        .accounts()
        .get_portfolio_balance(call(request))
        .await?
        .into_inner()
        .balances)
}
