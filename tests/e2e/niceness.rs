//! Who stands back where processors are short.

use std::process::Command;

use crate::harness::*;

/// The system goes no further (`setpriority(2)`).
const MOST: i32 = 19;

#[test]
fn what_works_in_the_background_stands_behind_what_serves() {
    for given in ["0", "5", "12"] {
        let folder = Folder::of(&["echo"]);
        let plugins = folder.path().display().to_string();
        let program = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins", &plugins]);
        let mut command = Command::new("nice");
        command.args(["-n", given]).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut server = Server::spawn(folder, &mut command);
        let process = server.process();
        let serving = process.niceness_of_threads("(wasmplex");
        let behind = (serving[0] + 10).min(MOST);
        for name in ["(patient", "(compile"] {
            // A thread stands back once it runs.
            eventually(name, || {
                let found = process.niceness_of_threads(name);
                (!found.is_empty() && found.iter().all(|niceness| *niceness == behind)).then_some(())
            });
        }
        assert!(process.niceness_of_threads("(tokio").iter().all(|niceness| *niceness == serving[0]));
    }
}
