//! What to think of what was seen: findings, each with what it means and what to do next.

use std::collections::BTreeSet;

use serde::Serialize;

use super::seen::{CreditorSeen, DispatchSeen, FeedSeen, Health, RateSeen, Seen, ServiceSeen};
use crate::output::count_text;

/// How far two clocks may be apart.
const CLOCK_MS: i64 = 2_000;

/// Age of a writer that no write of ours reaches: a statement is cancelled after ten seconds, an idle transaction after
/// five.
const WRITER_MS: i64 = 15_000;

/// No row of holidays in our calendars is longer.
const BUSINESS_DAYS: i64 = 5;

/// Commands of a creditor that wait for the registry; a large run leaves some thousand for seconds.
const COMMANDS: i64 = 1_000;

/// Less of a certificate's time is left only if it was not renewed: a week raises a ticket by the alerts, a day a page.
const CERTIFICATE_S: i64 = 7 * 86_400;
const CERTIFICATE_AT_ONCE_S: i64 = 86_400;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Something does not work.
    Error,
    /// Something will not work, or waits for somebody.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// For people.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Of which service, feed, creditor or country.
    pub(super) about: String,
    /// What was found.
    pub(super) what: String,
    /// What it means.
    pub(super) meaning: String,
    /// What to do next.
    pub(super) next: String,
}

impl Finding {
    /// Whether somebody has to do something.
    pub(super) fn needs_attention(&self) -> bool {
        self.severity != Severity::Note
    }
}

/// Collects findings.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, about: &str, [what, meaning, next]: [String; 3]) {
        self.0.push(Finding {
            severity,
            about: about.to_owned(),
            what,
            meaning,
            next,
        });
    }
}

/// Three texts, the last two of which always are the same.
fn texts(what: String, meaning: &str, next: &str) -> [String; 3] {
    [what, meaning.to_owned(), next.to_owned()]
}

/// All findings, the worst first.
pub(super) fn judge(seen: &Seen) -> Vec<Finding> {
    let mut found = Findings::default();
    for service in &seen.services {
        found.service(service);
    }
    found.versions(seen);
    for feed in &seen.feeds {
        found.feed(feed);
    }
    for creditor in &seen.creditors {
        found.business_day(seen, creditor);
        if let Some(dispatch) = &creditor.dispatch {
            found.dispatch(&creditor.creditor_id, dispatch);
        }
    }
    if seen.more_creditors {
        let what = format!(
            "only the first {} were looked at",
            count_text(as_i64(seen.creditors.len()))
        );
        let meaning = "nothing is known here of the others";
        let next = "--creditors NUMBER looks at more";
        found.add(Severity::Note, "creditors", texts(what, meaning, next));
    }
    for rate in &seen.rates {
        found.rate(rate);
    }
    let mut findings = found.0;
    findings.sort_by_key(|finding| finding.severity);
    findings
}

impl Findings {
    fn service(&mut self, seen: &ServiceSeen) {
        let about = &seen.service;
        match seen.health {
            Health::Serving => {}
            Health::NotServing => {
                let what = "says that it is not serving".to_owned();
                let meaning = "its database is away or lacks migrations, or it is stopping; its calls are refused";
                let next = "ask /readyz of its ops listener, which says why";
                self.add(Severity::Error, about, texts(what, meaning, next));
            }
            Health::Unreachable => {
                let what = format!("cannot be reached at {}", seen.url);
                let meaning = "its calls fail; the others go on with what they knew of it last";
                let next = format!("start it, or say with --{about} where it is");
                self.add(Severity::Error, about, texts(what, meaning, &next));
            }
        }
        for trouble in &seen.troubles {
            let meaning = "a part of the state could not be seen";
            let next = "mend what the error says, and ask again";
            let what = trouble.clone();
            self.add(Severity::Error, about, texts(what, meaning, next));
        }
        if seen.parked > 0 {
            let what = format!("{} parked debtors", count_text(as_i64(seen.parked)));
            let meaning = "a change of theirs cannot be applied: later ones queue behind it, reads say DEBTOR_PARKED";
            let next = format!("mahnwerk feed parked list --service {about}");
            self.add(Severity::Error, about, texts(what, meaning, &next));
        }
        if let Some(left) = seen.certificate_left_s.filter(|left| *left < CERTIFICATE_S) {
            let severity = match left {
                CERTIFICATE_AT_ONCE_S.. => Severity::Warning,
                _ => Severity::Error,
            };
            let what = format!(
                "its certificate expires in {} hours",
                count_text(left / 3_600)
            );
            let meaning = "from then on nobody can connect to it any more";
            let next = "renew it, or find out why that did not happen: k8s/runbooks/certificate-expires.md";
            self.add(severity, about, texts(what, meaning, next));
        }
        if seen.oldest_writer_ms > WRITER_MS {
            let what = format!(
                "a transaction has been open for {}",
                seconds(seen.oldest_writer_ms)
            );
            let meaning = "every feed of its database cluster waits for the end of it";
            let next = "find it in pg_stat_activity or pg_prepared_xacts, and end it";
            self.add(Severity::Warning, about, texts(what, meaning, next));
        }
        if let Some(ahead) = seen.clock_ms
            && ahead.abs() - seen.clock_error_ms > CLOCK_MS
        {
            let side = if ahead > 0 { "ahead of" } else { "behind" };
            let what = format!(
                "its clock is {} {side} this machine's",
                seconds(ahead.abs())
            );
            let meaning = "times in logs and in the audit trail, and the lag of its consumers, are wrong by as much";
            let next = "look at the time synchronisation of both machines";
            self.add(Severity::Warning, about, texts(what, meaning, next));
        }
    }

    fn versions(&mut self, seen: &Seen) {
        let known = seen.services.iter().filter(|it| !it.version.is_empty());
        let versions: BTreeSet<&str> = known.clone().map(|it| it.version.as_str()).collect();
        if versions.len() > 1 {
            let each: Vec<_> = known
                .map(|it| format!("{} {}", it.service, it.version))
                .collect();
            let meaning = "fine in the middle of an upgrade; afterwards one was left behind";
            let next = "end the upgrade: registry, scoring, segmentation, dunning";
            let what = each.join(", ");
            self.add(Severity::Warning, "versions", texts(what, meaning, next));
        } else if versions.iter().any(|version| *version != seen.program) {
            let what = format!("this program is {}", seen.program);
            let meaning = "the rates judged here are those of this program";
            let next = "use the mahnwerk of the version that the services have";
            self.add(Severity::Note, "versions", texts(what, meaning, next));
        }
    }

    fn feed(&mut self, seen: &FeedSeen) {
        let about = format!("{} from {}", seen.consumer, seen.feed);
        let of_all = |count: usize| format!("{count} of {} partitions", seen.partitions);
        let log = format!("the log of {} says why", seen.consumer);
        if seen.ready < seen.partitions || seen.partitions == 0 {
            let what = match seen.partitions {
                0 => "nothing is known yet".to_owned(),
                _ => format!(
                    "{} have no complete snapshot",
                    of_all(seen.partitions - seen.ready)
                ),
            };
            let meaning = "nothing is concluded from what is missing: no runs, reads say PROJECTION_NOT_READY";
            let next = format!("ask again later; if it stays, {log}");
            self.add(Severity::Error, &about, texts(what, meaning, &next));
            return;
        }
        if seen.other_history > 0 {
            let what = format!("{} are of another history", of_all(seen.other_history));
            let meaning =
                "the database behind the feed was restored or failed over: a new snapshot is due";
            let next = format!("ask again later; if it stays, {log}");
            self.add(Severity::Warning, &about, texts(what, meaning, &next));
            return;
        }
        if seen.unowned > 0 {
            let what = format!("nobody works on {}", of_all(seen.unowned));
            let meaning = "a replica has ended, and another takes them over within half a minute; or none is left";
            let next = format!(
                "ask again in a minute; if it stays, start {}",
                seen.consumer
            );
            self.add(Severity::Warning, &about, texts(what, meaning, &next));
        } else if seen.upstream_known && seen.lag_ms.is_none() {
            let what = match seen.open_sweeps {
                0 => "has not caught up while this program waited".to_owned(),
                sweeps => format!("{sweeps} facts of creditors are on their way to the debtors"),
            };
            let meaning =
                "answers are older than that; after a minute dunning puts off what it would send";
            let next = format!("--patience waits longer; {log}");
            self.add(Severity::Warning, &about, texts(what, meaning, &next));
        }
    }

    fn business_day(&mut self, seen: &Seen, creditor: &CreditorSeen) {
        let about = format!("creditor {}", creditor.creditor_id);
        let Some(date) = creditor.business_date else {
            let what = "has no business day yet".to_owned();
            let meaning = "nothing is aged, scored or reminded before the first one";
            let next = "wait for the registry, or OpenBusinessDay if its days are opened by hand";
            self.add(Severity::Note, &about, texts(what, meaning, next));
            return;
        };
        let age = (seen.today - date).num_days();
        if age > BUSINESS_DAYS {
            let what = format!("its business day is of {date}, {age} days ago");
            let meaning = "ageing, scores and reminders stand still there";
            let next = if creditor.automatic {
                "the log of the registry says why no day was opened"
            } else {
                "its days are opened by hand: OpenBusinessDay"
            };
            self.add(Severity::Warning, &about, texts(what, meaning, next));
        }
    }

    fn dispatch(&mut self, creditor_id: &str, seen: &DispatchSeen) {
        let about = format!("creditor {creditor_id}");
        let notices = count_text(seen.waiting_notices);
        if !seen.enabled && seen.waiting_notices > 0 {
            let reason = match seen.reason.as_str() {
                "" => String::new(),
                reason => format!(" ({reason})"),
            };
            let what = format!("dispatch is off{reason} while {notices} released notices wait");
            let meaning =
                "nothing leaves before somebody switches it on, as at first and after a restore";
            let next = format!("mahnwerk dispatch resume {creditor_id}");
            self.add(Severity::Warning, &about, texts(what, meaning, &next));
        } else if !seen.enabled {
            let what = "dispatch is off".to_owned();
            let meaning = "what is released will wait";
            let next = format!("mahnwerk dispatch resume {creditor_id}");
            self.add(Severity::Note, &about, texts(what, meaning, &next));
        } else if !seen.reason.is_empty() {
            let what = format!("{}: {notices} notices wait", seen.reason);
            let meaning = "dispatch is on, and e-mails have no way out";
            let next = "set dispatch.smtp of dunning and the sender: mahnwerk procedure settings";
            self.add(Severity::Warning, &about, texts(what, meaning, next));
        }
        if seen.uncertain_notices > 0 {
            let what = format!(
                "of {} notices nobody knows whether they left",
                count_text(seen.uncertain_notices)
            );
            let meaning = "they are not sent again; their items wait for an answer";
            let next = format!("mahnwerk task list {creditor_id} --kind uncertain-delivery");
            self.add(Severity::Warning, &about, texts(what, meaning, &next));
        }
        if seen.waiting_commands > 0 {
            let severity = match seen.waiting_commands {
                ..=COMMANDS => Severity::Note,
                _ => Severity::Warning,
            };
            let what = format!(
                "{} commands to the registry wait",
                count_text(seen.waiting_commands)
            );
            let meaning = "contacts, bounces and credit holds are not in the registry yet";
            let next = "ask again later; if they stay, the log of dunning says why";
            self.add(severity, &about, texts(what, meaning, next));
        }
    }

    fn rate(&mut self, seen: &RateSeen) {
        let about = format!("law of {}", seen.country);
        if !seen.published {
            let what = format!("{} has no rate for {}", seen.table, seen.half_year);
            let meaning = "interest of these days cannot be computed: notices that name it become tasks to supply a rate";
            let next = "upgrade to a version that has the rate";
            self.add(Severity::Warning, &about, texts(what, meaning, next));
        } else if !seen.unconfirmed.is_empty() {
            let what = format!(
                "{} for {}: {}",
                seen.table, seen.half_year, seen.unconfirmed
            );
            let meaning = "the rate is used, and our sources do not confirm it";
            let next = "compare it with the official publication";
            self.add(Severity::Note, &about, texts(what, meaning, next));
        }
    }
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn seconds(millis: i64) -> String {
    format!("{}.{} s", count_text(millis / 1_000), millis % 1_000 / 100)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
