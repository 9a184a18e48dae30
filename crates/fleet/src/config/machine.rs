//! What `[bootstrap]` gives a VM beside the runner: a setup script, Docker, groups, an environment, hooks, a proxy.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use serde::Serialize;
use toml::de::DeValue;
use url::Url;

use super::reader::{Table, flag, text};
use super::value::duration;
use super::variable;
use super::vm::spelled;

/// The most bytes that a VM may get beside the runner, as its custom data has them. Azure allows 65,535 bytes for all of
/// it; what makes the VM a runner needs the rest.
pub const ROOM: usize = 12 * 1024;

/// Reads a file by the path that a fleet's file gives; or why it cannot be read.
pub type ReadNamed<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// The files that a fleet's file names.
#[derive(Clone, Copy)]
pub enum NamedFiles<'a> {
    /// They are not looked at, only the keys are: their content is empty.
    Unread,
    /// They are read.
    Read(ReadNamed<'a>),
}

/// A file that a fleet's file names.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NamedFile {
    /// The path, as the fleet's file has it.
    pub path: String,
    /// The content.
    pub content: String,
}

impl NamedFile {
    /// Whether YAML takes each byte of a text as it is.
    pub fn is_plain(content: &str) -> bool {
        content.bytes().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
    }

    /// The bytes of a text in custom data: quoted as JSON, or in base64.
    fn written(content: &str) -> usize {
        if NamedFile::is_plain(content) {
            let is_quoted = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b'"' | b'\\');
            content.len() + content.as_bytes().iter().filter(|byte| is_quoted(byte)).count()
        } else {
            content.len().div_ceil(3) * 4
        }
    }
}

// A script is long, and belongs in no log.
impl fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({} bytes)", self.path, self.content.len())
    }
}

/// How a VM reaches the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProxyConfig {
    /// The proxy's address.
    pub url: String,
    /// Hosts that are reached without the proxy, beside the VM itself and Azure's services on it.
    pub bypass: Vec<String>,
}

/// What a VM gets beside the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MachineConfig {
    /// The script that runs as root before the runner starts.
    pub setup: Option<NamedFile>,
    /// The time limit of the script, with what is installed before it. It shapes no VM that is there.
    #[serde(skip)]
    pub setup_timeout: Duration,
    /// Whether Docker is there, and the jobs may use it.
    pub docker: bool,
    /// Whether jobs may become root.
    pub sudo: bool,
    /// Further groups of the account that jobs run as.
    pub user_groups: Vec<String>,
    /// Variables of the runner and its jobs.
    pub environment: BTreeMap<String, String>,
    /// The script that runs before each job.
    pub job_started: Option<NamedFile>,
    /// The script that runs after each job.
    pub job_completed: Option<NamedFile>,
    /// The proxy.
    pub proxy: Option<ProxyConfig>,
    /// Certificates that the VM trusts in addition to those of its image, as PEM.
    pub ca_file: Option<NamedFile>,
}

impl Default for MachineConfig {
    fn default() -> Self {
        MachineConfig {
            setup: None,
            setup_timeout: Duration::from_secs(300),
            docker: false,
            sudo: false,
            user_groups: Vec::new(),
            environment: BTreeMap::new(),
            job_started: None,
            job_completed: None,
            proxy: None,
            ca_file: None,
        }
    }
}

impl MachineConfig {
    /// Whether the VM gets nothing beside the runner.
    pub fn is_plain(&self) -> bool {
        let MachineConfig { setup_timeout, .. } = *self;
        *self == MachineConfig { setup_timeout, ..MachineConfig::default() }
    }

    /// The bytes that all of it takes in custom data, without the names of files.
    pub fn size(&self) -> usize {
        let files: usize = self.files().map(|(_, file)| NamedFile::written(&file.content)).sum();
        let variable = |(name, value): (&String, &String)| NamedFile::written(&format!("{name}={value}\n"));
        let environment: usize = self.environment.iter().map(variable).sum();
        let groups: usize = self.user_groups.iter().map(|group| group.len() + " group:".len()).sum();
        let hosts: usize = self.proxy.iter().flat_map(|proxy| &proxy.bypass).map(|host| host.len() + 1).sum();
        files + environment + groups + hosts
    }

    /// The files, each with its key.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &NamedFile)> {
        [
            ("setup", &self.setup),
            ("job_started", &self.job_started),
            ("job_completed", &self.job_completed),
            ("ca_file", &self.ca_file),
        ]
        .into_iter()
        .filter_map(|(key, file)| Some((key, file.as_ref()?)))
    }
}

/// Where keys are that depend on others.
pub(super) struct MachineSpans {
    pub(super) setup_timeout: Option<Range<usize>>,
    /// The place of the largest part of the custom data.
    pub(super) largest: Option<(&'static str, Range<usize>)>,
}

/// Reads the keys of the table that this module is about. Without its key, `setup_timeout` is half of `boot_timeout`.
pub(super) fn read(
    table: &mut Table<'_, '_>,
    files: NamedFiles<'_>,
    boot_timeout: Duration,
) -> (MachineConfig, MachineSpans) {
    let mut sizes: Vec<(usize, &'static str, Range<usize>)> = Vec::new();
    let mut named = |table: &mut Table<'_, '_>, key, fits: fn(&NamedFile) -> Result<(), String>| {
        let (file, span) = named_file(table, key, files, fits)?;
        sizes.push((file.content.len(), key, span));
        Some(file)
    };
    let setup = named(table, "setup", is_script);
    let job_started = named(table, "job_started", is_hook);
    let job_completed = named(table, "job_completed", is_hook);
    let ca_file = named(table, "ca_file", is_pem);
    let limit = table.spanned("setup_timeout", duration(1));
    let environment = table.table("environment");
    let environment_span = environment.span();
    let environment = environment.chosen(variable::read);
    let bytes = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
    sizes.push((bytes, "environment", environment_span));
    let config = MachineConfig {
        setup,
        setup_timeout: limit.as_ref().map_or(boot_timeout / 2, |(limit, _)| *limit),
        docker: table.or("docker", false, flag),
        sudo: table.or("sudo", false, flag),
        user_groups: table.list("user_groups", group).map_or_else(Vec::new, |(groups, _)| groups),
        environment,
        job_started,
        job_completed,
        proxy: proxy(table),
        ca_file,
    };
    let largest = sizes.into_iter().max_by_key(|(size, ..)| *size).filter(|(size, ..)| *size > 0);
    let largest = largest.map(|(_, key, span)| (key, span));
    (config, MachineSpans { setup_timeout: limit.map(|(_, span)| span), largest })
}

fn named_file(
    table: &mut Table<'_, '_>,
    key: &'static str,
    files: NamedFiles<'_>,
    fits: fn(&NamedFile) -> Result<(), String>,
) -> Option<(NamedFile, Range<usize>)> {
    let (path, span) = table.spanned(key, text)?;
    let NamedFiles::Read(read) = files else {
        return Some((NamedFile { path, content: String::new() }, span));
    };
    let file = match read(&path) {
        Ok(content) => NamedFile { path, content },
        Err(why) => {
            let help = "give the path of a file, beside this one or from the root, that the daemon may read";
            table.conflict(span, key, format!("{path:?} cannot be read: {why}"), Some(help.to_owned()));
            return None;
        }
    };
    let is_clean = if file.content.contains('\0') { Err("it holds a zero byte".to_owned()) } else { Ok(()) };
    if let Err(why) = is_clean.and_then(|()| fits(&file)) {
        let message = format!("{:?} is not what this key needs: {why}", file.path);
        table.conflict(span, key, message, Some("correct that file, or name another one".to_owned()));
        return None;
    }
    Some((file, span))
}

/// The kernel starts what its first line names, so that line has an end of its own kind.
fn is_script(file: &NamedFile) -> Result<(), String> {
    let first = file.content.split('\n').next().unwrap_or_default();
    if !first.strip_prefix("#!").is_some_and(|program| program.trim_start().starts_with('/')) {
        return Err(
            "allowed: a script whose first line names its interpreter, such as #!/bin/bash".to_owned()
        );
    }
    if first.ends_with('\r') {
        return Err("its lines end with CR LF, as on Windows; allowed: LF alone".to_owned());
    }
    Ok(())
}

/// The runner chooses the interpreter of a hook by the ending of its name (actions/runner: HostContext.cs,
/// `GetDefaultShellForScript`).
fn is_hook(file: &NamedFile) -> Result<(), String> {
    if ![".sh", ".ps1", ".js"].iter().any(|ending| file.path.ends_with(ending)) {
        return Err("allowed: a name that ends in .sh, .ps1 or .js, by which the runner knows the language"
            .to_owned());
    }
    if file.content.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(())
}

fn is_pem(file: &NamedFile) -> Result<(), String> {
    let holds = |kind: &str, what: &str| file.content.contains(&format!("-----{kind} {what}-----"));
    if file.content.contains("PRIVATE KEY-----") {
        return Err("it holds a private key, which belongs on no VM; allowed: certificates as PEM".to_owned());
    }
    match holds("BEGIN", "CERTIFICATE") && holds("END", "CERTIFICATE") {
        true => Ok(()),
        false => Err("allowed: certificates as PEM, -----BEGIN CERTIFICATE-----".to_owned()),
    }
}

/// A group as `useradd` allows it.
fn group(value: &DeValue<'_>) -> Result<String, String> {
    spelled(value, "a group's name: 1 to 32 of a-z 0-9 _ -, beginning with a letter or _; not root", |text| {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        (1..=32).contains(&text.len())
            && text.chars().all(valid)
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && text != "root"
    })
}

fn proxy(table: &mut Table<'_, '_>) -> Option<ProxyConfig> {
    let url = table.optional("proxy", proxy_url);
    let bypass = table.list("no_proxy", host);
    match (url, bypass) {
        (Some(url), bypass) => {
            Some(ProxyConfig { url, bypass: bypass.map_or_else(Vec::new, |(hosts, _)| hosts) })
        }
        (None, Some((_, span))) => {
            let message = "hosts without a proxy, and there is no proxy".to_owned();
            table.conflict(span, "no_proxy", message, Some("set proxy too, or remove this line".to_owned()));
            None
        }
        (None, None) => None,
    }
}

/// The address of a proxy. Its characters have no meaning to a shell, apt or systemd.
fn proxy_url(value: &DeValue<'_>) -> Result<String, String> {
    let allowed = "an address such as \"http://proxy.example:3128\", without user, path or query; a password belongs in no \
                   file, so let the proxy know the VMs by their subnet";
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let found = value.as_str().and_then(|text| Url::parse(text).ok()).filter(is_plain);
    let spelled = found.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let is_harmless = |text: &String| text.chars().all(|c| c.is_ascii_alphanumeric() || ":/.-[]".contains(c));
    spelled.filter(is_harmless).ok_or_else(|| allowed.to_owned())
}

/// A host of `no_proxy`, as curl and the runner read them.
fn host(value: &DeValue<'_>) -> Result<String, String> {
    let allowed = "a host, a domain with a point before it, or an address: \"ghes.example\", \".internal.example\", \
                   \"10.0.0.0/8\", or \"*\"";
    spelled(value, allowed, |text| {
        text == "*"
            || (1..=255).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-:/_".contains(c))
    })
}

#[cfg(test)]
mod tests;
