//! What the commands have in common: lists read page by page, and results for people or programs.

use std::{fmt::Display, time::Duration};

use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};
use prost::Message;
use serde_json::json;
use tonic::Status;

use super::Context;
use crate::{
    client::Result,
    json,
    output::{facts, print_json},
};

/// Most rows of a page.
const MOST_PER_PAGE: usize = 1_000;
/// Time between two looks at something that goes on after the answer.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The key under which programs find something, and the full name of its message.
pub(super) type Named = (&'static str, &'static str);

/// A page that is asked for.
pub(super) struct Page {
    pub(super) size: i32,
    pub(super) token: String,
}

/// Rows of a list.
pub(super) struct Listed<T> {
    pub(super) rows: Vec<T>,
    /// Whether there are more than were asked for.
    pub(super) more: bool,
}

/// Reads the first rows of a list; `read` answers the rows of a page and the token of the next one.
///
/// # Errors
/// Those of `read`.
pub(super) async fn pages<T>(
    limit: usize,
    mut read: impl AsyncFnMut(Page) -> Result<(Vec<T>, String), Status>,
) -> Result<Listed<T>> {
    let limit = limit.max(1);
    let size = i32::try_from(limit.min(MOST_PER_PAGE)).unwrap_or_default();
    let (mut rows, mut token) = (Vec::new(), String::new());
    loop {
        let (page, next) = read(Page { size, token }).await?;
        rows.extend(page);
        token = next;
        if token.is_empty() || rows.len() >= limit {
            break;
        }
    }
    let more = !token.is_empty() || rows.len() > limit;
    rows.truncate(limit);
    Ok(Listed { rows, more })
}

impl Context {
    /// Prints a list, or what it means that it is empty.
    pub(super) fn print_list<T: Message>(
        &self,
        (key, name): Named,
        listed: &Listed<T>,
        if_empty: &str,
        table: impl FnOnce(&[T]) -> Table,
    ) {
        if self.json {
            print_json(&json!({ key: json::messages(name, &listed.rows), "more": listed.more }));
        } else if listed.rows.is_empty() {
            say!("{if_empty}");
        } else {
            say!("{}", table(&listed.rows));
            if listed.more {
                say!("there are more; --limit shows them");
            }
        }
    }

    /// Prints one thing that was read.
    pub(super) fn print_read<T: Message, D: Display>(
        &self,
        (key, name): Named,
        message: &T,
        shown: impl FnOnce(&T) -> D,
    ) {
        if self.json {
            print_json(&json!({ key: json::message(name, message) }));
        } else {
            say!("{}", shown(message));
        }
    }

    /// Prints one thing that was written, and the token with which later reads contain it.
    pub(super) fn print_written<T: Message, D: Display>(
        &self,
        (key, name): Named,
        message: &T,
        token: &str,
        shown: impl FnOnce(&T) -> D,
    ) {
        if self.json {
            print_json(&json!({ key: json::message(name, message), "consistency_token": token }));
        } else {
            say!("{}", shown(message));
            self.print_token(token);
        }
    }

    /// Prints the token of a write that answers nothing else worth showing; nothing if nothing was stored.
    pub(super) fn print_token(&self, token: &str) {
        if self.json {
            print_json(&json!({ "consistency_token": token }));
        } else if !token.is_empty() {
            say!("{}", facts(&[("Consistency token", token.to_owned())]));
        }
    }
}

/// Looks again and again at something that goes on after the answer, until it has come to rest, and shows how far it is.
///
/// # Errors
/// Those of `look`.
pub(super) async fn until_rest<T>(
    mut look: impl AsyncFnMut() -> Result<T>,
    progress: impl Fn(&T) -> (i64, i64),
    at_rest: impl Fn(&T) -> bool,
) -> Result<T> {
    let bar = progress_bar();
    loop {
        let now = look().await?;
        advance(&bar, progress(&now));
        if at_rest(&now) {
            bar.finish_and_clear();
            return Ok(now);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A bar on standard error, if that is a terminal.
pub(super) fn progress_bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// Shows that so many of so many are done.
pub(super) fn advance(bar: &ProgressBar, (done, all): (i64, i64)) {
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    bar.set_length(count(all));
    bar.set_position(count(done));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten rows in pages of at most four.
    async fn ten_rows(page: Page) -> Result<(Vec<i32>, String), Status> {
        let from: i32 = page.token.parse().unwrap_or_default();
        let to = (from + page.size.min(4)).min(10);
        let next = if to < 10 {
            to.to_string()
        } else {
            String::new()
        };
        Ok(((from..to).collect(), next))
    }

    #[tokio::test]
    async fn a_list_is_read_up_to_its_limit_and_says_whether_there_is_more() {
        for (limit, rows, more) in [
            (100, 10, false),
            (10, 10, false),
            (9, 9, true),
            (4, 4, true),
        ] {
            let listed = pages(limit, ten_rows).await.expect("rows");
            assert_eq!((listed.rows.len(), listed.more), (rows, more), "{limit}");
            assert!(
                listed
                    .rows
                    .iter()
                    .zip(0..)
                    .all(|(row, place)| *row == place),
                "{limit}"
            );
        }
    }
}
