use super::*;

/// The lines that are shown, the end of standard output, and the tail.
fn shown(input: Option<&str>, chunks: &[(Stream, &[u8])]) -> (Vec<String>, String, String) {
    let input = input.map(SecretString::from);
    let mut output = CommandOutput::new(input.as_ref());
    let mut lines = Vec::new();
    for (stream, chunk) in chunks {
        output.push(*stream, chunk, |line| lines.push(line.to_owned()));
    }
    output.finish(|_, line| lines.push(line.to_owned()));
    (lines, output.printed(), output.tail())
}

use Stream::{Stderr, Stdout};

#[test]
fn lines_are_whole_whatever_the_chunks() {
    let text = "one\ntwo\r\n\nfour \u{fc}\u{1f600}\nno break";
    let whole = shown(None, &[(Stdout, text.as_bytes())]);
    assert_eq!(whole.0, ["one", "two", "", "four \u{fc}\u{1f600}", "no break"]);
    assert_eq!(whole.1, "one\ntwo\n\nfour \u{fc}\u{1f600}\nno break\n");
    let bytes: Vec<(Stream, &[u8])> = text.as_bytes().chunks(1).map(|byte| (Stdout, byte)).collect();
    assert_eq!(shown(None, &bytes), whole);
}

#[test]
fn streams_do_not_mix_within_a_line_and_the_tail_has_both() {
    let chunks: [(Stream, &[u8]); 4] =
        [(Stdout, b"out "), (Stderr, b"err "), (Stdout, b"one\n"), (Stderr, b"one\n")];
    let (lines, printed, tail) = shown(None, &chunks);
    assert_eq!(lines, ["out one", "err one"]);
    assert_eq!(printed, "out one\n");
    assert_eq!(tail, "out one; err one");
}

#[test]
fn only_text_is_left() {
    for (situation, bytes, expected) in [
        ("colours", &b"\x1b[1;31mred\x1b[0m alert\n"[..], "red alert"),
        ("a title", b"\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\n", "textlink"),
        ("a character set", b"\x1b(Btext\x1b=\n", "text"),
        ("bells and nulls", b"a\x07b\0c\x08d\x7fe\tf\n", "abcde\tf"),
        ("C1 controls", "a\u{9b}b\n".as_bytes(), "ab"),
        ("no UTF-8", b"a\xff\xfeb\n", "a\u{fffd}\u{fffd}b"),
        ("a sequence without an end", b"\x1b]0;title\n", ""),
    ] {
        assert_eq!(shown(None, &[(Stdout, bytes)]).0, [expected], "{situation}");
    }
    assert_eq!(shown(None, &[(Stdout, b"\x1b]0;title\nnext\n")]).0, ["", "next"]);
    assert_eq!(shown(None, &[(Stderr, b"10%\r20%\r\n")]).0, ["10%", "20%"]);
}

#[test]
fn what_it_read_is_never_shown() {
    let secret = "AABBSECRET";
    for (situation, text) in [
        ("alone", "AABBSECRET\n"),
        ("in a line", "token=AABBSECRET, and AABBSECRET again\n"),
        ("without a line break", "echo AABBSECRET"),
        ("with colours between", "AABB\x1b[31mSEC\x1b[0mRET\n"),
        ("with controls between", "AABB\0SECRET\n"),
        ("after a line return", "x\rAABBSECRET\n"),
    ] {
        for size in [1, 3, 7, 1000] {
            for stream in [Stdout, Stderr] {
                let chunks: Vec<_> = text.as_bytes().chunks(size).map(|chunk| (stream, chunk)).collect();
                let (lines, printed, tail) = shown(Some("AABBSECRET\n"), &chunks);
                let all = format!("{lines:?}{printed}{tail}");
                assert!(!all.contains(secret) && all.contains("***"), "{situation}, {size}: {all}");
            }
        }
    }
    let (lines, ..) = shown(Some("ab\nabcd\n\n"), &[(Stdout, b"abcd ab\n")]);
    assert_eq!(lines, ["*** ***"]);
}

#[test]
fn a_secret_across_the_cut_of_a_long_line_is_not_shown() {
    let secret = "AABBSECRET";
    for before in MAX_LINE - 12..MAX_LINE + 24 {
        let text = format!("{}{secret}{}\n", "x".repeat(before), "y".repeat(2 * MAX_LINE));
        let (lines, printed, tail) = shown(Some(secret), &[(Stdout, text.as_bytes())]);
        assert!(lines.len() >= 2 && lines.iter().all(|line| line.len() <= MAX_LINE + 20));
        let all = lines.concat();
        assert!(!all.contains("BB") && all.contains("***"), "cut at {before}");
        assert_eq!(all.len(), before + 3 + 2 * MAX_LINE);
        assert!(!printed.contains("BB") && !tail.contains("BB"));
    }
}

#[test]
fn the_end_is_kept_within_bounds() {
    let text: String = (0..400_000).map(|n| format!("line {n}\n")).collect();
    let (_, printed, tail) = shown(None, &[(Stdout, text.as_bytes())]);
    assert!(printed.len() <= MAX_STDOUT && printed.len() > MAX_STDOUT - 100, "{}", printed.len());
    assert!(printed.starts_with("line ") && text.ends_with(&printed));
    assert_eq!(tail.split("; ").count(), 10);
    assert!(tail.ends_with("; line 399998; line 399999"), "{tail}");
    let long = format!("{}end\n", "\u{fc}".repeat(5_000));
    let (_, _, tail) = shown(None, &[(Stderr, long.as_bytes())]);
    assert_eq!(tail.chars().count(), 1_000);
    assert!(tail.starts_with("…\u{fc}") && tail.ends_with("end"));
}
