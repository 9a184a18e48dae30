//! What a VM on standby is told when a runner is needed, as it reads it from its metadata service.

use secrecy::{ExposeSecret, SecretString};

use super::jit_config::without_updates;
use crate::model::RunnerRegistration;

/// The word that the guest looks for.
const WORD: &str = "azlin-run";

/// The text that makes the VM this runner: the runner's id, its name and its JIT configuration. Every process on the VM
/// can read it until it is removed. A job's process can read as much of its own runner's files.
pub fn order(runner: &RunnerRegistration) -> SecretString {
    let jit = without_updates(runner.encoded_jit_config.expose_secret());
    SecretString::from(format!("{WORD} {} {} {jit}", runner.runner_id, runner.runner_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RunnerId, RunnerName};

    #[test]
    fn it_is_one_line_of_four_words() {
        let runner_name = RunnerName::new(&"ci".parse().expect("valid"), crate::fixture::at(0), 1);
        let order = order(&RunnerRegistration {
            runner_id: RunnerId(7),
            runner_name: runner_name.clone(),
            encoded_jit_config: SecretString::from("SECRETBLOB".to_owned()),
        });
        assert_eq!(order.expose_secret(), format!("azlin-run 7 {runner_name} SECRETBLOB"));
    }
}
