//! Results for those who collect them: a JUnit file.

use crate::{
    exit::{Code, Failure},
    test::Verdict,
};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::{io, path::Path, time::Duration};

/// Writes the results: a suite for each file, a case in it for each seed.
pub fn write(path: &Path, results: &[Verdict]) -> Result<(), Failure> {
    let mut report = Report::new("flotilla test");
    for of_file in results.chunk_by(|a, b| a.name == b.name) {
        let mut suite = TestSuite::new(&of_file[0].name);
        suite.set_time(of_file.iter().map(|r| r.cpu).sum::<Duration>());
        suite.add_test_cases(of_file.iter().map(|r| case(r, of_file.len() > 1)));
        report.add_test_suite(suite);
    }
    let text = report.to_string().map_err(|e| Failure::input(e.to_string()))?;
    let unwritable = |e: io::Error| Failure::input(format!("cannot write {}: {e}", path.display()));
    std::fs::write(path, text).map_err(unwritable)
}

/// A case is named after its file and, of several, its seed; its class is the folder.
fn case(r: &Verdict, several: bool) -> TestCase {
    let path = Path::new(&r.name);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let seed = r.seed.filter(|_| several).map(|s| format!(", seed {s}")).unwrap_or_default();
    let mut case = TestCase::new(format!("{name}{seed}"), status(r));
    case.set_classname(class(path)).set_time(r.cpu);
    case.extra.insert("file".into(), r.name.clone().into());
    case
}

/// The folders of `path`, joined as collectors expect it.
fn class(path: &Path) -> String {
    let folders = path.parent().into_iter().flat_map(Path::components);
    let names = folders.filter_map(|c| match c {
        std::path::Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    let class = names.collect::<Vec<_>>().join(".");
    if class.is_empty() { "flotilla".into() } else { class }
}

fn status(r: &Verdict) -> TestCaseStatus {
    let mut status = match r.code {
        Code::Ok => return TestCaseStatus::success(),
        Code::BadInput => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    // The first line names the case, the second the reason.
    let mut lines = r.message.lines();
    let first = lines.next().unwrap_or_default();
    status.set_message(lines.next().unwrap_or(first));
    status.set_description(&r.message);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::tests::results;

    #[test]
    fn mend_junit_names_reasons_files_and_folders() {
        let path = std::env::temp_dir().join(format!("flotilla-junit-{}.xml", std::process::id()));
        let mut all = results(&[Code::Ok, Code::Failed, Code::BadInput]);
        all[2].name = "./some/folder/b.toml".into();
        write(&path, &all).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for wanted in [
            "tests=\"3\" skipped=\"0\" failures=\"1\" errors=\"1\"",
            "<testsuite name=\"a.toml\" tests=\"2\"",
            "<testcase name=\"a, seed 7\" classname=\"flotilla\" time=\"1.500\" file=\"a.toml\"",
            "<testcase name=\"b\" classname=\"some.folder\" time=\"1.500\" file=\"./some/folder/b.toml\"",
            "<failure message=\"why\"",
            "FAIL  &lt;a&gt;",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
    }
}
