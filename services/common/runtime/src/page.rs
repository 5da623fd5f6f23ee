//! Opaque page tokens, bound to the method and the parameters they were made for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result, Violation},
    validate::Checker,
};

/// Longest token that is looked at, in bytes. Keys of lists are a handful of ids of at most 64 characters.
const MAX_TOKEN_BYTES: usize = 2_048;
/// Most parts of a key.
const MAX_KEY_PARTS: usize = 16;
/// Rows of a page unless asked otherwise.
const DEFAULT_PAGE: u32 = 100;
/// Most rows of a page.
const MAX_PAGE: u32 = 1_000;

/// Which page a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows to answer with.
    pub limit: u64,
    /// The key of the last row of the page before; `None` for the first page.
    pub after: Option<Vec<String>>,
}

impl PageRequest {
    /// Reads `page_size` (0: `default`; more than `max`: `max`) and `page_token` (empty: first page). `parameters` is
    /// any text that is the same for all pages of one list: the filters of the request.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a negative size, [`Error::InvalidPageToken`] for a token of another method or of other
    /// parameters.
    pub fn parse(
        page_size: i32,
        page_token: &str,
        default: u32,
        max: u32,
        method: &str,
        parameters: &str,
    ) -> Result<Self> {
        let Ok(size) = u32::try_from(page_size) else {
            return Err(Error::Invalid(vec![Violation::new(
                "page_size",
                "must not be negative",
            )]));
        };
        let limit = u64::from(if size == 0 { default } else { size.min(max) });
        let after = if page_token.is_empty() {
            None
        } else {
            Some(read(page_token, method, parameters).ok_or(Error::InvalidPageToken)?)
        };
        Ok(Self { limit, after })
    }

    /// The one-part key after which the page starts; empty for the first page.
    ///
    /// # Errors
    /// [`Error::InvalidPageToken`] if the key has other parts.
    pub fn after_id(&self) -> Result<&str> {
        Ok(self.after_parts::<1>()?.map_or("", |[id]| id))
    }

    /// The parts of the key after which the page starts, if it is not the first.
    ///
    /// # Errors
    /// [`Error::InvalidPageToken`] if the key does not have `N` parts.
    pub fn after_parts<const N: usize>(&self) -> Result<Option<[&str; N]>> {
        let Some(after) = &self.after else {
            return Ok(None);
        };
        let parts: Vec<&str> = after.iter().map(String::as_str).collect();
        parts
            .try_into()
            .map(Some)
            .map_err(|_| Error::InvalidPageToken)
    }
}

/// Ends the check of a request and reads which page is asked for, 100 rows by default and 1,000 at most; a wrong page size
/// is named with everything else that is wrong.
///
/// # Errors
/// Those of the check and of [`PageRequest::parse`].
pub fn read_page(
    check: Checker,
    page_size: i32,
    page_token: &str,
    method: &str,
    parameters: &str,
) -> Result<PageRequest> {
    let bounds = (DEFAULT_PAGE, MAX_PAGE);
    read_page_within(check, bounds, page_size, page_token, method, parameters)
}

/// As [`read_page`], with other numbers of rows: by default, and at most.
///
/// # Errors
/// Those of [`read_page`].
pub fn read_page_within(
    mut check: Checker,
    (default, most): (u32, u32),
    page_size: i32,
    page_token: &str,
    method: &str,
    parameters: &str,
) -> Result<PageRequest> {
    let page = PageRequest::parse(page_size, page_token, default, most, method, parameters);
    if let Err(Error::Invalid(violations)) = &page {
        for violation in violations {
            check.refuse(violation.field.clone(), violation.description.clone());
        }
    }
    check.finish()?;
    page
}

/// The token of the page after the row with `key`.
#[must_use]
pub fn next_token(method: &str, parameters: &str, key: &[String]) -> String {
    let content = serde_json::json!([binding(method, parameters), key]);
    URL_SAFE_NO_PAD.encode(content.to_string())
}

fn read(token: &str, method: &str, parameters: &str) -> Option<Vec<String>> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let content = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (bound_to, key): (String, Vec<String>) = serde_json::from_slice(&content).ok()?;
    (bound_to == binding(method, parameters) && key.len() <= MAX_KEY_PARTS).then_some(key)
}

/// Not a signature: a token gives no rights, it only must not be taken for the token of another list.
fn binding(method: &str, parameters: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(method);
    hash.update([0]);
    hash.update(parameters);
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(size: i32, token: &str, method: &str, parameters: &str) -> Result<PageRequest> {
        PageRequest::parse(size, token, 50, 100, method, parameters)
    }

    #[test]
    fn a_token_leads_back_to_its_key() {
        let key = vec!["c1".to_owned(), "Ü\u{1}\"|,".to_owned()];
        let token = next_token("List", "creditor=c1", &key);
        let page = parse(0, &token, "List", "creditor=c1").unwrap();
        assert_eq!((page.limit, page.after.clone()), (50, Some(key)));
        assert_eq!(
            page.after_parts::<2>().unwrap().unwrap(),
            ["c1", "Ü\u{1}\"|,"]
        );
        assert!(matches!(
            page.after_parts::<3>(),
            Err(Error::InvalidPageToken)
        ));
    }

    #[test]
    fn a_token_of_another_method_or_of_other_parameters_is_refused() {
        let token = next_token("List", "a", &["k".to_owned()]);
        let huge = "A".repeat(100_000);
        for (token, method, parameters) in [
            (token.as_str(), "Other", "a"),
            (token.as_str(), "List", "b"),
            ("%%%", "List", "a"),
            ("AAAA", "List", "a"),
            (huge.as_str(), "List", "a"),
        ] {
            assert!(matches!(
                parse(1, token, method, parameters),
                Err(Error::InvalidPageToken)
            ));
        }
    }

    #[test]
    fn sizes_are_defaulted_capped_or_refused() {
        assert_eq!(parse(0, "", "m", "").unwrap().limit, 50);
        assert_eq!(parse(7, "", "m", "").unwrap().limit, 7);
        assert_eq!(parse(i32::MAX, "", "m", "").unwrap().limit, 100);
        assert!(
            matches!(parse(-1, "", "m", ""), Err(Error::Invalid(fields)) if fields[0].field == "page_size")
        );
    }
}
