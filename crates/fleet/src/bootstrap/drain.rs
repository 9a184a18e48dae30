//! The request to drain, as a VM reads it from its metadata service, and its refusal, as its console shows it.

use jiff::Timestamp;

/// The word that the guest looks for.
const WORD: &str = "azlin-drain";

/// The text that asks a VM to drain. The number tells one request from the next, so that a refusal that the console
/// still shows is none of this request. It is no secret: every process on the VM can read it.
pub fn request(now: Timestamp) -> String {
    format!("{WORD} {}", now.as_second())
}

/// Whether the console holds the guest's answer to this request that a job runs.
pub fn is_refused(console: &str, request: &str) -> bool {
    let refusal = format!("{request}: busy");
    console.lines().any(|line| line.trim_end().ends_with(&refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_counts_for_its_own_request() {
        let asked = request(Timestamp::UNIX_EPOCH + std::time::Duration::from_secs(1_000));
        assert_eq!(asked, "azlin-drain 1000");
        for (console, expected) in [
            ("[   15.9] azlin-runner[230]: azlin-drain 1000: busy\r\n", true),
            ("azlin-drain 1000: busy\nlogin:", true),
            ("[   15.9] azlin-runner[230]: azlin-drain 999: busy\n", false),
            ("azlin-drain 1000: busybody\n", false),
            ("azlin-drain 1000\n", false),
            ("", false),
        ] {
            assert_eq!(is_refused(console, &asked), expected, "{console:?}");
        }
    }
}
