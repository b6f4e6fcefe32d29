//! `cargo xtask bench`: our speed against others', in pairs on the same machine in the same run.
//!
//! The rows stand in [`rows`]; here they are measured, printed and written. A row passes if theirs / ours is at least its
//! `min`; above 1 we are faster.

mod measure;
mod rows;

use std::path::Path;

use serde::Serialize;

use crate::sh::Result;

pub use measure::Job;

/// How often each pair is measured; the median counts.
const ROUNDS: usize = 3;

/// One line of the result. `ours` and `theirs` are in `unit`, less is better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub ours: f64,
    pub theirs: f64,
    /// theirs / ours; of a pair measured several times, the median of that.
    pub ratio: f64,
    pub min: f64,
    pub pass: bool,
}

impl Row {
    pub fn new(name: &str, unit: &'static str, pairs: &[(f64, f64)], min: f64) -> Row {
        let ratio = median(pairs.iter().map(|(ours, theirs)| theirs / ours));
        Row {
            name: name.to_owned(),
            unit,
            ours: median(pairs.iter().map(|pair| pair.0)),
            theirs: median(pairs.iter().map(|pair| pair.1)),
            ratio,
            min,
            pass: ratio >= min,
        }
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
    Ok(Row::new(name, "CPU s", &pairs, min))
}

/// Measures `figure` against a fixed mark that it must not exceed.
pub fn against(name: &str, unit: &'static str, mark: f64, figure: impl Fn() -> Result<f64>) -> Result<Row> {
    let figures = (0..ROUNDS).map(|_| figure()).collect::<Result<Vec<f64>>>()?;
    Ok(Row::new(name, unit, &figures.iter().map(|&ours| (ours, mark)).collect::<Vec<_>>(), 1.0))
}

/// Measures every row whose name contains `filter`; an error if one fails.
pub fn run(json: Option<&Path>, filter: Option<&str>) -> Result<()> {
    rows::prepare()?;
    let (mut done, mut bad) = (Vec::new(), Vec::new());
    println!("{}", heading());
    for case in rows::CASES.iter().filter(|case| filter.is_none_or(|filter| case.name.contains(filter))) {
        match (case.measure)(case.name) {
            Ok(Outcome::Row(row)) => {
                println!("{}", line(&row));
                bad.extend((!row.pass).then_some(case.name));
                done.push(row);
            }
            Ok(Outcome::Skipped(why)) => println!("{:26} skipped: {why}", case.name),
            Err(error) => {
                println!("{:26} error: {error}", case.name);
                bad.push(case.name);
            }
        }
    }
    if let Some(file) = json {
        std::fs::write(file, serde_json::to_string_pretty(&done)? + "\n")?;
    }
    if bad.is_empty() { Ok(()) } else { Err(format!("too slow or broken: {}", bad.join(", ")).into()) }
}

fn heading() -> String {
    format!("{:26} {:>10} {:>10} {:>8} {:>6}  pass  unit", "name", "ours", "theirs", "ratio", "min")
}

fn line(row: &Row) -> String {
    let pass = if row.pass { "yes" } else { "NO" };
    format!(
        "{:26} {:>10.3} {:>10.3} {:>8.3} {:>6.2}  {pass:4}  {}",
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
        let row = Row::new("x", "CPU s", &[(2.0, 1.0), (4.0, 1.0), (1.0, 1.0)], 0.5);
        assert_eq!((row.ours, row.theirs, row.ratio, row.pass), (2.0, 1.0, 0.5, true));
        assert!(!Row::new("x", "CPU s", &[(2.0, 1.0)], 0.51).pass);
        assert!(!Row::new("x", "CPU s", &[], 0.0).pass, "nothing measured is no success");
    }

    #[test]
    fn json_has_the_documented_fields() {
        let json = serde_json::to_value(Row::new("x", "ns", &[(2.0, 1.0)], 0.5)).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        for key in ["name", "ours", "theirs", "ratio", "min", "pass"] {
            assert!(keys.contains(&key), "{key}");
        }
    }
}
