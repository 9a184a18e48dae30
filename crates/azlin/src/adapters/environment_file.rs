//! The file with the service's environment, as systemd reads it (`EnvironmentFile=`): `NAME=value` on each line, with
//! quotes where they are wanted, and comments after `#` or `;`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use azlin_daemon::bounded_file::read_text;
use secrecy::SecretString;

/// The variables of a file.
#[derive(Default)]
pub struct EnvironmentFile(BTreeMap<String, SecretString>);

impl EnvironmentFile {
    /// Reads the file. What is not there holds nothing, and what cannot be read is reported.
    pub fn read(path: &Path) -> Self {
        match read_text(path) {
            Ok(text) => EnvironmentFile::parse(&text),
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    let path = path.display();
                    tracing::warn!(%path, reason = %error, "the service's environment {path} cannot be read, so what it holds is not used: {error}");
                }
                EnvironmentFile::default()
            }
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    fn parse(text: &str) -> Self {
        // A line that ends in a backslash goes on.
        let text = text.replace("\\\r\n", "").replace("\\\n", "");
        let is_comment = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
        let pairs = text.lines().map(str::trim).filter(is_comment).filter_map(|line| line.split_once('='));
        EnvironmentFile(
            pairs.map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim()).into())).collect(),
        )
    }
}

/// A value without its quotes: in single ones all stands for itself, elsewhere a backslash takes the meaning of the next
/// character.
fn unquoted(value: &str) -> String {
    let (mut plain, mut quote, mut chars) = (String::new(), None, value.chars());
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => plain.extend(chars.next()),
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn it_is_read_as_systemd_reads_it() {
        let text = "# a comment\n; another\n\nA=1\nB = two words \nC=\"a \\\"b\\\" 'c'\"\nD='\\x \"y\"'\nE=x\\\ny\nF=\nG=a=b\n\
                    H=\"#no comment\"\nno assignment\nA=2\n";
        let file = EnvironmentFile::parse(text);
        let values: BTreeMap<&str, &str> =
            file.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        let expected = BTreeMap::from([
            ("A", "2"),
            ("B", "two words"),
            ("C", "a \"b\" 'c'"),
            ("D", "\\x \"y\""),
            ("E", "xy"),
            ("F", ""),
            ("G", "a=b"),
            ("H", "#no comment"),
        ]);
        assert_eq!(values, expected);
    }
}
