//! What happens to the folder. Every change is waited for, by its generation, before the next one;
//! what it must have changed, and what it must have left as it was, is asked for then.

use std::sync::Arc;

use super::Soak;
use crate::harness::*;

/// Plugins that change.
const CHANGING: [&str; 2] = ["mill", "waif"];

/// What cannot be a plugin, and what cannot be a manifest.
const BROKEN_MODULES: [&str; 3] = ["", "(module", "(module (func (export \"on_chunk\")))"];
const BROKEN_MANIFESTS: [&str; 4] =
    ["", "{", r#"{"limits": {"memry": "1MiB"}}"#, r#"{"limits": {"memory": "1TiB"}}"#];

pub struct Changes {
    soak: Arc<Soak>,
    random: Random,
    /// The newest version of each.
    versions: [u16; 2],
    generation: u64,
}

/// Writes the first versions.
pub fn write_plugins(folder: &Folder) {
    for name in CHANGING {
        folder.write(&format!("{name}.wat"), &mill(0, 0));
    }
}

impl Changes {
    pub fn new(soak: Arc<Soak>, seed: u64) -> Changes {
        Changes { soak, random: Random::new(seed), versions: [0; 2], generation: 1 }
    }

    /// The number of the generation that is served now.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Changes something, to and fro.
    #[track_caller]
    pub fn next(&mut self, server: &Server) {
        let which = self.random.below(CHANGING.len());
        match self.random.below(10) {
            0..=4 => self.swap(server, which),
            5 => self.delete_and_restore(server, which),
            6 => self.break_module(server, which),
            7 => self.break_manifest(server, which),
            8 => self.change_manifest(server, which),
            _ => self.change_nothing(server, which),
        }
    }

    fn swap(&mut self, server: &Server, which: usize) {
        let version = self.versions[which] + 1;
        self.versions[which] = version;
        self.reign(which).comes(version);
        self.install_module(server, which);
        self.is_loaded(server);
        self.reign(which).is_here(version);
        self.answers(server, which);
    }

    fn delete_and_restore(&mut self, server: &Server, which: usize) {
        let name = CHANGING[which];
        self.reign(which).toggle_absence();
        server.folder().remove(&format!("{name}.wat"));
        self.is_next_generation(server);
        server.get(&format!("/{name}")).is_error(404);
        self.soak.ledger.add(Item::Connections, 1);
        self.soak.ledger.add(Item::Refused(404), 1);
        self.swap(server, which);
        self.reign(which).toggle_absence();
    }

    fn break_module(&mut self, server: &Server, which: usize) {
        let broken = self.random.pick(&BROKEN_MODULES).as_bytes();
        server.folder().install(&format!("{}.wat", CHANGING[which]), broken);
        self.is_refused(server, which);
        self.swap(server, which);
    }

    fn break_manifest(&mut self, server: &Server, which: usize) {
        let manifest = format!("{}.json", CHANGING[which]);
        server.folder().install(&manifest, self.random.pick(&BROKEN_MANIFESTS).as_bytes());
        self.is_refused(server, which);
        server.folder().remove(&manifest);
        // What is served is what stands there again: that loads nothing.
        self.is_next_generation(server);
        self.answers(server, which);
    }

    fn change_manifest(&mut self, server: &Server, which: usize) {
        let manifest = format!("{}.json", CHANGING[which]);
        let mark = self.generation.to_string();
        let text = format!(
            r#"{{"limits": {{"memory": "8MiB"}}, "response": {{"x-mark": "{mark}"}}, "config": {{"a": 1}}}}"#
        );
        server.folder().install(&manifest, text.as_bytes());
        self.is_loaded(server);
        assert_eq!(self.answers(server, which).field("x-mark"), Some(mark.as_str()));
        server.folder().remove(&manifest);
        self.is_loaded(server);
        assert_eq!(self.answers(server, which).field("x-mark"), None);
    }

    /// The same bytes in another file are no change.
    fn change_nothing(&mut self, server: &Server, which: usize) {
        self.install_module(server, which);
        self.answers(server, which);
    }

    fn install_module(&self, server: &Server, which: usize) {
        let text = mill(self.versions[which], 0);
        server.folder().install(&format!("{}.wat", CHANGING[which]), &text);
    }

    fn reign(&self, which: usize) -> &Reign {
        [&self.soak.mill, &self.soak.waif][which]
    }

    #[track_caller]
    fn is_loaded(&mut self, server: &Server) {
        self.soak.ledger.add(Item::GoodReloads, 1);
        self.is_next_generation(server);
    }

    /// The file is refused, and what was served goes on.
    #[track_caller]
    fn is_refused(&mut self, server: &Server, which: usize) {
        self.soak.ledger.add(Item::BadReloads, 1);
        self.is_next_generation(server);
        assert_eq!(server.plugin(CHANGING[which])["state"], "stale");
        self.answers(server, which);
    }

    #[track_caller]
    fn is_next_generation(&mut self, server: &Server) {
        self.generation += 1;
        eventually("the next generation", || {
            let now = server.generation();
            assert!(now <= self.generation, "one change made two generations");
            (now == self.generation).then_some(())
        });
    }

    /// Asks for the newest version, and returns the answer's head.
    #[track_caller]
    fn answers(&self, server: &Server, which: usize) -> Head {
        let (name, version) = (CHANGING[which], self.versions[which]);
        let answer = server.post(&format!("/{name}"), b"a body");
        let expected = ground(version, b"a body");
        assert!(answer.body == expected, "{name} is not of version {version}: {}", answer.text());
        assert_eq!(answer.ending, Ending::Clean);
        let ledger = &self.soak.ledger;
        ledger.add(Item::Connections, 1);
        match name {
            "mill" => ledger.clean("mill", b"a body".len(), expected.len()),
            _ => {
                ledger.add(Item::Exchanges("waif", "clean"), 1);
                ledger.add(Item::Offered("waif"), b"a body".len());
                ledger.add(Item::Seen("waif"), expected.len());
            }
        }
        answer.head
    }
}
