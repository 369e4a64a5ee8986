//! The golden cases, `NAME.in` and `NAME.out` beside this file, on the program as it is
//! natively.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

#[test]
fn golden_cases() {
    let mut cases = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "in") {
            let expected = fs::read(path.with_extension("out")).unwrap();
            let answer = through_the_program(fs::read(&path).unwrap());
            assert!(answer == expected, "{}", path.display());
            cases += 1;
        }
    }
    assert!(cases > 0);
}

fn through_the_program(input: Vec<u8>) -> Vec<u8> {
    let program = env!("CARGO_BIN_EXE_rot13-command-rust");
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // From a thread of its own, as both pipes have only so much room.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}
