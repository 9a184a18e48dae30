//! Takes names and secrets out of a report, so that it can be shown to others.
//!
//! What the configuration and the rehearsal know is replaced wherever it stands as a whole word, in any case. What only
//! looks like an id, an address, a host or a secret is replaced too. Azure's and GitHub's own words stay.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::config::Fleet;
use crate::model::{Image, Scope, redact};
use crate::rehearsal::RehearsalPlan;

/// Names and what stands for them, the longest first.
#[derive(Debug, Clone)]
pub struct Cleaner(Vec<(String, &'static str)>);

/// What looks like an id, an address, a host or a secret, also of others.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
static LOOKS_LIKE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
          (?<resource> (?i:/subscriptions/) [^\s"'<>,;|]+ )
        | (?<key> (?:ssh-[a-z0-9]+|ecdsa-[a-z0-9-]+) \s+ [A-Za-z0-9+/=]+ )
        | (?<mail> [A-Za-z0-9._%+\-]+ @ [A-Za-z0-9.\-]+ )
        | (?<url> (?i:[a-z][a-z0-9+.\-]*) :// [^\s"'<>,;|]+ )
        | (?<id> [0-9a-fA-F]{8} - [0-9a-fA-F]{4} - [0-9a-fA-F]{4} - [0-9a-fA-F]{4} - [0-9a-fA-F]{12} )
        | (?<v6> \b (?: [0-9a-fA-F]{1,4} : ){3,7} (?: :? [0-9a-fA-F]{1,4} )? )
        | (?<v4> \b [0-9]{1,3} (?: \. [0-9]{1,3} ){3} \b )
        | (?<host> \b [A-Za-z0-9\-]+ (?: \. [A-Za-z0-9\-]+ )* \. (?i: azure\.com | windows\.net | azure\.cn | usgovcloudapi\.net
              | chinacloudapi\.cn | onmicrosoft\.com | azure\.us | local | internal | corp | lan ) \b )
        | (?<hex> [0-9a-fA-F]{16,} )
        | (?<long> [A-Za-z0-9+/_\-]{48,} =* )
        "#,
    )
    .expect("a pattern")
});

/// Stands for a name until all patterns have been tried, so that no placeholder is taken for a name.
const MARKS: char = '\u{e000}';

impl Cleaner {
    /// Takes out what a rehearsal and its fleet are called. `hosts` are those that the daemon's file names.
    pub fn of(plan: &RehearsalPlan, hosts: &[String]) -> Self {
        let fleet = &plan.fleet;
        let mut names = Vec::new();
        let mut add = |name: &str, placeholder: &'static str| {
            // A single letter names nobody, and stands in many words.
            if name.chars().filter(|c| c.is_alphanumeric()).count() > 1 {
                names.push((name.to_lowercase(), placeholder));
            }
        };
        add(plan.runner.as_str(), "<runner>");
        add(fleet.name.as_str(), "<pool>");
        let group = &fleet.vm.group;
        add(&group.subscription_id, "<subscription>");
        add(&group.name, "<group>");
        scope(&fleet.scope, &mut add);
        fleet.repositories.iter().for_each(|pattern| add(&pattern.to_string(), "<repositories>"));
        fleet.runner_group.iter().for_each(|name| add(name, "<runner group>"));
        fleet.credential.iter().for_each(|name| add(name.as_str(), "<credential>"));
        own_labels(fleet).for_each(|label| add(label, "<label>"));
        add(&fleet.vm.admin_user, "<user>");
        for (name, value) in &fleet.vm.tags {
            add(name, "<tag>");
            add(value, "<value>");
        }
        let of_regions = fleet.vm.in_each_region();
        let regions = of_regions.iter().flat_map(|vm| [Some(&vm.subnet_id), vm.nsg_id.as_ref()]).flatten();
        for id in regions.chain(&fleet.vm.identity).chain(image_id(&fleet.vm.image)) {
            segments(id).for_each(|segment| add(segment, "<name>"));
        }
        hosts.iter().for_each(|host| add(host, "<host>"));
        add(&fleet.github, "<host>");
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Cleaner(names)
    }

    /// The text without them.
    pub fn clean(&self, text: &str) -> String {
        let text: String = text.chars().filter(|c| !is_mark(*c)).collect();
        let text = redact::secrets(&text).into_owned();
        let text = self.mark(&text);
        let text = LOOKS_LIKE.replace_all(&text, |found: &Captures<'_>| {
            let is = |name| found.name(name).is_some();
            let words = [
                ("resource", "<resource id>"),
                ("key", "<key>"),
                ("mail", "<mail>"),
                ("url", "<url>"),
                ("v4", "<address>"),
                ("v6", "<address>"),
                ("host", "<host>"),
                ("id", "<id>"),
                ("hex", "<hex>"),
                ("long", "<long text>"),
            ];
            words.iter().find(|(name, _)| is(*name)).map_or("<?>", |(_, word)| *word).to_owned()
        });
        let word = |c: char| Some(self.0.get((c as usize).checked_sub(MARKS as usize)?)?.1);
        text.chars().map(|c| word(c).map_or_else(|| c.to_string(), str::to_owned)).collect()
    }

    /// The text with a mark for each known name that stands as a whole word.
    fn mark(&self, text: &str) -> String {
        let mut marked = String::with_capacity(text.len());
        let (mut rest, mut before) = (text, ' ');
        while let Some(first) = rest.chars().next() {
            let found = (!before.is_alphanumeric()).then(|| self.at_start(rest)).flatten();
            if let Some((mark, length)) = found {
                marked.push(mark);
                (rest, before) = (&rest[length..], ' ');
            } else {
                marked.push(first);
                (rest, before) = (&rest[first.len_utf8()..], first);
            }
        }
        marked
    }

    /// The longest name that the text begins with, as its mark, and its length in the text.
    fn at_start(&self, text: &str) -> Option<(char, usize)> {
        let fits = |name: &str| {
            let start = text.get(..name.len())?;
            let ends = !text[name.len()..].starts_with(char::is_alphanumeric);
            (ends && start.to_lowercase() == name).then_some(name.len())
        };
        let marks = (MARKS as u32..).map_while(char::from_u32);
        self.0.iter().zip(marks).find_map(|((name, _), mark)| Some((mark, fits(name)?)))
    }
}

/// The characters of Unicode's private use area.
fn is_mark(c: char) -> bool {
    ('\u{e000}'..='\u{f8ff}').contains(&c)
}

fn scope(scope: &Scope, add: &mut impl FnMut(&str, &'static str)) {
    match scope {
        Scope::Repo(repo) => {
            add(&repo.to_string(), "<owner>/<repository>");
            add(repo.owner(), "<owner>");
            let all = repo.to_string();
            add(all.rsplit('/').next().unwrap_or_default(), "<repository>");
        }
        Scope::Org(org) => add(org.as_str(), "<organisation>"),
        Scope::Enterprise(slug) => add(slug.as_str(), "<enterprise>"),
    }
}

fn own_labels(fleet: &Fleet) -> impl Iterator<Item = &str> {
    fleet.labels.iter().map(crate::model::Label::as_str)
}

fn image_id(image: &Image) -> Option<&String> {
    match image {
        Image::Id(id) => Some(id),
        Image::Marketplace { .. } => None,
    }
}

/// The names in a resource's id: every second segment, without the names of resource providers.
fn segments(id: &str) -> impl Iterator<Item = &str> {
    let words = id.trim_matches('/').split('/').skip(1).step_by(2);
    words.filter(|word| !word.to_ascii_lowercase().starts_with("microsoft."))
}

#[cfg(test)]
mod tests;
