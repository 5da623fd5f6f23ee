//! Breaking text into lines.

/// Width of the plain text, in characters: what survives two levels of quotation.
pub(crate) const WIDTH: usize = 72;

/// Characters, which is near enough to columns for the scripts of our languages.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text at blanks into lines of at most so many characters; a longer word gets a line of its own. Blanks that
/// do not break stay together.
pub(crate) fn lines(text: &str, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// One line of a field: white space and control characters as single blanks.
pub(crate) fn single_line(text: &str) -> String {
    let blank = |sign: char| sign.is_control() || (sign.is_whitespace() && sign != '\u{a0}');
    let words = text.split(blank).filter(|word| !word.is_empty());
    words.collect::<Vec<&str>>().join(" ")
}

/// The lines of a field that have something on them.
pub(crate) fn field_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(single_line);
    lines.filter(|line| !line.is_empty()).collect()
}

/// The paragraphs of a rendered block: blank lines part them, other line breaks mean nothing.
pub(crate) fn paragraphs(block: &str) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut open = false;
    for line in block.lines().map(single_line) {
        match paragraphs.last_mut() {
            _ if line.is_empty() => open = false,
            Some(paragraph) if open => {
                paragraph.push(' ');
                paragraph.push_str(&line);
            }
            _ => {
                paragraphs.push(line);
                open = true;
            }
        }
    }
    paragraphs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_only_and_long_words_stay_whole() {
        assert_eq!(lines("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(lines("a much-too-long b", 4), ["a", "much-too-long", "b"]);
        assert_eq!(lines("1\u{a0}€ 2", 3), ["1\u{a0}€", "2"]);
        assert!(lines("  ", 4).is_empty());
    }

    #[test]
    fn blank_lines_part_paragraphs_and_nothing_else_does() {
        let block = "\n one\n  two \n\n\nthree\n";
        assert_eq!(paragraphs(block), ["one two", "three"]);
        assert!(paragraphs(" \n \n").is_empty());
    }

    #[test]
    fn a_field_cannot_break_out_of_its_line() {
        assert_eq!(
            single_line(" Ann\r\nSubject: x\t\u{7} y "),
            "Ann Subject: x y"
        );
        assert_eq!(field_lines("a\n\n b \n"), ["a", "b"]);
    }
}
