//! From what is known of a failed exchange to a capsule, secrets left out.

use std::sync::Arc;
use std::time::SystemTime;

use super::form::{
    Asked, Bytes, Capsule, Dir, FORM, Failed, Field, Inherited, Input, Manifest, Module, Output, Route,
};
use super::mask::{self, is_secret};
use crate::config::show_size;
use crate::http::method::MethodSet;
use crate::metrics::Open;
use crate::plugin::{Failure, Full, Plugin, Recording, Response, Settings};
use crate::registry::show;

/// What a reader should know before anything else.
const NOTE: &str = "One exchange of a plugin that failed. `wasmplex replay` runs it again. Values listed in \
                    `masked` are not in here, and the plugin gets *** in their place: that may change what it \
                    does. Environment, clocks, random numbers and files are not recorded either. The body is \
                    here as it came, with all that is secret in it.";

/// A failed exchange, and which of its stages failed.
#[derive(Debug)]
pub struct Incident {
    pub open: Arc<Open>,
    /// The stage at fault, 0 is the first.
    pub stage: usize,
    pub plugin: Arc<Plugin>,
    /// The methods that reach the plugin.
    pub methods: MethodSet,
    pub failure: Failure,
    pub at: SystemTime,
}

/// The capsule of an incident, without its events. `file` is where the module is.
pub(super) fn capsule(incident: &Incident, recording: &Recording, file: Option<String>) -> Capsule {
    let Incident { open, stage, plugin, methods, failure, at } = incident;
    let usage = &open.account.stages[*stage];
    let mut masked = Vec::new();
    let manifest = manifest(plugin.settings(), *methods, &mut masked);
    let request = asked(open, recording.has_body, &mut masked);
    let inherited = recording.inherited.as_ref().map(|response| inherited(response, &mut masked));
    Capsule {
        capsule: FORM,
        note: NOTE.to_owned(),
        wasmplex: env!("CARGO_PKG_VERSION").to_owned(),
        recorded: humantime::format_rfc3339_micros(*at).to_string(),
        exchange: open.account.id.to_string(),
        trace_id: open.origin.trace_id().map(str::to_owned),
        failure: Failed {
            kind: failure.kind().to_owned(),
            reason: failure.to_string(),
            backtrace: failure.backtrace().to_vec(),
            chunk: usage.chunks.get(),
            offset: usage.chunk_offset.get(),
            at_us: recording.micros,
        },
        plugin: module(plugin, file),
        route: route(open, *stage, recording),
        manifest,
        request,
        inherited,
        masked,
        output: Output {
            bytes: recording.emitted,
            hashed: recording.hashed as u64,
            sha256: hex(&recording.output_digest()),
        },
        input: input(recording),
        events: Vec::new(),
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn module(plugin: &Plugin, file: Option<String>) -> Module {
    let code = plugin.code();
    Module {
        name: plugin.name().to_owned(),
        version: code.version().to_owned(),
        digest: code.digest().to_string(),
        size: code.size() as u64,
        kind: code.kind().to_string(),
        file,
    }
}

fn route(open: &Open, stage: usize, recording: &Recording) -> Route {
    let stages = open.plugins.iter().map(|totals| format!("{}@{}", totals.plugin(), totals.version()));
    let cpu = open.account.cpu_limit();
    Route {
        stages: stages.collect(),
        failed: stage + 1,
        memory_per_exchange: show_size(open.account.memory_limit() as u64),
        cpu_per_exchange: cpu
            .map_or_else(|| "off".to_owned(), |cpu| humantime::format_duration(cpu).to_string()),
        memory_elsewhere: recording.memory_elsewhere,
    }
}

fn manifest(settings: &Settings, methods: MethodSet, masked: &mut Vec<String>) -> Manifest {
    // Whoever adds a setting decides here what becomes of it.
    let Settings { limits, grants, response, config } = settings;
    let mut unless_secret = |place: &str, name: &str, value: &str| {
        if is_secret(name.as_bytes()) {
            masked.push(format!("manifest.{place}.{name}"));
            return (name.to_owned(), None);
        }
        (name.to_owned(), Some(value.to_owned()))
    };
    let response = response.iter().map(|(name, value)| unless_secret("response", name, value)).collect();
    let config = config.iter().map(|(name, value)| unless_secret("config", name, value)).collect();
    let (args, hidden) = mask::args(&grants.args);
    masked.extend(hidden.iter().map(|index| format!("manifest.args.{index}")));
    masked.extend(grants.env.iter().map(|(name, _)| format!("manifest.env.{name}")));
    Manifest {
        limits: show::limits(limits),
        response,
        args,
        env: grants.env.iter().map(|(name, _)| (name.clone(), None)).collect(),
        dirs: grants
            .dirs
            .iter()
            .map(|dir| Dir {
                host: dir.host.to_string_lossy().into_owned(),
                guest: dir.guest.clone(),
                write: dir.write,
            })
            .collect(),
        config,
        methods: methods.names().map(str::to_owned).collect(),
    }
}

fn asked(open: &Open, has_body: bool, masked: &mut Vec<String>) -> Asked {
    let origin = &open.origin;
    let way = origin.way.as_str().to_owned();
    let peer = origin.peer.to_string();
    let Some(head) = &origin.head else {
        let (method, path, version) = (String::new(), String::new(), String::new());
        return Asked { way, method, path, query: None, version, peer, has_body, fields: Vec::new() };
    };
    let query = head.query().map(|query| {
        let (query, names) = mask::query(query);
        masked.extend(names.iter().map(|name| format!("request.query.{name}")));
        Bytes::of(&query)
    });
    Asked {
        way,
        method: head.method().as_str().to_owned(),
        path: head.path().to_owned(),
        query,
        version: head.version().as_str().to_owned(),
        peer,
        has_body,
        fields: fields(head.fields(), "request.fields", masked),
    }
}

fn inherited(response: &Response, masked: &mut Vec<String>) -> Inherited {
    let fields = fields(response.fields(), "inherited.fields", masked);
    Inherited { status: response.status(), fields }
}

fn fields<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    place: &str,
    masked: &mut Vec<String>,
) -> Vec<Field> {
    let field = |(name, value): (&[u8], &[u8])| {
        let shown = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value = if is_secret(name) {
            masked.push(format!("{place}.{shown}"));
            None
        } else {
            let (value, names) = mask::value(value);
            masked.extend(names.iter().map(|parameter| format!("{place}.{shown}.{parameter}")));
            Some(Bytes::of(&value))
        };
        Field { name: String::from_utf8_lossy(name).into_owned(), value }
    };
    fields.map(field).collect()
}

fn input(recording: &Recording) -> Input {
    let full = recording.full.map(|full| match full {
        Full::Tape => "capsule-size",
        Full::Host => "capsule-memory",
    });
    Input {
        chunks: recording.chunks,
        bytes: recording.length,
        timers: recording.timers,
        truncated: full.map(str::to_owned),
        kept_chunks: recording.entries.iter().filter(|entry| entry.is_chunk()).count() as u64,
        kept_bytes: recording.bytes.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head;
    use crate::metrics::{Metrics, Origin, Peer, Way};
    use crate::plugin::{Grants, Limits, Recorder};

    #[test]
    fn secrets_of_manifests_are_masked() {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let settings = Settings {
            limits: Limits::default(),
            grants: Grants {
                args: ["-x", "--token", "sekret4", "--key=sekret5", "kept3"].map(str::to_owned).into(),
                env: vec![pair(("HOME", "sekret1"))],
                dirs: Vec::new(),
            },
            response: vec![pair(("x-token", "sekret2")), pair(("a", "kept1"))],
            config: [("api_key", "sekret3"), ("pattern", "kept2")].map(pair).into(),
        };
        let mut masked = Vec::new();
        let manifest = manifest(&settings, MethodSet::ALL, &mut masked);
        let text = serde_json::to_string(&manifest).unwrap();
        assert!(!text.contains("sekret"), "{text}");
        assert!(
            ["kept1", "kept2", "kept3", "--token", "--key=***"].iter().all(|kept| text.contains(kept)),
            "{text}"
        );
        let places = ["response.x-token", "config.api_key", "args.2", "args.3", "env.HOME"];
        assert_eq!(masked, places.map(|place| format!("manifest.{place}")));
    }

    #[test]
    fn secrets_of_requests_are_masked() {
        let bytes =
            b"GET /p?token=sekret1&a=kept1 HTTP/1.1\r\nhost: kept2\r\nAuthorization: Bearer sekret2\r\n\
                      Cookie: sekret3\r\nReferer: http://a/?api_key=sekret4\r\nx-other: \xffkept\r\n\r\n";
        let head = Arc::new(head::parse(bytes, 0).unwrap().unwrap().0);
        let metrics = Metrics::default();
        let origin = Origin { peer: Peer::Unix, way: Way::Http, head: Some(head) };
        let totals = metrics.totals("p", "v");
        let ticket = metrics.begin([totals].into(), std::iter::once(&Limits::default()), origin);
        let mut masked = Vec::new();
        let request = asked(ticket.open(), false, &mut masked);
        let text = serde_json::to_string(&request).unwrap();
        assert!(!text.contains("sekret"), "{text}");
        assert!(text.contains("kept1") && text.contains("kept2") && text.contains("base64"), "{text}");
        let places = ["query.token", "fields.authorization", "fields.cookie", "fields.referer.api_key"];
        assert_eq!(masked, places.map(|place| format!("request.{place}")));
    }

    #[test]
    fn secrets_of_earlier_stages_are_masked() {
        let fields: [(&[u8], &[u8]); 2] = [(b"Set-Cookie", b"sekret"), (b"a", b"kept")];
        let mut masked = Vec::new();
        let inherited = inherited(&Response::shaped(201, fields), &mut masked);
        assert_eq!((inherited.status, inherited.fields[0].value.clone()), (201, None));
        assert_eq!(inherited.fields[1].value.as_ref().unwrap().get().unwrap(), b"kept");
        assert_eq!(masked, ["inherited.fields.set-cookie"]);
    }

    #[test]
    fn what_was_not_kept_is_said() {
        let tape = Recorder::new(100, 1 << 20).tape();
        (0..10).for_each(|_| tape.chunk(&[b'x'; 30]));
        let input = input(&tape.take());
        let expected = Input {
            chunks: 10,
            bytes: 300,
            timers: 0,
            truncated: Some("capsule-size".to_owned()),
            kept_chunks: 2,
            kept_bytes: 60,
        };
        assert_eq!(input, expected);
    }
}
