//! `docs/http.md` against the cases: its tables have a rule, where it stands, and which cases test it.

use std::collections::BTreeSet;
use std::fs;

use super::format::Case;
use super::repository;

/// Every rule names cases that there are, and cites what they cite; every case is named by one rule.
pub fn check(cases: &[Case]) {
    let text = fs::read_to_string(repository().join("docs/http.md")).expect("read docs/http.md");
    let mut named = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with('|') && line.contains("-*`")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, cited, patterns] = cells.as_slice() else { panic!("three cells: {line}") };
        for pattern in patterns.split(", ") {
            let prefix = pattern.trim_matches('`').strip_suffix('*').expect("a pattern");
            let tests: Vec<&Case> = cases.iter().filter(|case| case.name.starts_with(prefix)).collect();
            assert!(!tests.is_empty(), "no case {pattern}: {line}");
            for case in tests {
                assert!(named.insert(&case.name), "{} belongs to two rules", case.name);
                assert_eq!(cited.split(", ").collect::<Vec<_>>(), sections(case), "{}", case.name);
            }
        }
    }
    let missing: Vec<&str> = cases
        .iter()
        .map(|case| case.name.as_str())
        .filter(|name| !named.contains(&(*name).to_owned()))
        .collect();
    assert!(missing.is_empty(), "docs/http.md does not name {missing:?}");
}

/// The sections of a case as the tables write them: `RFC 9112 §6.3`.
fn sections(case: &Case) -> Vec<String> {
    let section = |reference: &String| format!("RFC {}", reference.replacen(' ', " §", 1));
    case.rfc.iter().map(section).collect()
}
