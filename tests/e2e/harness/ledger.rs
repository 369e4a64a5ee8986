//! What clients did and saw, to be held against what the server counted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use super::{Metrics, Server};

/// A counter that both sides keep.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Item {
    /// Exchanges of a plugin with this outcome, or one of these (`cut|gone`); each stage of a pipe has
    /// its own.
    Exchanges(&'static str, &'static str),
    /// Those of them that were certain to have this outcome, of an item of several.
    AtLeast(&'static str, &'static str),
    /// Failures of a plugin for this reason.
    Failures(&'static str, &'static str),
    /// Body bytes that a plugin got.
    Received(&'static str),
    /// Payload bytes that came from a plugin.
    Sent(&'static str),
    /// Body bytes that were on their way to a plugin: it got no more.
    Offered(&'static str),
    /// Payload bytes of a plugin that somebody read: it sent no less.
    Seen(&'static str),
    /// Answers of the host's own with this status.
    Refused(u16),
    Connections,
    GoodReloads,
    BadReloads,
}

#[derive(Default)]
pub struct Ledger(Mutex<BTreeMap<Item, u64>>);

impl Ledger {
    pub fn add(&self, item: Item, more: usize) {
        *self.0.lock().expect("nobody panics with the ledger locked").entry(item).or_default() += more as u64;
    }

    /// A clean exchange of one plugin.
    pub fn clean(&self, plugin: &'static str, received: usize, sent: usize) {
        self.add(Item::Exchanges(plugin, "clean"), 1);
        self.add(Item::Received(plugin), received);
        self.add(Item::Sent(plugin), sent);
    }

    /// Compares all that is in it, and finds nothing on the server's side that is not in it. To be
    /// called when nothing is open any more.
    #[track_caller]
    pub fn agrees_with(&self, server: &Server) {
        let metrics = server.metrics();
        let items = self.0.lock().expect("nobody panics with the ledger locked").clone();
        let disagreements = items.iter().filter_map(|(item, ours)| {
            let counted = counted(&metrics, *item);
            let agrees = match item {
                Item::Offered(_) => counted <= *ours,
                Item::Seen(_) | Item::AtLeast(..) => counted >= *ours,
                _ => counted == *ours,
            };
            (!agrees).then(|| format!("{item:?}: the server counted {counted}, the clients {ours}"))
        });
        let disagreements: Vec<String> = disagreements.collect();
        assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
        type Family = (&'static str, fn(&Item) -> bool);
        let families: [Family; 3] = [
            ("wasmplex_exchanges_total", |item| matches!(item, Item::Exchanges(..))),
            ("wasmplex_failures_total", |item| matches!(item, Item::Failures(..))),
            ("wasmplex_refused_total", |item| matches!(item, Item::Refused(_))),
        ];
        for (name, belongs) in families {
            let ours: u64 = items.iter().filter(|(item, _)| belongs(item)).map(|(_, count)| count).sum();
            assert_eq!(metrics.sum(name, &[]) as u64, ours, "all of {name}");
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = self.0.lock().expect("nobody panics with the ledger locked");
        items.iter().try_for_each(|(item, count)| writeln!(f, "{item:?}: {count}"))
    }
}

fn counted(metrics: &Metrics, item: Item) -> u64 {
    let sum = |name, labels: &[(&str, &str)]| metrics.sum(name, labels) as u64;
    match item {
        Item::Exchanges(plugin, outcome) | Item::AtLeast(plugin, outcome) => {
            let of = |outcome| sum("wasmplex_exchanges_total", &[("plugin", plugin), ("outcome", outcome)]);
            outcome.split('|').map(of).sum()
        }
        Item::Failures(plugin, reason) => {
            sum("wasmplex_failures_total", &[("plugin", plugin), ("reason", reason)])
        }
        Item::Received(plugin) | Item::Offered(plugin) => {
            sum("wasmplex_received_bytes_total", &[("plugin", plugin)])
        }
        Item::Sent(plugin) | Item::Seen(plugin) => sum("wasmplex_sent_bytes_total", &[("plugin", plugin)]),
        Item::Refused(status) => sum("wasmplex_refused_total", &[("status", &status.to_string())]),
        Item::Connections => sum("wasmplex_connections_total", &[]),
        Item::GoodReloads => sum("wasmplex_reloads_total", &[("result", "good")]),
        Item::BadReloads => sum("wasmplex_reloads_total", &[("result", "bad")]),
    }
}
