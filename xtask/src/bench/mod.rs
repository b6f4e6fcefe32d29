//! `cargo xtask bench`: our speed against others', in pairs on the same machine in the same run.
//!
//! The rows stand in [`rows`], [`compare`], [`cliffs`] and [`fleets`]; here they are measured, printed and written. A row passes if its
//! ratio is at least its `min`; above 1 we are better. docs/benchmarks.md explains each.

mod cliffs;
mod compare;
mod fleets;
mod host;
mod measure;
mod rows;

use std::path::Path;

use serde::Serialize;

use crate::sh::Result;

use host::Host;
pub use measure::Job;

/// How often each pair is measured; the median counts.
const ROUNDS: usize = 5;

/// What a ratio is to be.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    min: f64,
    aim: Option<f64>,
}

impl Mark {
    pub fn new(min: f64, aim: f64) -> Mark {
        Mark { min, aim: Some(aim) }
    }

    fn least(min: f64) -> Mark {
        Mark { min, aim: None }
    }
}

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub ours: f64,
    /// Another's figure, or the fixed mark that ours is to meet.
    pub theirs: f64,
    /// How much better ours is: of something measured several times, the median.
    pub ratio: f64,
    /// The worst and the best of them.
    pub low: f64,
    pub high: f64,
    pub min: f64,
    /// What we should like the ratio to be.
    pub aim: Option<f64>,
    pub pass: bool,
    pub note: Option<String>,
}

impl Row {
    /// Of (ours, theirs), where less is better.
    pub fn less(name: &str, unit: &'static str, pairs: &[(f64, f64)], mark: Mark) -> Row {
        Row::of(
            name,
            unit,
            pairs,
            &pairs.iter().map(|(ours, theirs)| theirs / ours).collect::<Vec<_>>(),
            mark,
        )
    }

    /// Of figures that should be above `mark`.
    pub fn more(name: &str, unit: &'static str, figures: &[f64], wanted: f64, mark: Mark) -> Row {
        let pairs: Vec<_> = figures.iter().map(|&ours| (ours, wanted)).collect();
        Row::of(name, unit, &pairs, &figures.iter().map(|ours| ours / wanted).collect::<Vec<_>>(), mark)
    }

    fn of(name: &str, unit: &'static str, pairs: &[(f64, f64)], ratios: &[f64], mark: Mark) -> Row {
        let ratio = median(ratios.iter().copied());
        Row {
            name: name.to_owned(),
            unit,
            ours: median(pairs.iter().map(|pair| pair.0)),
            theirs: median(pairs.iter().map(|pair| pair.1)),
            ratio,
            low: ratios.iter().copied().fold(f64::NAN, f64::min),
            high: ratios.iter().copied().fold(f64::NAN, f64::max),
            min: mark.min,
            aim: mark.aim,
            pass: ratio >= mark.min,
            note: None,
        }
    }

    pub fn noted(self, note: Option<String>) -> Row {
        Row { note, ..self }
    }
}

/// What a row's measurement comes to.
pub enum Outcome {
    Row(Row),
    /// What to compare with is not on this machine.
    Skipped(String),
}

/// A row to be measured.
pub struct Case {
    pub name: &'static str,
    pub measure: fn(&str) -> Result<Outcome>,
}

/// Measures `ours` and `theirs` alternately, so that a change in the machine's pace meets both.
pub fn pair(name: &str, ours: &Job, theirs: &Job, min: f64) -> Result<Row> {
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        pairs.push((ours.measure()?.cpu, theirs.measure()?.cpu));
    }
    Ok(Row::less(name, "CPU s", &pairs, Mark::least(min)))
}

/// Measures `figure` several times.
pub fn figures(figure: impl Fn() -> Result<f64>) -> Result<Vec<f64>> {
    (0..ROUNDS).map(|_| figure()).collect()
}

/// Measures `figure` against a fixed mark that it must not exceed.
pub fn against(name: &str, unit: &'static str, mark: f64, figure: impl Fn() -> Result<f64>) -> Result<Row> {
    let pairs: Vec<_> = figures(figure)?.into_iter().map(|ours| (ours, mark)).collect();
    Ok(Row::less(name, unit, &pairs, Mark::least(1.0)))
}

/// A row as it is written to a file: each says where it was measured.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    row: &'a Row,
    host: &'a Host,
}

/// Measures every row whose name contains `filter`; an error if one fails.
pub fn run(json: Option<&Path>, filter: Option<&str>) -> Result<()> {
    rows::prepare()?;
    let (mut done, mut bad) = (Vec::new(), Vec::new());
    let host = Host::here();
    println!("{}\n\n{}", host.text(), heading());
    for case in rows::CASES.iter().filter(|case| filter.is_none_or(|filter| case.name.contains(filter))) {
        match (case.measure)(case.name) {
            Ok(Outcome::Row(row)) => {
                println!("{}", line(&row));
                bad.extend((!row.pass).then_some(case.name));
                done.push(row);
            }
            Ok(Outcome::Skipped(why)) => println!("{:24} skipped: {why}", case.name),
            Err(error) => {
                println!("{:24} error: {error}", case.name);
                bad.push(case.name);
            }
        }
    }
    if let Some(file) = json {
        let rows: Vec<_> = done.iter().map(|row| Written { row, host: &host }).collect();
        std::fs::write(file, serde_json::to_string_pretty(&rows)? + "\n")?;
    }
    if bad.is_empty() { Ok(()) } else { Err(format!("too slow or broken: {}", bad.join(", ")).into()) }
}

fn heading() -> String {
    let (name, spread) = ("name", "low..high");
    format!(
        "{name:24} {:>10} {:>10} {:>7} {spread:>15} {:>6} {:>6}  met  unit",
        "ours", "theirs", "ratio", "least", "aim"
    )
}

fn line(row: &Row) -> String {
    let pass = if row.pass { "yes" } else { "NO" };
    let spread = format!("{:.2}..{:.2}", row.low, row.high);
    let aim = row.aim.map(|aim| format!("{aim:.2}")).unwrap_or_default();
    let note = row.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    format!(
        "{:24} {:>10.3} {:>10.3} {:>7.3} {spread:>15} {:>6.2} {aim:>6}  {pass:4} {}{note}",
        row.name, row.ours, row.theirs, row.ratio, row.min, row.unit
    )
}

/// The middle value, or the mean of the two in the middle; not a number if there is none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_one_outlier() {
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 2.0].into_iter()), 3.0);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn a_row_passes_by_the_median_of_its_ratios() {
        let row = Row::less("x", "CPU s", &[(2.0, 1.0), (4.0, 1.0), (1.0, 1.0)], Mark::least(0.5));
        assert_eq!((row.ours, row.theirs, row.ratio, row.pass), (2.0, 1.0, 0.5, true));
        assert_eq!((row.low, row.high), (0.25, 1.0));
        assert!(!Row::less("x", "CPU s", &[(2.0, 1.0)], Mark::least(0.51)).pass);
        assert!(!Row::less("x", "CPU s", &[], Mark::least(0.0)).pass, "nothing measured is no success");
    }

    #[test]
    fn of_some_figures_more_is_better() {
        let row = Row::more("x", "per s", &[90.0, 200.0, 150.0], 100.0, Mark::new(1.0, 2.0));
        assert_eq!((row.ours, row.theirs, row.ratio, row.low, row.high), (150.0, 100.0, 1.5, 0.9, 2.0));
        assert!(row.pass && !Row::more("x", "per s", &[99.0], 100.0, Mark::new(1.0, 2.0)).pass);
    }

    #[test]
    fn json_has_the_documented_fields() {
        let row = Row::less("x", "ns", &[(2.0, 1.0)], Mark::new(0.5, 1.0));
        let json = serde_json::to_value(Written { row: &row, host: &Host::here() }).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        for key in ["name", "ours", "theirs", "ratio", "low", "high", "min", "aim", "pass", "host"] {
            assert!(keys.contains(&key), "{key}");
        }
        assert!(json["host"]["cpu"].is_string() && json["host"]["rustc"].is_string());
    }
}
