//! Texts with variables, what consoles printed, and how it is searched.

use std::{collections::BTreeMap, fmt};

/// A text in which `${name}` stands for what a console printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Takes a text apart. `$${` is a plain `${`.
    pub fn parse(text: &str) -> Result<Template, String> {
        let (mut parts, mut plain, mut rest) = (vec![], String::new(), text);
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                plain += &rest[..at];
                plain.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            let end = rest[at..].find('}').ok_or("a variable has no end: `${` needs its `}`")?;
            let name = &rest[at + 2..at + end];
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
                return Err(format!("`{name}` is no name of a variable; a plain `${{` is written `$${{`"));
            }
            plain += &rest[..at];
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Variable(name.into()));
            rest = &rest[at + end + 1..];
        }
        parts.push(Part::Text(plain + rest));
        Ok(Template { text: text.into(), parts })
    }

    /// The variables in it.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|p| match p {
            Part::Variable(name) => Some(&name[..]),
            Part::Text(_) => None,
        })
    }

    /// The text with the variables' values, each through `quote`.
    pub(super) fn fill(
        &self,
        mut value: impl FnMut(&str) -> Result<String, String>,
        quote: fn(&str) -> String,
    ) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(t) => text += t,
                Part::Variable(name) => text += &quote(&value(name)?),
            }
        }
        Ok(text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

/// What a console must (not) print.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// This text.
    Text(Template),
    /// Something this regular expression matches; its named groups become variables.
    Regex(Template),
}

impl Pattern {
    /// The text or expression as it stands in the file.
    pub(super) fn template(&self) -> &Template {
        match self {
            Pattern::Text(t) | Pattern::Regex(t) => t,
        }
    }

    /// What is searched for, once the variables have values.
    pub(super) fn needle(&self, value: impl FnMut(&str) -> Result<String, String>) -> Result<Needle, String> {
        match self {
            Pattern::Text(t) => Ok(Needle::Text(t.fill(value, str::to_string)?.into_bytes())),
            Pattern::Regex(t) => {
                let text = t.fill(value, regex::escape)?;
                regex::bytes::Regex::new(&text).map(Needle::Regex).map_err(|e| e.to_string())
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Text(t) => write!(f, "{:?}", t.text),
            Pattern::Regex(t) => write!(f, "/{}/", t.text),
        }
    }
}

/// What is searched for.
#[derive(Clone, Debug)]
pub(super) enum Needle {
    Text(Vec<u8>),
    Regex(regex::bytes::Regex),
}

/// A match of a regular expression is at most so long where it was not printed at once: what stood before was
/// searched already, and searching all of it again for each byte would cost the square of what a guest prints.
const WINDOW: usize = 16 << 10;

impl Needle {
    /// The first match in `text`, of which so many bytes were searched in vain before.
    pub(super) fn find(&self, text: &[u8], searched: usize) -> Option<usize> {
        match self {
            Needle::Text(t) if t.is_empty() => Some(0),
            Needle::Text(t) => {
                let from = (searched + 1).saturating_sub(t.len()).min(text.len());
                text[from..].windows(t.len()).position(|w| w == t).map(|i| from + i + t.len())
            }
            Needle::Regex(r) => r.find_at(text, searched.saturating_sub(WINDOW)).map(|m| m.end()),
        }
    }

    /// The named groups of the match that ends at `end`.
    pub(super) fn captures(&self, text: &[u8], searched: usize) -> Vec<(String, String)> {
        let Needle::Regex(r) = self else { return vec![] };
        if r.captures_len() < 2 {
            return vec![];
        }
        let Some(found) = r.captures_at(text, searched.saturating_sub(WINDOW)) else { return vec![] };
        let names = r.capture_names().flatten();
        let value = |n: &str| Some(String::from_utf8_lossy(found.name(n)?.as_bytes()).into_owned());
        names.filter_map(|n| Some((n.to_string(), value(n)?))).collect()
    }
}

/// The text of one node's consoles and how far expectations have read.
#[derive(Clone, Debug, Default)]
pub(super) struct Transcript {
    pub text: Vec<u8>,
    pub read: usize,
}

impl Transcript {
    /// The last so many lines, none of them endless.
    pub(super) fn tail(&self, lines: usize) -> Vec<String> {
        let from = self.text.len().saturating_sub(4096);
        let text = String::from_utf8_lossy(&self.text[from..]);
        let mut last: Vec<_> = text.lines().rev().take(lines).map(shown).collect();
        last.reverse();
        last
    }
}

/// A line as a terminal can show it: no control characters.
fn shown(line: &str) -> String {
    let short: String = line.chars().take(300).collect();
    let plain = short.trim_end_matches('\r');
    plain.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// What was captured, by name and node.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(BTreeMap<String, BTreeMap<u32, String>>);

impl Variables {
    pub fn set(&mut self, name: String, node: u32, value: String) {
        self.0.entry(name).or_default().insert(node, value);
    }

    /// The value for a node: its own, or the only one there is.
    pub fn get(&self, name: &str, node: u32) -> Option<&str> {
        let all = self.0.get(name)?;
        let only = || all.values().next().filter(|_| all.len() == 1);
        all.get(&node).or_else(only).map(String::as_str)
    }

    /// What exactly that node's console printed.
    pub fn own(&self, name: &str, node: u32) -> Option<&str> {
        self.0.get(name)?.get(&node).map(String::as_str)
    }
}
