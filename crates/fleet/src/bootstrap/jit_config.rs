//! The JIT configuration of a runner: base64 of a JSON object, whose values are files in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The setting of `.runner` that a listener sends with each poll (actions/runner: ConfigurationStore.cs).
/// GitHub knows it only from `config.sh --disableupdate`, and a JIT configuration never has it.
const SETTING: &str = "DisableUpdate";

/// The same configuration for a runner that does not update itself: an update in the middle of its life costs
/// a minute, and the VM has the newest version. What cannot be read stays as it is.
pub fn without_updates(encoded: &str) -> String {
    changed(encoded).unwrap_or_else(|| encoded.to_owned())
}

fn changed(encoded: &str) -> Option<String> {
    let mut files: Value = serde_json::from_slice(&STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let file = files.as_object_mut()?.get_mut(".runner")?;
    let text = String::from_utf8(STANDARD.decode(file.as_str()?).ok()?).ok()?;
    let mut settings: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()?;
    let settings_map = settings.as_object_mut()?;
    // The listener reads names in any case.
    settings_map.retain(|name, _| !name.eq_ignore_ascii_case(SETTING));
    settings_map.insert(SETTING.to_owned(), Value::Bool(true));
    *file = Value::String(STANDARD.encode(settings.to_string()));
    Some(STANDARD.encode(files.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(text: &str) -> Value {
        serde_json::from_slice(&STANDARD.decode(text).expect("base64")).expect("JSON")
    }

    fn encoded(runner: &str) -> String {
        let files = json!({".runner": STANDARD.encode(runner), ".credentials": STANDARD.encode("{}")});
        STANDARD.encode(files.to_string())
    }

    #[test]
    fn a_runner_is_told_not_to_update_itself_and_nothing_else_changes() {
        for runner in [
            r#"{"AgentId":7,"UseV2Flow":true}"#,
            "\u{feff}{\"AgentId\":7,\"UseV2Flow\":true}",
            r#"{"AgentId":7,"UseV2Flow":true,"disableUpdate":false}"#,
        ] {
            let files = decoded(&without_updates(&encoded(runner)));
            assert_eq!(files[".credentials"], STANDARD.encode("{}"), "{runner}");
            let settings = decoded(files[".runner"].as_str().expect("a text"));
            assert_eq!(settings, json!({"AgentId": 7, "UseV2Flow": true, "DisableUpdate": true}), "{runner}");
        }
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_is() {
        let no_json = STANDARD.encode("no JSON");
        for odd in ["SECRETBLOB", "", &no_json, &STANDARD.encode("{}"), &encoded("[]"), &encoded("no JSON")] {
            assert_eq!(without_updates(odd), odd);
        }
    }
}
