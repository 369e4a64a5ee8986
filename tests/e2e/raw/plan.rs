//! In which pieces a case is sent.

use super::format::{Case, Step};
use crate::harness::Random;

/// Up to this many bytes a case is cut at every one of them …
const SHORT: usize = 400;

/// … and a longer one around the bytes that structure it, so many at the most, spread evenly …
const STRUCTURAL_CUTS: usize = 120;

/// … and at so many other places.
const OTHER_CUTS: usize = 24;

/// How often a case is cut at several random places.
const RANDOM_PLANS: usize = 4;

/// What a connection does, piece by piece.
#[derive(Clone, Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// For the one who reads a failure.
    pub label: String,
}

/// All plans for a case with `behind` sent behind it, if it is one where anything may be.
pub fn plans(case: &Case, behind: &[u8], random: &mut Random) -> Vec<Plan> {
    let length = case.input().len();
    let mut all = vec![
        plan(case, &[], behind, "whole"),
        // The probe may be in the same piece as the end of the case.
        plan(case, &[length], behind, "whole, then the probe"),
    ];
    for place in cuts(&case.input(), random) {
        all.push(plan(case, &[place, length], behind, &format!("cut at {place}")));
    }
    let most = (length / 40).max(1);
    let every: Vec<usize> = (1..=length).step_by(most).chain([length]).collect();
    all.push(plan(case, &every, behind, &format!("{most} at a time")));
    for number in 0..RANDOM_PLANS {
        let mut places: Vec<usize> = (0..1 + random.below(8)).map(|_| random.below(length + 1)).collect();
        places.sort_unstable();
        all.push(plan(case, &places, behind, &format!("random {number}: {places:?}")));
    }
    if length <= SHORT {
        let every: Vec<usize> = (1..=length).collect();
        all.push(plan(case, &every, behind, "byte by byte"));
    }
    all
}

/// The places at which a case is cut in two.
fn cuts(input: &[u8], random: &mut Random) -> Vec<usize> {
    if input.len() <= SHORT {
        return (1..input.len()).collect();
    }
    let is_structural = |place: &usize| {
        let around = [input[place - 1], input[*place]];
        around.iter().any(|byte| b"\r\n:; ".contains(byte)) && around[0] != around[1]
    };
    let structural: Vec<usize> = (1..input.len()).filter(is_structural).collect();
    let step = structural.len().div_ceil(STRUCTURAL_CUTS).max(1);
    let others = (0..OTHER_CUTS).map(|_| 1 + random.below(input.len() - 1));
    structural.iter().copied().step_by(step).chain(others).collect()
}

/// The steps of a case, its bytes (and those behind it) cut at these places.
fn plan(case: &Case, places: &[usize], behind: &[u8], label: &str) -> Plan {
    let mut steps = Vec::new();
    let mut at = 0;
    let mut cut = |bytes: &[u8], steps: &mut Vec<Step>| {
        let mut begin = 0;
        let inner = places.iter().filter(|place| (at + 1..at + bytes.len()).contains(place));
        for end in inner.map(|place| place - at).chain([bytes.len()]) {
            if end > begin {
                steps.push(Step::Send(bytes[begin..end].to_vec()));
                begin = end;
            }
        }
        at += bytes.len();
    };
    let last = case.steps.len() - 1;
    for (index, step) in case.steps.iter().enumerate() {
        match step {
            Step::Send(bytes) if index == last => cut(&[bytes, behind].concat(), &mut steps),
            Step::Send(bytes) => cut(bytes, &mut steps),
            Step::Await | Step::Fin => steps.push(step.clone()),
        }
    }
    Plan { steps, label: label.to_owned() }
}

#[test]
fn a_plan_sends_all_that_the_case_has() {
    let text = "case a\nrfc 1 1\n> abcd\nawait\n> efgh\n< 200\nend keep\n";
    let case = &super::format::parse(text).expect("a case")[0];
    let sends = |places: &[usize]| {
        let steps = plan(case, places, b"XY", "").steps;
        let shown = steps.iter().map(|step| match step {
            Step::Send(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Step::Await => "await".to_owned(),
            Step::Fin => "fin".to_owned(),
        });
        shown.collect::<Vec<_>>().join("|")
    };
    assert_eq!(sends(&[]), "abcd|await|efghXY");
    assert_eq!(sends(&[2, 8]), "ab|cd|await|efgh|XY");
    assert_eq!(sends(&[4, 4, 5, 9]), "abcd|await|e|fghX|Y");
    assert_eq!(sends(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "a|b|c|d|await|e|f|g|h|X|Y");
}
