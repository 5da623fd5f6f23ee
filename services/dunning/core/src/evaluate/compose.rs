//! A notice from its items: text, amounts line by line, channel and dates.

use std::cmp::Reverse;

use super::{Context, choose_channel};
use crate::charges::{Charge, ChargeError, Claim};
use crate::input::{Item, ItemKind, PrincipalPoint};
use crate::plan::{
    AmountLine, ChannelChoice, LineKind, Notice, NoticeItem, Reason, SkippedChannel,
};
use crate::procedure::{FeePosting, FeeRule, FollowUp, Step};

/// Why a group of items gets no notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Something that should be charged cannot be computed.
    Charges(ChargeError),
    /// No channel of the step works.
    NoChannel(Vec<SkippedChannel>),
}

impl Blocked {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Charges(_) => Reason::ChargesUnknown,
            Self::NoChannel(_) => Reason::NoChannel,
        }
    }

    /// What decided, for a finding: `email BOUNCED, post NO_CONTACT_POINT`.
    pub(crate) fn reference(&self) -> String {
        match self {
            Self::Charges(error) => error.code(),
            Self::NoChannel(skipped) => {
                let words = skipped.iter();
                let words = words.map(|it| format!("{} {}", it.channel.name(), it.reason.name()));
                words.collect::<Vec<String>>().join(", ")
            }
        }
    }
}

/// Composes the notice of a group: items of one currency, at least one, each with a level of the procedure.
/// `channel` overrides the choice.
pub(crate) fn compose(
    context: &Context<'_>,
    key: String,
    mut items: Vec<NoticeItem>,
    channel: Option<ChannelChoice>,
) -> Result<Notice, Blocked> {
    let out_of_range = || Blocked::Charges(ChargeError::OutOfRange);
    items.sort_unstable_by(|left, right| {
        (left.due_date, &left.item_id).cmp(&(right.due_date, &right.item_id))
    });
    let lead = items.iter().max_by_key(|it| {
        let claim = context
            .item(&it.item_id)
            .map(|it| it.kind != ItemKind::Charge);
        (it.level, claim, it.age, Reverse((it.due_date, &it.item_id)))
    });
    let lead = lead.ok_or_else(out_of_range)?.clone();
    let step = context.step(lead.level).ok_or_else(out_of_range)?;
    let bill = Bill::new(context, step, &items).map_err(Blocked::Charges)?;
    let statutory = context.statutory_level == Some(lead.level);
    let channel = match channel {
        Some(channel) => channel,
        None => choose_channel(context.input, step, statutory).map_err(Blocked::NoChannel)?,
    };
    let demanded_by = context.statute.filter(|_| statutory);
    let least_days = demanded_by.map_or(0, |it| it.least_days(channel.channel));
    let today = context.input.business_date;
    let calendar = context.rules.calendar;
    let pay_by = calendar.pay_by(today, step.pay_by_days.max(least_days));
    let follow_up_on = match step.follow_up {
        FollowUp::CallTask => calendar.next_after(pay_by),
        _ => today,
    };
    let currency = context.item(&lead.item_id).map(|it| it.currency.clone());
    let currency = currency.unwrap_or_default();
    let costs_after_period = demanded_by
        .filter(|it| it.names_costs())
        .map(|_| context.collection_costs(&items, &currency))
        .transpose()
        .map_err(Blocked::Charges)?;
    Ok(Notice {
        key,
        currency,
        level: lead.level,
        leading_item: lead.item_id,
        items,
        total: bill.total().map_err(Blocked::Charges)?,
        lines: bill.lines,
        fee_increment: bill.increment,
        fee_posting: context.rules.procedure.fee_posting,
        channel,
        tone: step.tone,
        template: step.template.clone(),
        pay_by,
        statutory,
        costs_after_period,
        approval_needed: step.approval,
        follow_up: step.follow_up,
        follow_up_on,
        comment: String::new(),
    })
}

/// The lines of a notice.
struct Bill {
    lines: Vec<AmountLine>,
    increment: i64,
}

impl Bill {
    fn new(context: &Context<'_>, step: &Step, items: &[NoticeItem]) -> Result<Self, ChargeError> {
        let mut bill = Self {
            lines: Vec::with_capacity(items.len()),
            increment: 0,
        };
        for it in items {
            let basis = "open amount".to_owned();
            bill.add(
                LineKind::Principal,
                Some(&it.item_id),
                it.amounts.dunned,
                basis,
            );
        }
        let debtor = &context.input.debtor;
        let chargeable = || items.iter().filter_map(|it| context.chargeable(it));
        if !debtor.waive_interest {
            for claim in chargeable().filter(|it| it.step.interest) {
                let interest = context.rules.charges;
                for charge in interest.interest(&claim.claim, context.input.business_date)? {
                    bill.charge(LineKind::Interest, &claim, charge);
                }
            }
        }
        if !debtor.waive_fees {
            for claim in chargeable() {
                bill.flat_sum(context, &claim)?;
            }
            let any_chargeable = chargeable().next().is_some();
            bill.reminder_fees(context, step, items, any_chargeable);
        }
        Ok(bill)
    }

    /// The flat sum of the law: once per claim, shown again until the claim is paid, unless it became an item.
    fn flat_sum(&mut self, context: &Context<'_>, it: &Chargeable<'_>) -> Result<(), ChargeError> {
        let claimed = match it.item.state.flat_sum {
            Some(FeePosting::Receivable) => return Ok(()),
            Some(FeePosting::NoticeOnly | FeePosting::Memo) => true,
            None => false,
        };
        if !claimed && it.step.fee != FeeRule::Statutory {
            return Ok(());
        }
        let today = context.input.business_date;
        if let Some(charge) = context.rules.charges.flat_sum(&it.claim, today)? {
            if !claimed {
                self.increment = self.increment.saturating_add(charge.minor);
            }
            self.charge(LineKind::FlatSum, it, charge);
        }
        Ok(())
    }

    fn reminder_fees(
        &mut self,
        context: &Context<'_>,
        step: &Step,
        items: &[NoticeItem],
        chargeable: bool,
    ) {
        let procedure = context.rules.procedure;
        let basis = format!(
            "procedure {}@{} step {}",
            procedure.id, procedure.revision, step.level
        );
        let earlier = items.iter().filter_map(|it| context.item(&it.item_id));
        let earlier = earlier.fold(0_i64, |sum, it| sum.saturating_add(it.state.fees));
        let earlier_basis = "fees of earlier notices".to_owned();
        self.add(LineKind::EarlierFees, None, earlier, earlier_basis);
        let currency = items
            .first()
            .and_then(|it| context.item(&it.item_id))
            .map(|it| it.currency.as_str());
        let fee = match (&step.fee, currency) {
            (FeeRule::Flat(amounts), Some(currency)) if chargeable => amounts.get(currency),
            _ => None,
        };
        let fee = fee.copied().unwrap_or(0);
        self.increment = self.increment.saturating_add(fee);
        self.add(LineKind::Fee, None, fee, basis);
    }

    fn charge(&mut self, kind: LineKind, claim: &Chargeable<'_>, charge: Charge) {
        self.add(kind, Some(&claim.item.id), charge.minor, charge.basis);
    }

    fn add(&mut self, kind: LineKind, item_id: Option<&str>, minor: i64, basis: String) {
        if minor > 0 {
            self.lines.push(AmountLine {
                kind,
                item_id: item_id.map(str::to_owned),
                minor,
                basis,
            });
        }
    }

    fn total(&self) -> Result<i64, ChargeError> {
        self.lines
            .iter()
            .try_fold(0_i64, |sum, line| sum.checked_add(line.minor))
            .ok_or(ChargeError::OutOfRange)
    }
}

/// An item on which something may be charged, with its own step.
struct Chargeable<'a> {
    item: &'a Item,
    step: &'a Step,
    claim: Claim<'a>,
}

impl<'a> Context<'a> {
    pub(crate) fn item(&self, item_id: &str) -> Option<&'a Item> {
        self.items.get(item_id).copied()
    }

    /// By principal alone: charges that became items bear no costs. Items are by due date.
    fn collection_costs(&self, items: &[NoticeItem], currency: &str) -> Result<i64, ChargeError> {
        let is_claim = |it: &&NoticeItem| {
            self.item(&it.item_id)
                .is_some_and(|it| it.kind != ItemKind::Charge)
        };
        let claims = || items.iter().filter(is_claim);
        let principal = claims()
            .try_fold(0_i64, |sum, it| sum.checked_add(it.amounts.dunned))
            .ok_or(ChargeError::OutOfRange)?;
        // Without a claim there is nothing to collect, whatever the date.
        let due_date = claims()
            .next()
            .map_or(self.input.business_date, |it| it.due_date);
        let charges = self.rules.charges;
        charges.collection_costs(&self.input.debtor, currency, due_date, principal)
    }

    /// `None` for charges, which bear none themselves, and where a statute demands a notice first.
    fn chargeable(&self, it: &NoticeItem) -> Option<Chargeable<'a>> {
        let item = self.item(&it.item_id)?;
        let step = self.step(it.level)?;
        // The notice itself is free even where a later cycle repeats it.
        let free = !item.state.statutory_sent || self.statutory_level == Some(it.level);
        let protected = self.statute.is_some() && free;
        if item.kind == ItemKind::Charge || protected {
            return None;
        }
        let left_out = item.open - it.amounts.dunned;
        let reduced = item.history.iter().map(|point| PrincipalPoint {
            on: point.on,
            open: (point.open - left_out).max(0),
        });
        let mut principal: Vec<PrincipalPoint> = reduced.collect();
        if principal.is_empty() {
            principal.push(PrincipalPoint {
                on: item.document_date,
                open: it.amounts.dunned,
            });
        }
        Some(Chargeable {
            item,
            step,
            claim: Claim {
                debtor: &self.input.debtor,
                item_id: &item.id,
                currency: &item.currency,
                document_date: item.document_date,
                due_date: item.due_date,
                principal,
            },
        })
    }
}
