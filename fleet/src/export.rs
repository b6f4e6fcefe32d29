//! A recorded session as a scenario that people can read, change and run as a test.
//!
//! What was typed, pressed, reset and moved becomes steps at the same virtual times; before each step stands what the
//! node printed last, as an expectation. What scenarios have no step for (a debugger's writes, what a gateway's host
//! did) stands there as a comment.

use crate::{
    Act, Command, ConsoleByte,
    record::{Session, Spectator, Subject},
};
use emu_core::{Time, device::ResetKind};
use std::fmt::Write;
use toml_edit::{DocumentMut, Value, value};

/// Writes steps while a session is replayed.
pub struct Export {
    names: Vec<String>,
    steps: String,
    /// The time that the steps so far have reached.
    now: Time,
    /// What each node printed since its last expectation.
    said: Vec<Vec<u8>>,
    /// Commands that are no steps.
    left_out: usize,
}

/// The longest expectation.
const LONGEST: usize = 60;

impl Export {
    /// Of a session that is about to be replayed.
    pub fn of(session: &Session) -> Export {
        let names = session.header.nodes.clone();
        let said = vec![vec![]; names.len()];
        Export { names, steps: String::new(), now: Time::ZERO, said, left_out: 0 }
    }

    /// Commands for which there is no step.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The scenario. The error is for people.
    pub fn finish(mut self, session: &Session, end: Time) -> Result<String, String> {
        self.wait(end);
        (0..self.names.len() as u32).for_each(|n| self.expect(n));
        let mut doc = match &session.header.subject {
            Subject::Fleet { text, .. } => text.parse::<DocumentMut>().map_err(|e| e.to_string())?,
            Subject::Scenario { .. } => return Err("the session is that of a scenario already".into()),
            Subject::Image { image, machine, at } => {
                let name = self.names.first().map_or("node", |n| n);
                let at = at.map(|at| format!("at = {at:#x}\n")).unwrap_or_default();
                let (name, image, machine) = (text(name), text(image), text(machine));
                let text = format!("[node.{name}]\nmachine = {machine}\nimage = {image}\n{at}");
                text.parse::<DocumentMut>().map_err(|e| e.to_string())?
            }
        };
        doc["seed"] = value(session.header.seed as i64);
        doc["timeout"] = value(format!("{}ns", end.0.saturating_add(1_000_000_000)));
        let head = "# A recorded session. Paths of images are those of its fleet.\n";
        Ok(format!("{head}{doc}{}", self.steps))
    }

    fn wait(&mut self, until: Time) {
        if until > self.now {
            // Nanoseconds, so that each step comes at the very time it came at.
            let _ =
                writeln!(self.steps, "\n[[step]] # at {} s\nwait = \"{}ns\"", self.now, until.0 - self.now.0);
            self.now = until;
        }
    }

    fn step(&mut self, node: u32, lines: &str) {
        let name = self.names.get(node as usize).map_or("?", |n| n);
        let _ = writeln!(self.steps, "\n[[step]]\nnode = {}\n{lines}", text(name));
    }

    /// The last line that the node printed, if people can read it.
    fn expect(&mut self, node: u32) {
        let said = self.said.get_mut(node as usize).map(std::mem::take).unwrap_or_default();
        let mut lines = said.split(|b| *b == b'\n' || *b == b'\r');
        let Some(last) = lines.rfind(|l| !l.trim_ascii().is_empty()) else { return };
        let Ok(last) = std::str::from_utf8(last) else { return };
        if last.chars().any(char::is_control) {
            return;
        }
        let start = last.char_indices().rev().nth(LONGEST - 1).map_or(0, |(i, _)| i);
        self.step(node, &format!("expect = {}", text(&last[start..])));
    }
}

/// A string of TOML.
fn text(s: &str) -> String {
    Value::from(s).to_string().trim().to_string()
}

/// The line of a step.
fn action(act: &Act) -> Option<String> {
    Some(match act {
        Act::Text { console: 0, bytes } => format!("send = {}", one_line(std::str::from_utf8(bytes).ok()?)),
        Act::Input { device, name, value } => {
            format!("input = {}\nvalue = {value}", text(&format!("{device}.{name}")))
        }
        Act::Reset(ResetKind::PowerOn) => "reset = \"power\"".into(),
        Act::Reset(ResetKind::Pin) => "reset = \"pin\"".into(),
        Act::Reset(ResetKind::Soft) => "reset = \"soft\"".into(),
        Act::Move([x, y, z]) => format!("move = [{x:?}, {y:?}, {z:?}]"),
        _ => return None,
    })
}

/// A basic string on one line, whatever is typed.
fn one_line(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\r' => out += "\\r",
            '\n' => out += "\\n",
            '\t' => out += "\\t",
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}

impl Spectator for Export {
    fn console(&mut self, bytes: &[ConsoleByte]) {
        for b in bytes {
            if let Some(said) = self.said.get_mut(b.node as usize) {
                said.push(b.byte);
            }
        }
    }

    fn command(&mut self, c: &Command) {
        if matches!(c.act, Act::Patch { .. }) {
            return; // the fleet file's
        }
        self.wait(c.at);
        self.expect(c.node);
        match action(&c.act) {
            Some(lines) => self.step(c.node, &lines),
            None => {
                self.left_out += 1;
                let node = self.names.get(c.node as usize).map_or("the fleet", |n| n);
                let what = match &c.act {
                    Act::Flash { parts } => {
                        let bytes: usize = parts.iter().map(|p| p.1.len()).sum();
                        format!("it begins with {bytes} bytes in its flash that are not the image's")
                    }
                    act => format!("{act:?}"),
                };
                let _ =
                    writeln!(self.steps, "\n# at {} s, {node}: no step does this: {}", c.at, one_line(&what));
            }
        }
    }
}
