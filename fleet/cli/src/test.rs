//! `flotilla test`: scenarios.

use crate::{
    args::TestArgs,
    console::Lines,
    exit::{Code, Failure},
    show::executor,
};
use emu_core::Time;
use fleet::{
    ConsoleByte,
    scenario::{self, Observer, Report, Scenario},
};
use fleet_host::{Folder, load, usage::cpu_time};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// How one scenario went.
struct Verdict {
    name: String,
    code: Code,
    message: String,
    cpu: Duration,
}

/// Runs the command.
pub fn test(args: &TestArgs) -> Result<Code, Failure> {
    let mut results = vec![];
    for path in files(&args.paths)? {
        let result = one(args, &path);
        writeln!(io::stdout(), "{}", result.message)?;
        results.push(result);
    }
    let bad = results.iter().filter(|r| r.code != Code::Ok).count();
    let (all, good) = (results.len(), results.len() - bad);
    writeln!(io::stdout(), "{all} scenarios, {good} passed, {bad} failed")?;
    if let Some(path) = &args.junit {
        junit(path, &results)?;
    }
    Ok(worst(&results))
}

/// One code for all: what could not be run at all weighs most, then what happened in a guest, time last.
fn worst(results: &[Verdict]) -> Code {
    let order = [Code::BadInput, Code::Lockup, Code::Failed, Code::TimeOut];
    let has = |code: &Code| results.iter().any(|r| r.code == *code);
    order.into_iter().find(has).unwrap_or(Code::Ok)
}

/// The scenario files that the paths name, folders in order of name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = vec![];
    for path in paths {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let unreadable = |e: io::Error| Failure::input(format!("cannot read {}: {e}", path.display()));
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut here = vec![];
        for entry in entries {
            here.push(entry.map_err(unreadable)?.path());
        }
        let name = |p: &Path| p.file_name().unwrap_or_default().to_string_lossy().into_owned();
        here.retain(|p| name(p).ends_with(".toml") && !name(p).ends_with(".fleet.toml"));
        if here.is_empty() {
            return Err(Failure::input(format!("{} holds no scenario", path.display())));
        }
        here.sort();
        all.append(&mut here);
    }
    Ok(all)
}

fn one(args: &TestArgs, path: &Path) -> Verdict {
    let started = cpu_time();
    let name = path.display().to_string();
    let (code, message) = match load(args, path, &name) {
        Err(message) => (Code::BadInput, format!("error in {name}\n{message}")),
        Ok(mut s) => {
            s.fleet.slice = args.common.slice.unwrap_or(u64::MAX);
            let names: Vec<_> = s.fleet.nodes().map(|n| n.name.clone()).collect();
            let executor = executor(&args.common, names.len());
            let lines = args.verbose.then(|| Lines::new(io::stdout(), names, None));
            let every = args.common.digest_every;
            let mut watch = Watch { lines, every, next: every.map_or(Time::MAX, Time) };
            let report = s.run(&*executor, &mut watch);
            if let Some(lines) = &mut watch.lines {
                let _ = lines.finish(); // nobody may read any more
            }
            judge(&name, &report)
        }
    };
    Verdict { name, code, message, cpu: cpu_time().saturating_sub(started) }
}

fn load(args: &TestArgs, path: &Path, name: &str) -> Result<Scenario, String> {
    let text = load::text(path).map_err(|e| e.to_string())?;
    scenario::load(name, &text, args.common.seed, &Folder::of(path)).map_err(|e| e.to_string())
}

fn judge(name: &str, report: &Report) -> (Code, String) {
    let (time, digest) = (report.time, report.digest);
    let Some(failure) = &report.failure else {
        return (Code::Ok, format!("ok    {name}, virtual time {time} s, digest: {digest:032x}"));
    };
    let code = match report {
        r if r.lockup => Code::Lockup,
        r if r.timed_out => Code::TimeOut,
        _ => Code::Failed,
    };
    (code, format!("FAIL  {name}, virtual time {time} s, digest: {digest:032x}\n{failure}"))
}

fn junit(path: &Path, results: &[Verdict]) -> Result<(), Failure> {
    let mut suite = TestSuite::new("scenarios");
    for r in results {
        let mut status = match r.code {
            Code::Ok => TestCaseStatus::success(),
            Code::BadInput => TestCaseStatus::non_success(NonSuccessKind::Error),
            _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
        };
        if r.code != Code::Ok {
            status.set_message(r.message.lines().next().unwrap_or_default());
            status.set_description(&r.message);
        }
        let mut case = TestCase::new(r.name.clone(), status);
        case.set_classname("flotilla").set_time(r.cpu);
        suite.add_test_case(case);
    }
    let mut report = quick_junit::Report::new("flotilla test");
    report.add_test_suite(suite);
    let text = report.to_string().map_err(|e| Failure::input(e.to_string()))?;
    let unwritable = |e: io::Error| Failure::input(format!("cannot write {}: {e}", path.display()));
    std::fs::write(path, text).map_err(unwritable)
}

/// Shows consoles and digests as the scenario runs.
struct Watch {
    lines: Option<Lines<io::Stdout>>,
    every: Option<u64>,
    next: Time,
}

impl Observer for Watch {
    fn console(&mut self, _: &Scenario, bytes: &[ConsoleByte]) {
        if let Some(lines) = &mut self.lines {
            let _ = lines.show(bytes); // the result decides, whether somebody reads this or not
        }
    }
    fn tick(&mut self, scenario: &mut Scenario) {
        let now = scenario.fleet.now();
        if now >= self.next {
            let digest = scenario.fleet.digest();
            let _ = writeln!(io::stdout(), "digest at {now}: {digest:032x}"); // as for consoles
            self.next = now + self.every.unwrap_or(u64::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(codes: &[Code]) -> Vec<Verdict> {
        let one = |code: &Code| Verdict {
            name: "a.toml".into(),
            code: *code,
            message: "FAIL  <a>\nwhy".into(),
            cpu: Duration::from_millis(1500),
        };
        codes.iter().map(one).collect()
    }

    #[test]
    fn one_code_for_all() {
        assert_eq!(worst(&results(&[Code::Ok, Code::Ok])), Code::Ok);
        assert_eq!(worst(&results(&[Code::TimeOut, Code::Ok, Code::Failed])), Code::Failed);
        assert_eq!(worst(&results(&[Code::Failed, Code::Lockup])), Code::Lockup);
        assert_eq!(worst(&results(&[Code::Lockup, Code::BadInput])), Code::BadInput);
    }

    #[test]
    fn junit_names_failures_and_errors() {
        let path = std::env::temp_dir().join(format!("flotilla-junit-{}.xml", std::process::id()));
        junit(&path, &results(&[Code::Ok, Code::Failed, Code::BadInput])).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for wanted in ["tests=\"3\"", "failures=\"1\"", "errors=\"1\"", "&lt;a&gt;", "time=\"1.5"] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }
}
