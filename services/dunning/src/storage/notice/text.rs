//! What notices say. Personal data.

use std::collections::BTreeMap;

use mahnwerk_runtime::{
    db::{Rows, Sql, column},
    error::Result,
};

/// What a notice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML.
    pub html: String,
}

/// Stores what notices of a creditor say, in place of what they said.
///
/// # Errors
/// Those of the database.
pub async fn set_texts(on: &impl Sql, creditor_id: &str, texts: &[(String, Text)]) -> Result<()> {
    let rows = Rows::new()
        .text("notice_id", texts.iter().map(|(id, _)| id.as_str()))
        .text(
            "subject",
            texts.iter().map(|(_, text)| text.subject.as_str()),
        )
        .text("text", texts.iter().map(|(_, text)| text.text.as_str()))
        .text("html", texts.iter().map(|(_, text)| text.html.as_str()));
    on.execute_rows(rows, vec![creditor_id.into()], |table, n| {
        format!(
            "INSERT INTO notice_text (creditor_id, notice_id, subject, text, html) \
             SELECT ${n}, r.notice_id, r.subject, r.text, r.html FROM {table} AS r WHERE true \
             ON CONFLICT (creditor_id, notice_id) DO UPDATE SET subject = excluded.subject, text = excluded.text, \
             html = excluded.html"
        )
    })
    .await?;
    Ok(())
}

/// What notices say, by notice; those that are not rendered yet are left out.
///
/// # Errors
/// Those of the database.
pub async fn texts(
    on: &impl Sql,
    creditor_id: &str,
    notice_ids: &[&str],
) -> Result<BTreeMap<String, Text>> {
    let rows = on
        .query_rows(
            Rows::new().text("notice_id", notice_ids.iter().copied()),
            vec![creditor_id.into()],
            |table, n| {
                let found = on.lookup(
                    "notice_text",
                    "t",
                    &format!("t.creditor_id = ${n} AND t.notice_id = r.notice_id"),
                );
                format!("SELECT t.notice_id, t.subject, t.text, t.html FROM {table} AS r {found}")
            },
        )
        .await?;
    let mut texts = BTreeMap::new();
    for row in &rows {
        let text = Text {
            subject: column(row, "subject")?,
            text: column(row, "text")?,
            html: column(row, "html")?,
        };
        texts.insert(column(row, "notice_id")?, text);
    }
    Ok(texts)
}
