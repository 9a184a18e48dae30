//! Keys that stand in the wrong table.

/// Where a misplaced key belongs, as a sentence.
pub(super) fn elsewhere(known: &[(String, &'static str)], path: &str) -> Option<String> {
    let key = path.rsplit('.').next()?;
    let (table, _) = known.iter().find(|(_, known)| *known == key)?;
    let is_table = known.iter().any(|(table, _)| table == key);
    Some(match table.as_str() {
        "" if is_table => format!("it belongs at the top level: [{key}]"),
        "" => "it belongs at the top level, above the first table".to_owned(),
        table => format!("it belongs in [{table}]"),
    })
}
