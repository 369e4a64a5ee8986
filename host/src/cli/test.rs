//! `wasmplex test`: golden cases, each cut in many ways.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;

use super::run::SLOTS_PER_STAGE;
use super::terminal::{self, Paint, paint};
use super::{FAILED, LimitArgs, build, name_of, serve};
use crate::config;
use crate::golden::{self, Case, Fault, Judged, Runner};
use crate::http::method::MethodSet;
use crate::plugin::{Code, Engine, EngineOptions, Limits, Plugin};
use crate::project::{self, Project};
use crate::registry::folder;
use crate::registry::manifest::{self, Policy, Settled};

/// The most lines of a plugin's log that are shown for a failed case.
const MAX_LOG_LINES: usize = 20;

/// Test a plugin: golden cases, each cut in many ways
///
/// A case is a body in CASE.in and the response that it must have in CASE.out; without CASE.in, a
/// request without a body. CASE.json may say more, all of it optional:
///
///     {"method": "POST", "path": "/NAME?x=1", "fields": {"accept": "*/*"},
///      "status": 200, "response": {"content-type": "text/plain"}, "fails": "rejected"}
///
/// Each case runs whole, cut in two, at the ends of lines, in odd lengths, byte by byte and at random:
/// the response must not depend on where the body is cut. Budgets are those of the manifest
/// (NAME.json beside the plugin), and of a server that is started with the same flags.
///
/// Exit code 0: all passed; 1: one did not.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(super) struct Test {
    /// A project's folder, which is built first, or a plugin file
    plugin: PathBuf,
    /// Folder of the cases
    /// [default: tests beside the plugin]
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Run only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Seed of the random cuts
    /// [default: another one each time, which is printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How many random cuts of each case
    #[arg(long, value_name = "N", default_value_t = 16)]
    rounds: u32,
    /// Longest time of a run, the plugin's timers included
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = config::time)]
    patience: Duration,
    /// Write what comes out as CASE.out, if it does not depend on the cut
    #[arg(long)]
    bless: bool,
    /// Folder for compiled code, or off
    /// [default: wasmplex in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WASMPLEX_CACHE")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// How all cases went.
#[derive(Default)]
struct Total {
    passed: usize,
    failed: usize,
    blessed: usize,
    runs: usize,
}

impl Test {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let (file, beside) = self.find()?;
        let folder = self.cases.clone().unwrap_or_else(|| beside.join("tests"));
        let mut cases = golden::load(&folder)?;
        if let Some(part) = &self.only {
            cases.retain(|case| case.name.contains(part));
            if cases.is_empty() {
                bail!("{}: no case has '{part}' in its name", folder.display());
            }
        }
        let (plugin, methods) = self.load(&file).with_context(|| file.display().to_string())?;
        let runner = Runner::new(plugin, self.patience)?;
        let seed = self.seed.unwrap_or_else(any_seed);
        let began = Instant::now();
        let mut total = Total::default();
        let width = cases.iter().map(|case| case.name.chars().count()).max().unwrap_or_default();
        let headings = ["body", "response", "runs", "calls", "processor", "memory", "longest call"];
        say_dim(&format!("        {:width$}  {}", "", columns(headings)));
        for case in &cases {
            self.run(&runner, methods, case, seed, width, &mut total)?;
        }
        say_dim(&budgets(runner.plugin().limits()));
        say(&total.summary(seed, began.elapsed()));
        Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    /// The plugin's file, and the folder that its cases are beside. A project is built.
    fn find(&self) -> anyhow::Result<(PathBuf, PathBuf)> {
        if !self.plugin.is_dir() {
            let beside = self.plugin.parent().map(Path::to_owned).unwrap_or_default();
            return Ok((self.plugin.clone(), beside));
        }
        let project = Project::find(&self.plugin)?;
        let made = build::build(&project)?;
        project::install(&project.output(), &made.bytes)?;
        let (size, time) = (made.bytes.len(), terminal::time(made.time));
        terminal::dim(&format!("{}.wasm: {size} bytes, {time}", project.name));
        Ok((project.output(), self.plugin.clone()))
    }

    fn load(&self, file: &Path) -> anyhow::Result<(Arc<Plugin>, MethodSet)> {
        let bytes = folder::read(file)?;
        let policy = Policy::from(self.limits);
        let Settled { settings, methods } = manifest::load(file, &policy).map_err(anyhow::Error::msg)?;
        let engine = Engine::new(&EngineOptions { max_instances: SLOTS_PER_STAGE })?;
        let cache = serve::open_cache(self.cache.clone());
        let code = Code::load(&engine, &bytes, cache.as_ref())?;
        Ok((Plugin::new(&engine, &name_of(file), code, settings)?, methods))
    }

    fn run(
        &self,
        runner: &Runner,
        methods: MethodSet,
        case: &Case,
        seed: u64,
        width: usize,
        total: &mut Total,
    ) -> anyhow::Result<()> {
        let name = format!("{:width$}", case.name);
        let is_terminal = std::io::stdout().is_terminal();
        let failed = paint(is_terminal, Paint::Bad, "FAILED");
        if !methods.has(case.method) {
            total.failed += 1;
            let (method, allowed) = (case.method.as_str(), methods.allow());
            say(&format!(
                "{failed}  {name}\n  the manifest lets {allowed} reach the plugin, and not {method}"
            ));
            return Ok(());
        }
        let judged = golden::judge(runner, case, seed, self.rounds, self.bless);
        total.runs += judged.runs;
        if let Some(fault) = &judged.fault {
            total.failed += 1;
            say(&format!("{failed}  {name}\n{}", explain(runner, case, fault)));
            return Ok(());
        }
        let mut word = "ok    ";
        if self.bless && case.expected.output.as_ref() != Some(&judged.whole.output) {
            project::install(&case.output_file, &judged.whole.output)?;
            total.blessed += 1;
            word = "wrote ";
        }
        total.passed += 1;
        say(&format!("{}  {name}  {}", paint(is_terminal, Paint::Good, word), report(case, &judged)));
        Ok(())
    }
}

/// One line of columns.
fn columns(columns: [&str; 7]) -> String {
    let [body, response, runs, calls, processor, memory, longest] = columns;
    format!("{body:>9}  {response:>9}  {runs:>6}  {calls:>7}  {processor:>9}  {memory:>9}  {longest:>12}")
}

/// What a case took: calls and processor time of the whole body's run, the most of all runs otherwise.
fn report(case: &Case, judged: &Judged) -> String {
    let used = judged.used;
    let longest = match used.longest_call {
        Some(time) => format!("< {}", terminal::time(time)),
        None => "> 16 s".to_owned(),
    };
    let mut line = columns([
        &terminal::size(case.bytes().len() as u64),
        &terminal::size(judged.whole.output.len() as u64),
        &judged.runs.to_string(),
        &used.calls.to_string(),
        &terminal::time(used.cpu),
        &terminal::size(used.memory),
        &longest,
    ]);
    if let golden::Ending::Failed { reason, .. } = &judged.whole.ending {
        line += &format!("\n  failed as it should: {reason}");
    }
    line
}

/// The budgets that the columns are to be compared with.
fn budgets(limits: &Limits) -> String {
    let time = |time| humantime::format_duration(time);
    format!(
        "budgets: memory {}, {} of processor and {} in all per call",
        config::show_size(limits.memory as u64),
        time(limits.cpu_per_call),
        time(limits.time_per_call),
    )
}

/// What is wrong, in lines, with the plugin's log of that run.
fn explain(runner: &Runner, case: &Case, fault: &Fault) -> String {
    let mut text = format!("{}: {}", fault.way, fault.reason);
    if let Some(difference) = &fault.difference {
        text += &format!(" {difference}");
    }
    let log = with_log(|| _ = runner.run(case, &fault.way.pieces(case.bytes())));
    let lines: Vec<&str> = log.lines().collect();
    for line in &lines[..lines.len().min(MAX_LOG_LINES)] {
        text += &format!("\nlog: {line}");
    }
    if lines.len() > MAX_LOG_LINES {
        text += &format!("\nlog: … and {} lines more", lines.len() - MAX_LOG_LINES);
    }
    let indented: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    indented.join("\n")
}

/// The lines that plugins log meanwhile.
fn with_log(run: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("off,plugin=trace")
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .log_internal_errors(false)
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Log lines in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Total {
    fn summary(&self, seed: u64, time: Duration) -> String {
        let Self { passed, failed, blessed, runs } = self;
        let all = passed + failed;
        let how = match (failed, blessed) {
            (0, 0) => "passed".to_owned(),
            (0, blessed) => format!("passed, {blessed} written"),
            (failed, _) => format!("passed, {failed} FAILED"),
        };
        let (time, plural) = (terminal::time(time), if all == 1 { "" } else { "s" });
        format!("{passed} of {all} case{plural} {how} ({runs} runs in {time}, --seed {seed})")
    }
}

/// A line of the report. A reader that has seen enough may leave; the exit code is the answer.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The same for a line that is there for those who look for it.
fn say_dim(line: &str) {
    say(&paint(std::io::stdout().is_terminal(), Paint::Dim, line));
}

/// Short enough to be typed again.
fn any_seed() -> u64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::from(time.map_or(0, |time| time.subsec_nanos() ^ time.as_secs() as u32)) % 1_000_000
}
