//! TOML files of boards, fleets and scenarios, read so that every mistake is reported with its place.
//!
//! A [`Source`] collects diagnostics; a [`Tab`] reads one table, knows which keys were asked for, and
//! [`Tab::done`] reports the others with the nearest right name.

use std::{borrow::Cow, cell::RefCell, fmt, ops::Range};
use toml_edit::{Document, Item, TableLike, Value};

/// One mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// File name as given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What may be meant.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n    {help}"),
            None => Ok(()),
        }
    }
}

/// All mistakes of one or several files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{d}", if i > 0 { "\n" } else { "" })?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n... and {more} more"),
        }
    }
}
impl std::error::Error for Diagnostics {}

/// So many mistakes are shown; of the others, how many there are.
const SHOWN: usize = 100;
/// Names longer than this, or beyond so many, are not compared: mistakes cost little even where there are thousands.
const NAME: usize = 80;
const NAMES: usize = 4096;

/// `did you mean ...`, if one of the names is near.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if name.len() > NAME {
        return None;
    }
    let short = names.into_iter().take(NAMES).filter(|n| n.len() <= NAME);
    let scored = short.map(|n| (strsim::damerau_levenshtein(name, n), n));
    let (distance, best) = scored.min()?;
    let prefix = best.starts_with(name) || name.starts_with(best);
    (distance <= 1 + name.len() / 3 || prefix).then(|| format!("did you mean `{best}`?"))
}

/// A parsed file.
pub struct Source {
    name: String,
    doc: Document<String>,
    /// Where lines begin.
    lines: Vec<usize>,
    found: RefCell<Vec<Diagnostic>>,
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect()
}

fn place(text: &str, lines: &[usize], offset: usize) -> (usize, usize) {
    let offset = (0..=offset.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let line = lines.partition_point(|start| *start <= offset).max(1);
    let start = lines.get(line - 1).copied().unwrap_or(0);
    (line, text[start..offset].chars().count() + 1)
}

impl Source {
    /// Parses `text`; `name` stands in diagnostics.
    pub fn parse(name: &str, text: &str) -> Result<Source, Diagnostics> {
        match Document::parse(text.to_string()) {
            Ok(doc) => {
                Ok(Source { name: name.into(), doc, lines: line_starts(text), found: RefCell::default() })
            }
            Err(e) => {
                let (line, column) = place(text, &line_starts(text), e.span().map_or(0, |s| s.start));
                let message = e.message().trim().to_string();
                Err(Diagnostics(vec![Diagnostic { file: name.into(), line, column, message, help: None }]))
            }
        }
    }

    /// The file's top table.
    pub fn root(&self) -> Tab<'_> {
        Tab::new(self, self.doc.as_table(), 0..0)
    }

    /// Notes a mistake at a byte range.
    pub fn report(&self, span: Option<Range<usize>>, message: impl Into<String>, help: Option<String>) {
        let (line, column) = place(self.doc.raw(), &self.lines, span.map_or(0, |s| s.start));
        let d = Diagnostic { file: self.name.clone(), line, column, message: message.into(), help };
        self.found.borrow_mut().push(d);
    }

    /// There are more mistakes already than will be shown.
    fn crowded(&self) -> bool {
        self.found.borrow().len() > SHOWN
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Mistakes so far, in order of place.
    pub fn take_diagnostics(&self) -> Vec<Diagnostic> {
        let mut all = std::mem::take(&mut *self.found.borrow_mut());
        all.sort_by_key(|d| (d.line, d.column));
        all
    }
}

/// A reader of one table.
pub struct Tab<'s> {
    source: &'s Source,
    table: &'s dyn TableLike,
    span: Range<usize>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'s> Tab<'s> {
    fn new(source: &'s Source, table: &'s dyn TableLike, span: Range<usize>) -> Tab<'s> {
        Tab { source, table, span, asked: RefCell::default() }
    }

    /// Another reader of the same table; [`Tab::done`] of the first one does not know what it asks for.
    pub(crate) fn here(&self) -> Tab<'s> {
        Tab::new(self.source, self.table, self.span.clone())
    }

    /// The file this table is in.
    pub fn source(&self) -> &'s Source {
        self.source
    }

    fn item(&self, key: &'static str) -> Option<&'s Item> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    /// The line the table starts at, from 1.
    pub fn line(&self) -> usize {
        self.source.lines.partition_point(|start| *start <= self.span.start).max(1)
    }

    /// Where the key (or, without it, the table) stands.
    pub fn key_span(&self, key: &str) -> Option<Range<usize>> {
        let key = self.table.key(key).and_then(|k| k.span());
        key.or_else(|| Some(self.span.clone()))
    }

    /// Where the value of a key stands.
    pub fn value_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get(key).and_then(Item::span).or_else(|| self.key_span(key))
    }

    /// Notes a mistake at the value of `key`.
    pub fn report(&self, key: &str, message: impl Into<String>, help: Option<String>) {
        self.source.report(self.value_span(key), message, help);
    }

    /// Notes a mistake at the table's header.
    pub fn report_here(&self, message: impl Into<String>, help: Option<String>) {
        self.source.report(Some(self.span.clone()), message, help);
    }

    fn typed<T>(&self, key: &'static str, what: &str, get: impl Fn(&'s Item) -> Option<T>) -> Option<T> {
        let item = self.item(key)?;
        let value = get(item);
        if value.is_none() {
            self.report(key, format!("`{key}` must be {what}, not {}", item.type_name()), None);
        }
        value
    }

    /// An optional string.
    pub fn str(&self, key: &'static str) -> Option<&'s str> {
        self.typed(key, "a string", Item::as_str)
    }
    /// An optional time: a string, or a number as its text.
    pub fn time_text(&self, key: &'static str) -> Option<Cow<'s, str>> {
        self.typed(key, "a time such as \"250ms\"", |i| {
            let whole = i.as_integer().map(|v| v.to_string());
            let number = whole.or_else(|| i.as_float().map(|v| v.to_string()));
            i.as_str().map(Cow::Borrowed).or_else(|| number.map(Cow::Owned))
        })
    }
    /// An optional whole number.
    pub fn int(&self, key: &'static str) -> Option<i64> {
        self.typed(key, "a whole number", Item::as_integer)
    }
    /// An optional number that is not negative.
    pub fn uint(&self, key: &'static str) -> Option<u64> {
        self.typed(key, "a whole number from 0", |i| i.as_integer().and_then(|v| v.try_into().ok()))
    }
    /// An optional number.
    pub fn float(&self, key: &'static str) -> Option<f64> {
        self.typed(key, "a number", |i| i.as_float().or_else(|| i.as_integer().map(|v| v as f64)))
    }
    /// An optional truth value.
    pub fn bool(&self, key: &'static str) -> Option<bool> {
        self.typed(key, "true or false", Item::as_bool)
    }
    /// A string or a list of strings.
    pub fn strings(&self, key: &'static str) -> Option<Vec<&'s str>> {
        self.typed(key, "a list of strings", |i| match i.as_array() {
            Some(a) => a.iter().map(Value::as_str).collect(),
            None => i.as_str().map(|s| vec![s]),
        })
    }
    /// Where each item of a list stands; of what is no list, the value.
    pub fn item_spans(&self, key: &'static str) -> Vec<Option<Range<usize>>> {
        match self.table.get(key).and_then(Item::as_array) {
            Some(list) => list.iter().map(Value::span).collect(),
            None => vec![self.value_span(key)],
        }
    }
    /// A list of lists of strings; a string is a list of one.
    pub fn string_lists(&self, key: &'static str) -> Option<Vec<Vec<&'s str>>> {
        let list = |v: &'s Value| match v.as_array() {
            Some(a) => a.iter().map(Value::as_str).collect(),
            None => v.as_str().map(|s| vec![s]),
        };
        self.typed(key, "a list of lists of strings", |i| {
            i.as_array().and_then(|a| a.iter().map(list).collect())
        })
    }
    /// One of several words, by its place among them.
    pub fn choice(&self, key: &'static str, words: &[&str]) -> Option<usize> {
        let word = self.str(key)?;
        let found = words.iter().position(|w| *w == word);
        if found.is_none() {
            let message = format!("`{key}` is one of: {}", words.join(", "));
            self.report(key, message, nearest(word, words.iter().copied()));
        }
        found
    }
    /// A number or a list of numbers.
    pub fn uints(&self, key: &'static str) -> Option<Vec<u64>> {
        let one = |v: i64| u64::try_from(v).ok();
        self.typed(key, "a list of whole numbers", |i| match i.as_array() {
            Some(a) => a.iter().map(|v| v.as_integer().and_then(one)).collect(),
            None => i.as_integer().and_then(one).map(|v| vec![v]),
        })
    }
    /// A list of numbers.
    pub fn floats(&self, key: &'static str) -> Option<Vec<f64>> {
        let one = |v: &Value| v.as_float().or_else(|| v.as_integer().map(|v| v as f64));
        self.typed(key, "a list of numbers", |i| i.as_array().and_then(|a| a.iter().map(one).collect()))
    }
    /// A required string; its absence is reported.
    pub fn need_str(&self, key: &'static str) -> Option<&'s str> {
        self.need(key);
        self.str(key)
    }
    /// A required number; its absence is reported.
    pub fn need_uint(&self, key: &'static str) -> Option<u64> {
        self.need(key);
        self.uint(key)
    }
    /// Reports a key that is missing.
    pub fn need(&self, key: &'static str) {
        if self.table.get(key).is_none() {
            self.report_here(format!("`{key}` is missing"), None);
        }
    }
    /// Whether the value of the key is a string.
    pub fn is_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Item::is_str)
    }
    /// Whether the value of the key is a whole number.
    pub fn is_int(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Item::is_integer)
    }
    /// Lets [`Tab::done`] know a key that may be there.
    pub fn ask(&self, key: &'static str) {
        self.asked.borrow_mut().push(key);
    }
    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn sub(&self, item: &'s Item) -> Option<Tab<'s>> {
        let table = item.as_table_like()?;
        Some(Tab::new(self.source, table, item.span().unwrap_or_else(|| self.span.clone())))
    }

    /// An optional table.
    pub fn table(&self, key: &'static str) -> Option<Tab<'s>> {
        let item = self.typed(key, "a table", |i| i.as_table_like().map(|_| i))?;
        self.sub(item)
    }

    /// The tables inside table `key`, by name in the file's order.
    pub fn named(&self, key: &'static str) -> Vec<(&'s str, Tab<'s>)> {
        let Some(outer) = self.table(key) else { return vec![] };
        let mut all = vec![];
        for (name, item) in outer.table.iter() {
            match outer.sub(item) {
                Some(tab) => all.push((name, tab)),
                None => outer.source.report(
                    item.span(),
                    format!("`{key}.{name}` must be a table, not {}", item.type_name()),
                    None,
                ),
            }
        }
        all
    }

    /// All keys with values that are strings or numbers: free-form tables (`clocks`, `inputs`).
    pub fn entries(&self, key: &'static str) -> Vec<(&'s str, &'s Item)> {
        self.table(key).map(|t| t.table.iter().collect()).unwrap_or_default()
    }

    /// The tables of a list (`[[key]]` or a list of inline tables).
    pub fn list(&self, key: &'static str) -> Vec<Tab<'s>> {
        let Some(item) = self.item(key) else { return vec![] };
        if let Some(tables) = item.as_array_of_tables() {
            return tables.iter().map(|t| Tab::new(self.source, t, t.span().unwrap_or(0..0))).collect();
        }
        let inline = item.as_array().and_then(|a| {
            let tab = |v: &'s Value| {
                let t = v.as_inline_table()?;
                Some(Tab::new(self.source, t, v.span().unwrap_or(0..0)))
            };
            a.iter().map(tab).collect()
        });
        if inline.is_none() {
            self.report(key, format!("`{key}` must be a list of tables, not {}", item.type_name()), None);
        }
        inline.unwrap_or_default()
    }

    /// Reports every key nobody asked for.
    pub fn done(&self) {
        let asked = self.asked.borrow();
        for (key, item) in self.table.iter() {
            if !asked.contains(&key) {
                let span = self.table.key(key).and_then(|k| k.span()).or_else(|| item.span());
                let help = if self.source.crowded() { None } else { nearest(key, asked.iter().copied()) };
                self.source.report(span, format!("unknown key `{key}`"), help);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_reported_together_with_place_and_nearest_name() {
        let text = "name = 3\nsped = 1\n[dev.a]\nbase = \"x\"\n[dev.b]\nbase = 1\n";
        let s = Source::parse("board.toml", text).unwrap();
        let root = s.root();
        root.need_str("name");
        root.uint("speed");
        for (_, t) in root.named("dev") {
            t.need_uint("base");
            t.need_str("kind");
            t.done();
        }
        root.done();
        let shown = Diagnostics(s.take_diagnostics()).to_string();
        expect_test::expect![[r#"
            board.toml:1:8: `name` must be a string, not integer
            board.toml:2:1: unknown key `sped`
                did you mean `speed`?
            board.toml:3:1: `kind` is missing
            board.toml:4:8: `base` must be a whole number from 0, not string
            board.toml:5:1: `kind` is missing"#]]
        .assert_eq(&shown);
    }

    #[test]
    fn broken_toml_says_where() {
        let e = Source::parse("x.toml", "a = 1\nb = = 2\n").err().unwrap();
        assert_eq!((e.0[0].line, e.0[0].column), (2, 5));
        assert!(Source::parse("x.toml", "é = \u{1}").is_err());
    }
}
