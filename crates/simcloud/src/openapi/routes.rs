//! Which path of the description a request matches.

use serde_json::Value;

/// Every route: its method, and its path with the names of parameters.
pub(super) struct Routes(Vec<(String, String)>);

/// The route that a request matches.
pub(super) struct MatchedRoute<'r> {
    /// The path with the names of parameters, as `/repos/{owner}/{repo}`.
    pub(super) template: &'r str,
    /// The parameters of the path, by name.
    pub(super) parameters: Vec<(&'r str, String)>,
}

impl Routes {
    pub(super) fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let routes = paths.flat_map(|(template, operations)| {
            let methods = operations.as_object().into_iter().flatten();
            methods.map(|(method, _)| (method.to_ascii_uppercase(), template.clone()))
        });
        Routes(routes.collect())
    }

    /// The matching route with the fewest parameters: `runners/downloads` before `runners/{runner_id}`.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<MatchedRoute<'_>> {
        let routes = self.0.iter().filter(|(of, _)| of == method);
        let found = routes.filter_map(|(_, template)| {
            Some(MatchedRoute { template, parameters: parameters(template, path)? })
        });
        found.min_by_key(|found| found.parameters.len())
    }
}

fn parameters<'r>(template: &'r str, path: &str) -> Option<Vec<(&'r str, String)>> {
    let (wanted, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != given.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (wanted, given) in wanted.into_iter().zip(given) {
        match wanted.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) if !given.is_empty() => parameters.push((name, given.to_owned())),
            None if wanted == given => {}
            _ => return None,
        }
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_goes_before_a_parameter() {
        let routes = ["/runners/{id}", "/runners/downloads", "/runners"];
        let routes = Routes(routes.map(|template| ("GET".to_owned(), template.to_owned())).to_vec());
        let rows = [
            ("/runners", Some("/runners")),
            ("/runners/7", Some("/runners/{id}")),
            ("/runners/downloads", Some("/runners/downloads")),
            ("/runners/", None),
            ("/runners/7/labels", None),
        ];
        for (path, expected) in rows {
            assert_eq!(routes.find("GET", path).map(|found| found.template), expected, "{path}");
        }
        assert!(routes.find("POST", "/runners").is_none());
    }
}
