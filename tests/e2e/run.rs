//! `wasmplex run`: stdin through a plugin to stdout.

use crate::harness::*;

#[test]
fn in_lock_step_through_pipes() {
    let mut process = Process::spawn(wasmplex(&["run"]).arg(fixture("rot13")));
    for round in 0..1000 {
        let line = letters(round);
        process.write(&line);
        assert_eq!(process.stdout.exactly(line.len()), rot13(&line));
    }
    let finished = process.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec![]));
}

#[test]
fn without_input() {
    let finished = ran(wasmplex(&["run"]).arg(fixture("lifecycle")));
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert_eq!((finished.code, said.as_str()), (Some(0), "siboe"));
}

#[test]
fn a_plugin_that_fails() {
    let mut process = Process::spawn(wasmplex(&["run"]).arg(fixture("deep_stack")));
    process.write(b"a chunk");
    let finished = process.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("stack"), "{}", finished.stderr);
}

#[test]
fn a_plugin_that_finishes_early_ends_while_stdin_is_open() {
    let mut process = Process::spawn(wasmplex(&["run"]).arg(fixture("grow_memory")));
    process.write(b"a chunk");
    assert_eq!(process.stdout.rest().len(), 4);
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_limit_on_the_command_line() {
    let mut command = wasmplex(&["run", "--cpu-per-call", "100ms"]);
    let finished = ran(command.arg(fixture("loop_in_initialize")));
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("cpu per call"), "{}", finished.stderr);
}

#[test]
fn an_output_that_nobody_reads_any_more_ends_it() {
    let mut command = wasmplex(&["run"]);
    command.args(["--cpu-per-call", "10m", "--time-per-call", "10m"]);
    let mut process = Process::spawn(command.arg(fixture("counter")));
    process.stdout.exactly(MIB);
    process.stdout.close();
    process.wait();
}

#[test]
fn a_file_that_is_not_there() {
    let finished = ran(&mut wasmplex(&["run", "/no/such/plugin.wasm"]));
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("/no/such/plugin.wasm"), "{}", finished.stderr);
}

/// The next run of the same file does not compile it again.
#[test]
fn compiled_code_is_kept() {
    let folder = Folder::new();
    let cache = folder.folder("cache");
    let entries = || {
        let files = std::fs::read_dir(&cache).expect("the cache's folder").filter_map(Result::ok);
        files.filter(|file| file.path().extension().is_some_and(|ending| ending == "code")).count()
    };
    std::fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("a private folder");
    for _ in 0..2 {
        let finished = ran(wasmplex(&["run"]).arg(fixture("lifecycle")).arg("--cache").arg(&cache));
        assert_eq!((finished.code, finished.stdout), (Some(0), b"siboe".to_vec()));
        assert_eq!(entries(), 1);
    }
}
