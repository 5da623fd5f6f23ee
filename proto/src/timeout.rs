//! The header by which a caller says how long it waits: at most eight digits and a unit, as the gRPC protocol has it.

use std::time::Duration;

use tonic::codegen::http::HeaderValue;

/// Name of the header.
pub const HEADER: &str = "grpc-timeout";

/// The time; `None` for what is no timeout, which counts as not given.
#[must_use]
pub fn parse(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// The header for a time, rounded down to milliseconds, or to seconds from a day on.
#[must_use]
pub fn format(time: Duration) -> HeaderValue {
    let millis = time.as_millis();
    if millis < 86_400_000 {
        // Milliseconds of a day have eight digits.
        number(u64::try_from(millis).unwrap_or(0), 'm')
    } else {
        number(time.as_secs().min(99_999_999), 'S')
    }
}

fn number(value: u64, unit: char) -> HeaderValue {
    HeaderValue::try_from(format!("{value}{unit}"))
        .unwrap_or_else(|_| HeaderValue::from_static("0m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for millis in [0, 1, 999, 86_399_999] {
            let time = Duration::from_millis(millis);
            assert_eq!(parse(&format(time)), Some(time));
        }
        let days = Duration::from_millis(86_400_000 * 3 + 500);
        assert_eq!(parse(&format(days)), Some(Duration::from_secs(86_400 * 3)));
        assert_eq!(
            parse(&format(Duration::MAX)),
            Some(Duration::from_secs(99_999_999))
        );
    }

    #[test]
    fn what_is_no_timeout_counts_as_not_given() {
        for text in ["", "S", "-1S", "1.5S", "999999999S", "10x", "ten"] {
            assert_eq!(parse(&HeaderValue::from_static(text)), None, "{text}");
        }
    }
}
