//! `[bootstrap] environment`: variables of the runner and its jobs, as lines of its `.env`.
//!
//! The listener takes each line's name and value as they are, up to the end of the line (actions/runner: Program.cs,
//! `LoadAndSetEnv`), so a value needs no quoting and cannot have a second line.

use toml::de::DeValue;

use super::reader::text;

/// Variables that another key sets, and that key.
const KEYS: [(&str, &str); 6] = [
    ("actions_runner_hook_job_started", "job_started"),
    ("actions_runner_hook_job_completed", "job_completed"),
    ("http_proxy", "proxy"),
    ("https_proxy", "proxy"),
    ("all_proxy", "proxy"),
    ("no_proxy", "no_proxy"),
];

/// The value of a variable with this name.
pub(super) fn read(name: &str, value: &DeValue<'_>) -> Result<String, String> {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(is_start) || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("a variable's name, of a-z A-Z 0-9 _, not beginning with a digit".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    if let Some((_, key)) = KEYS.iter().find(|(variable, _)| *variable == lower) {
        return Err(format!("any variable but {name}, which bootstrap.{key} sets"));
    }
    // The configuration and the token of a runner come by these.
    if lower.starts_with("actions_runner_input_") {
        return Err("any variable but those that configure the runner, ACTIONS_RUNNER_INPUT_…".to_owned());
    }
    text(value).map_err(|_| "text in quotes, of one line, not empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name_and_a_value_of_one_line() {
        for (name, value, good) in [
            ("LANG", "C.UTF-8", true),
            ("_x1", "a = 'b' \"c\" $d `e` \\", true),
            ("PATH", "/opt/tools:/usr/bin", true),
            ("", "x", false),
            ("1A", "x", false),
            ("A-B", "x", false),
            ("A B", "x", false),
            ("A=B", "x", false),
            ("Ä", "x", false),
            ("EMPTY", "", false),
            ("LINES", "a\nb", false),
            ("RETURN", "a\rb", false),
            ("https_proxy", "http://proxy.example", false),
            ("NO_PROXY", "a", false),
            ("ACTIONS_RUNNER_HOOK_JOB_STARTED", "/x.sh", false),
            ("ACTIONS_RUNNER_INPUT_JITCONFIG", "x", false),
            ("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "1", true),
        ] {
            let read = read(name, &DeValue::String(value.into()));
            assert_eq!(read.is_ok(), good, "{name}={value:?}: {read:?}");
        }
    }
}
