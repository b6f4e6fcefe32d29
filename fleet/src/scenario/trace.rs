//! Recordings of sensors: a table of times and values, as CSV.

use crate::config::duration;
use devices::source::Diagnostic;

/// Values of inputs over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Device and input of each column behind the time.
    pub columns: Vec<(String, String)>,
    /// Nanoseconds from the first moment on, and values; an empty field changes nothing.
    pub rows: Vec<(u64, Vec<Option<i64>>)>,
}

/// More mistakes of one file are not listed.
const ENOUGH: usize = 20;

impl Trace {
    /// Reads a table: a heading `time,value` (then `input` names the input) or `time,device.input,...`, and rows with
    /// times that never go back. Values are multiplied by `scale` and rounded. Lines that begin with `#` are comments.
    pub fn parse(
        file: &str,
        text: &str,
        input: Option<(&str, &str)>,
        scale: f64,
    ) -> Result<Trace, Vec<Diagnostic>> {
        let mut found = vec![];
        let mut report = |line: usize, message: String| {
            let d = Diagnostic { file: file.into(), line: line + 1, column: 1, message, help: None };
            found.push(d);
            found.len() >= ENOUGH
        };
        let lines = text.lines().enumerate().map(|(i, l)| (i, l.trim().trim_start_matches('\u{feff}')));
        let mut lines = lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
        let columns = match lines.next().map(|(i, heading)| columns(heading, input).map_err(|e| (i, e))) {
            Some(Ok(columns)) => columns,
            Some(Err((i, e))) => {
                report(i, e);
                return Err(found);
            }
            None => {
                report(0, "the table is empty; it begins with a heading, such as `time,value`".into());
                return Err(found);
            }
        };
        let mut rows: Vec<(u64, Vec<Option<i64>>)> = vec![];
        for (i, line) in lines {
            let before = rows.last().map_or(0, |r| r.0);
            match row(line, columns.len(), scale) {
                Ok((at, _)) if at < before => {
                    if report(i, "the time goes back".into()) {
                        break;
                    }
                }
                Ok(row) => rows.push(row),
                Err(e) => {
                    if report(i, e) {
                        break;
                    }
                }
            }
        }
        if found.is_empty() { Ok(Trace { columns, rows }) } else { Err(found) }
    }
}

fn columns(heading: &str, input: Option<(&str, &str)>) -> Result<Vec<(String, String)>, String> {
    let names: Vec<_> = heading.split(',').map(str::trim).collect();
    let column = |name: &&str| match (name.rsplit_once('.'), input) {
        (None, Some((device, name_of))) if *name == "value" && names.len() == 2 => {
            Ok((device.to_string(), name_of.to_string()))
        }
        (None, None) if *name == "value" => Err("a column `value` needs `input` in the step".to_string()),
        (Some((device, name)), None) => Ok((device.to_string(), name.to_string())),
        (Some(_), Some(_)) => Err("`input` in the step goes with the columns `time,value`".to_string()),
        _ => Err(format!("a column is `value` or DEVICE.INPUT, not `{name}`")),
    };
    match &names[..] {
        ["time", _, ..] => names[1..].iter().map(column).collect(),
        _ => Err("the heading is `time,value` or `time,DEVICE.INPUT,...`".into()),
    }
}

fn row(line: &str, columns: usize, scale: f64) -> Result<(u64, Vec<Option<i64>>), String> {
    let mut fields = line.split(',').map(str::trim);
    let at = duration(fields.next().unwrap_or_default())?.0;
    let values = fields.map(|f| value(f, scale)).collect::<Result<Vec<_>, _>>()?;
    if values.len() != columns {
        return Err(format!("{} values where the heading has {columns}", values.len()));
    }
    Ok((at, values))
}

fn value(field: &str, scale: f64) -> Result<Option<i64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    if let (Ok(whole), true) = (field.parse::<i64>(), scale == 1.0) {
        return Ok(Some(whole));
    }
    match field.parse::<f64>().map(|x| (x * scale).round()) {
        Ok(x) if x.abs() < 9e18 => Ok(Some(x as i64)),
        _ => Err(format!("`{field}` is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, input: Option<(&str, &str)>, scale: f64, expect: Expect) {
        let shown = match Trace::parse("t.csv", text, input, scale) {
            Ok(t) => format!("{:?}\n{:?}", t.columns, t.rows),
            Err(e) => e.iter().map(|d| format!("{d}\n")).collect(),
        };
        expect.assert_eq(&shown);
    }

    #[test]
    fn tables_are_read() {
        check(
            "time,value\r\n# a comment\r\n0,5\r\n1.5ms,-7\r\n2,\r\n",
            Some(("temp", "temperature")),
            1.0,
            expect![[r#"
                [("temp", "temperature")]
                [(0, [Some(5)]), (1500000, [Some(-7)]), (2000000000, [None])]"#]],
        );
        check(
            "time, a.x, b.c.y\n0.1, 0.25, 1e3\n",
            None,
            1000.0,
            expect![[r#"
                [("a", "x"), ("b.c", "y")]
                [(100000000, [Some(250), Some(1000000)])]"#]],
        );
    }

    #[test]
    fn mistakes_have_their_line() {
        check(
            "",
            None,
            1.0,
            expect![[r#"
            t.csv:1:1: the table is empty; it begins with a heading, such as `time,value`
        "#]],
        );
        check(
            "when,value\n",
            None,
            1.0,
            expect![[r#"
            t.csv:1:1: the heading is `time,value` or `time,DEVICE.INPUT,...`
        "#]],
        );
        check(
            "time,value\n0,1\n",
            None,
            1.0,
            expect![[r#"
            t.csv:1:1: a column `value` needs `input` in the step
        "#]],
        );
        check(
            "time,a.x\n0,1\n",
            Some(("a", "x")),
            1.0,
            expect![[r#"
            t.csv:1:1: `input` in the step goes with the columns `time,value`
        "#]],
        );
        check(
            "time,a.x\n1,1\n0,1\nsoon,2\n3,x\n4,1,2\n5,1e300\n",
            None,
            1.0,
            expect![[r#"
            t.csv:3:1: the time goes back
            t.csv:4:1: `soon` is no duration, such as 5s or 250ms
            t.csv:5:1: `x` is no number
            t.csv:6:1: 2 values where the heading has 1
            t.csv:7:1: `1e300` is no number
        "#]],
        );
    }
}
