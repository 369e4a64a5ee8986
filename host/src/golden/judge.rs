//! A case in all its ways: whole against what is expected, every other way against the whole.

use std::time::Duration;

use super::case::Case;
use super::cuts::{Way, ways};
use super::difference::Difference;
use super::runner::{Ending, Observed, Runner, Used};

/// How many simple cuts are tried to find one that fails as well.
const MAX_SIMPLER: usize = 512;

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Judged {
    /// `None`: it passed.
    pub fault: Option<Fault>,
    /// What the whole body came to.
    pub whole: Observed,
    /// In how many ways it was run.
    pub runs: usize,
    /// What a run took at the most; calls and processor time are the whole's.
    pub used: Used,
}

/// What is wrong with a case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The way in which it showed.
    pub way: Way,
    /// In lines.
    pub reason: String,
    /// Where the outputs part: expected or of the whole body, and got.
    pub difference: Option<Difference>,
}

/// Runs a case in all its ways, until one fails. `is_new` takes the whole body's output as the
/// expected one.
#[must_use]
pub fn judge(runner: &Runner, case: &Case, seed: u64, rounds: u32, is_new: bool) -> Judged {
    let body = case.bytes();
    let whole = runner.run(case, &Way::Whole.pieces(body));
    let mut judged = Judged { fault: compare(case, &whole, is_new), used: whole.used, runs: 1, whole };
    if judged.fault.is_some() {
        return judged;
    }
    // What leaves before a failure depends on how far the plugin had come: no rule for that.
    let is_output_ruled = judged.whole.ending == Ending::Clean;
    for way in ways(body, seed, rounds).into_iter().skip(1) {
        let observed = runner.run(case, &way.pieces(body));
        judged.runs += 1;
        judged.used = at_most(judged.used, observed.used);
        let Some(fault) = part(&judged.whole, &observed, way, is_output_ruled) else {
            continue;
        };
        // A cut in two that fails as well says more than hundreds of borders.
        let simpler = way
            .simpler(body, MAX_SIMPLER)
            .into_iter()
            .find_map(|way| part(&judged.whole, &runner.run(case, &way.pieces(body)), way, is_output_ruled));
        judged.fault = Some(simpler.unwrap_or(fault));
        return judged;
    }
    judged
}

/// The whole body's run against what the case says.
fn compare(case: &Case, observed: &Observed, is_new: bool) -> Option<Fault> {
    let expected = &case.expected;
    let fault = |reason: String, difference| Some(Fault { way: Way::Whole, reason, difference });
    match (&observed.ending, &expected.fails) {
        (Ending::Endless(reason), _) => return fault(reason.clone(), None),
        (Ending::Failed { reason, .. }, None) => return fault(reason.clone(), None),
        (Ending::Failed { kind, reason }, Some(expected)) if kind != expected => {
            return fault(format!("it was to fail by {expected}, and failed by {kind}: {reason}"), None);
        }
        (Ending::Clean, Some(expected)) => {
            return fault(format!("it was to fail by {expected}, and did not fail"), None);
        }
        (Ending::Clean, None) | (Ending::Failed { .. }, Some(_)) => {}
    }
    if let (Some(status), got) = (expected.status, observed.status)
        && got != Some(status)
    {
        let got = got.map_or_else(|| "there was none".to_owned(), |got| format!("it was {got}"));
        return fault(format!("the status was to be {status}, and {got}"), None);
    }
    for (name, value) in &expected.response {
        let name = name.to_ascii_lowercase();
        let got = observed.fields.iter().find(|(other, _)| *other == name).map(|(_, got)| got);
        if got != Some(value) {
            let got = got.map_or_else(|| "was not set".to_owned(), |got| format!("was {got:?}"));
            return fault(format!("the field {name} was to be {value:?}, and {got}"), None);
        }
    }
    match &expected.output {
        _ if is_new => None,
        Some(output) => {
            let difference = Difference::between(output, &observed.output)?;
            fault("the output".to_owned(), Some(difference))
        }
        None if expected.status.is_some() || !expected.response.is_empty() || expected.fails.is_some() => {
            None
        }
        None => fault(format!("there is no {}.out (--bless writes it)", case.name), None),
    }
}

/// Another way's run against the whole body's.
fn part(whole: &Observed, observed: &Observed, way: Way, is_output_ruled: bool) -> Option<Fault> {
    let fault = |reason: String, difference| Some(Fault { way, reason, difference });
    match (&whole.ending, &observed.ending) {
        (_, Ending::Endless(reason)) => return fault(reason.clone(), None),
        (Ending::Failed { kind: one, .. }, Ending::Failed { kind: other, .. }) if one == other => {}
        (Ending::Clean, Ending::Clean) => {}
        (Ending::Clean, Ending::Failed { reason, .. }) => return fault(reason.clone(), None),
        (Ending::Failed { kind, .. }, _) => {
            return fault(format!("whole, it fails by {kind}; cut, it does not"), None);
        }
        (Ending::Endless(_), _) => return None,
    }
    if !is_output_ruled {
        return None;
    }
    if whole.status != observed.status || whole.fields != observed.fields {
        return fault("the response head depends on where the body is cut".to_owned(), None);
    }
    let difference = Difference::between(&whole.output, &observed.output)?;
    fault("the output depends on where the body is cut: it".to_owned(), Some(difference))
}

/// The first one's calls and processor time, the larger of the rest.
fn at_most(whole: Used, other: Used) -> Used {
    let longest = |used: Used| used.longest_call.unwrap_or(Duration::MAX);
    let longest_call = if longest(other) > longest(whole) { other.longest_call } else { whole.longest_call };
    Used { memory: whole.memory.max(other.memory), longest_call, ..whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::case::Expected;
    use crate::http::method::Method;
    use crate::plugin::{Code, Engine, EngineOptions, Plugin, Settings};

    /// Capitals for what begins a word, and a memory for that from chunk to chunk, or none.
    fn capitals(remembers: bool) -> String {
        let forget = if remembers { "" } else { "(global.set $in (i32.const 0))" };
        format!(
            r#"(module
                (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
                (memory (export "memory") 2)
                (global $in (mut i32) (i32.const 0))
                (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
                (func (export "on_chunk") (param $at i32) (param $length i32) (result i32)
                    (local $end i32)
                    {forget}
                    (local.set $end (i32.add (local.get $at) (local.get $length)))
                    (loop $next
                        (if (i32.eqz (global.get $in))
                            (then (i32.store8 (local.get $at) (i32.and (i32.load8_u (local.get $at)) (i32.const 0xdf)))))
                        (global.set $in (i32.gt_u (i32.load8_u (local.get $at)) (i32.const 32)))
                        (local.set $at (i32.add (local.get $at) (i32.const 1)))
                        (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
                    (if (i32.eq (i32.load8_u (i32.sub (local.get $at) (i32.const 1))) (i32.const 33)) (then unreachable))
                    (drop (call $emit (i32.sub (local.get $at) (local.get $length)) (local.get $length)))
                    (i32.const 0)))"#
        )
    }

    fn runner(text: &str) -> Runner {
        let engine = Engine::new(&EngineOptions { max_instances: 1 }).unwrap();
        let code = Code::load(&engine, text.as_bytes(), None).unwrap();
        let plugin = Plugin::new(&engine, "p", code, Settings::default()).unwrap();
        Runner::new(plugin, Duration::from_secs(10)).unwrap()
    }

    fn case(body: &str, output: Option<&str>) -> Case {
        let output = output.map(|text| text.as_bytes().to_vec());
        Case {
            name: "c".to_owned(),
            body: Some(body.as_bytes().to_vec()),
            method: Method::Post,
            target: None,
            fields: std::collections::BTreeMap::new(),
            expected: Expected { output, ..Expected::default() },
            output_file: "c.out".into(),
        }
    }

    #[test]
    fn a_plugin_that_remembers_passes() {
        let runner = runner(&capitals(true));
        let judged = judge(&runner, &case("two words\n", Some("Two Words\n")), 1, 5, false);
        assert_eq!(judged.fault, None);
        // Whole, nine cuts in two, lines, odd, bytes, random.
        assert_eq!((judged.runs, judged.used.calls), (1 + 9 + 3 + 5, 2));
        assert_eq!(judged.used.memory, 128 * 1024);
        let fault = judge(&runner, &case("a", Some("B")), 1, 5, false).fault.unwrap();
        assert_eq!((fault.way, fault.difference.unwrap().offset), (Way::Whole, 0));
        assert!(judge(&runner, &case("a", None), 1, 5, false).fault.unwrap().reason.contains("--bless"));
        assert_eq!(judge(&runner, &case("a", None), 1, 5, true).fault, None);
    }

    #[test]
    fn a_plugin_that_forgets_is_shown_the_smallest_cut() {
        let runner = runner(&capitals(false));
        let fault = judge(&runner, &case("two words", Some("Two Words")), 1, 5, false).fault.unwrap();
        assert_eq!((fault.way, fault.difference.unwrap().offset), (Way::Two(1), 1));
        let (long, expected) = (format!("{} b\n", "Aaaa".repeat(50)), format!("{} B\n", "Aaaa".repeat(50)));
        // A long one is not cut at every place; the cut that is shown is a simple one all the same.
        let fault = judge(&runner, &case(&long, Some(&expected)), 1, 5, false).fault.unwrap();
        assert!(matches!(fault.way, Way::Two(_)), "{:?}", fault.way);
    }

    #[test]
    fn failures_are_expected_or_not() {
        let runner = runner(&capitals(true));
        let trap = |case: Case| Case {
            expected: Expected { fails: Some("trap".to_owned()), ..case.expected },
            ..case
        };
        assert!(judge(&runner, &case("a!", Some("A!")), 1, 5, false).fault.unwrap().reason.contains("trap"));
        assert_eq!(judge(&runner, &trap(case("ab!", None)), 1, 5, false).fault, None);
        let fault = judge(&runner, &trap(case("ab", None)), 1, 5, false).fault.unwrap();
        assert_eq!(fault.reason, "it was to fail by trap, and did not fail");
        // Only a cut behind the mark shows it.
        let fault = judge(&runner, &case("ab!c", Some("Ab!c")), 1, 5, false).fault.unwrap();
        assert_eq!(fault.way, Way::Two(3));
    }
}
