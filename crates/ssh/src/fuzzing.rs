//! Entry points for the fuzzer. Only a build with `--cfg fuzzing` has them.

use secrecy::SecretString;

use crate::exec::Stream;
use crate::output::{CommandOutput, quoted_from_afar};

/// Reads the output, in chunks, of a program that was given a secret.
///
/// # Panics
/// When a reported line is not one line, or holds the secret.
pub fn output(bytes: &[u8], chunk: usize) {
    const SECRET: &str = "hunter2-hunter2";
    let secret = SecretString::from(format!("{SECRET}\n"));
    let mut output = CommandOutput::new(Some(&secret));
    let check = |line: &str| {
        assert!(!line.contains(SECRET), "{line:?}");
        assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
    };
    for (number, chunk) in bytes.chunks(chunk.max(1)).enumerate() {
        let stream = if number.is_multiple_of(3) { Stream::Stderr } else { Stream::Stdout };
        output.push(stream, chunk, check);
    }
    output.finish(|_, line| check(line));
    check(output.last_line());
    check(&output.tail());
    let _ = output.printed();
    let quoted = quoted_from_afar(&String::from_utf8_lossy(bytes));
    assert!(!quoted.contains(|c: char| c.is_control() && c != '\t'), "{quoted:?}");
}
