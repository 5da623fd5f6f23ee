//! Until when a certificate holds. Nothing here believes one: whoever asks has had it verified, or made it.

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Years of two digits below this one are of the century that began in 2000 (RFC 5280, 4.1.2.5.1).
const PIVOT: i64 = 50;
/// Days of a year before each month, without leap days.
const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Until when a certificate (DER, RFC 5280) is good, in seconds since 1970; `None` for what cannot be read. Before 1970
/// counts as 1970.
#[must_use]
pub fn not_after(der: &[u8]) -> Option<u64> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    // Certificates of the first version do not state it.
    let rest = element(signed, VERSION).map_or(signed, |(_, rest)| rest);
    let (_serial_number, rest) = element(rest, INTEGER)?;
    let (_algorithm, rest) = element(rest, SEQUENCE)?;
    let (_issuer, rest) = element(rest, SEQUENCE)?;
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(u64::try_from(not_after).unwrap_or(0))
}

/// Until when what is shown is good: a certificate, which stands first, and those that vouch for it, as [`not_after`]. What
/// had expired already at `now` is passed over: whoever shows it is believed without it, or not at all.
pub fn first_end<'a>(shown: impl IntoIterator<Item = &'a [u8]>, now: u64) -> Option<u64> {
    let mut ends = shown.into_iter().filter_map(not_after);
    let own = ends.next()?;
    Some(ends.filter(|end| *end > now).fold(own, u64::min))
}

/// The content of the element at the beginning, if it has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&[found, length], rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // So many bytes say how long it is.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = digits
                .iter()
                .fold(0, |sum: usize, digit| (sum << 8) | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A point in time, in seconds since 1970, and what follows it.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (year, text, rest) = if let Some((text, rest)) = element(bytes, UTC_TIME) {
        let year = number(text.get(..2)?)?;
        let century = if year < PIVOT { 2000 } else { 1900 };
        (century + year, text.get(2..)?, rest)
    } else {
        let (text, rest) = element(bytes, GENERALIZED_TIME)?;
        (number(text.get(..4)?)?, text.get(4..)?, rest)
    };
    // Month, day, hour, minute, second, and that this is UTC.
    let (digits, zone) = text.split_at_checked(10)?;
    if zone != b"Z" {
        return None;
    }
    let mut pairs = digits.chunks(2).map(number);
    let mut next = |least, most| {
        pairs
            .next()
            .flatten()
            .filter(|found| (least..=most).contains(found))
    };
    let (month, day) = (next(1, 12)?, next(1, 31)?);
    let (hour, minute, second) = (next(0, 23)?, next(0, 59)?, next(0, 59)?);
    let seconds = ((days(year, month, day)? * 24 + hour) * 60 + minute) * 60 + second;
    Some((seconds, rest))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        Some(sum * 10 + digit)
    })
}

/// Days from 1970-01-01 to a date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    // Leap days from the year 1 to the end of a year.
    let leap_days = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // That of the year itself is over from March on.
    let last_full = if month > 2 { year } else { year - 1 };
    let before = DAYS_BEFORE.get(usize::try_from(month - 1).ok()?)?;
    let leaps = leap_days(last_full) - leap_days(1969);
    Some((year - 1970) * 365 + leaps + before + day - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn until(year: i32, month: u8, day: u8) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1975, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_is_read_in_both_forms_of_time() {
        for (year, month, day) in [
            (1999, 12, 31),
            (2000, 2, 29),
            (2000, 3, 1),
            (2024, 2, 28),
            (2026, 11, 22),
            (2049, 12, 31),
            (2050, 1, 1),
            (2100, 3, 1),
            (9999, 12, 31),
        ] {
            let expected = date_time_ymd(year, month, day).unix_timestamp();
            let found = not_after(&until(year, month, day)).map(u64::cast_signed);
            assert_eq!(found, Some(expected), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn what_expires_first_counts_unless_nobody_needs_it_any_more() {
        let [own, sooner, later] = [2030, 2029, 2040].map(|year| until(year, 1, 1));
        let at = |year| u64::try_from(date_time_ymd(year, 1, 1).unix_timestamp()).unwrap();
        let end = |others: &[&Vec<u8>], year| {
            let shown = [&own].into_iter().chain(others.iter().copied());
            first_end(shown.map(Vec::as_slice), at(year))
        };
        assert_eq!(end(&[&later], 2026), Some(at(2030)));
        assert_eq!(end(&[&later, &sooner], 2026), Some(at(2029)));
        assert_eq!(end(&[&later, &sooner], 2029), Some(at(2030)));
        assert_eq!(end(&[], 2031), Some(at(2030)));
        assert_eq!(first_end([], 0), None);
    }

    #[test]
    fn what_is_cut_off_cannot_be_read() {
        let whole = until(2030, 1, 1);
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let read = |text: &str| {
            let length = u8::try_from(text.len()).unwrap();
            let bytes = [&[GENERALIZED_TIME, length], text.as_bytes()].concat();
            time(&bytes).map(|(seconds, _)| seconds)
        };
        assert_eq!(read("19700101000001Z"), Some(1));
        for text in [
            "",
            "19700101000001",
            "197001010000Z",
            "19701301000001Z",
            "19700100000001Z",
            "19700101240001Z",
            "1970010100000xZ",
            "19700101000001+0100",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0_usize..400) {
            let _ = not_after(&bytes);
            // As well as what begins like one.
            let mut spoilt = until(2030, 1, 1);
            for (place, byte) in spoilt.iter_mut().skip(at).zip(bytes) {
                *place = byte;
            }
            let _ = not_after(&spoilt);
        }
    }
}
