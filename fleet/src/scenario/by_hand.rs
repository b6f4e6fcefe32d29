//! Steps that a person gives while a fleet runs, in the words of scenarios.

use super::{Action, Deed, act, check, read};
use crate::{
    Act, Command, Fleet,
    config::{Files, Plan},
};
use devices::source::{Diagnostics, Source};

/// A fleet that runs has its files already.
struct NoFiles;

impl Files for NoFiles {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        Err(format!("`{name}` is not read while the fleet runs"))
    }
    fn board(&self, path: &str) -> Result<String, String> {
        self.image(path).map(|_| String::new())
    }
}

/// The commands of a step such as `power-cut = "2s", node = "bit.1"`, done now: what stands between the braces of an inline
/// table. `node` is the node or group it concerns if it names none; without one, all. The error is for people.
pub fn by_hand(text: &str, node: Option<&str>, plan: &Plan, fleet: &Fleet) -> Result<Vec<Command>, String> {
    // The braces end on a line of their own, should the text end with a comment.
    let source = Source::parse("step", &format!("step = {{ {text}\n}}")).map_err(|e| told(&e))?;
    let tab = source.root().table("step").ok_or_else(|| told(&Diagnostics(source.take_diagnostics())))?;
    let reader = read::Reader::new(plan, &NoFiles);
    let step = reader.bare_step(&tab, 0);
    tab.done();
    let mut step = match (step, Diagnostics(source.take_diagnostics())) {
        (Some(step), found) if found.0.is_empty() => step,
        (_, found) => return Err(told(&found)),
    };
    if let Some(node) = node.filter(|_| !tab.has("node")) {
        step.nodes = reader.roster.find(node)?;
    }
    check::step(&step, &tab, fleet, &reader.roster);
    let found = source.take_diagnostics();
    if !found.is_empty() {
        return Err(told(&Diagnostics(found)));
    }
    match &step.action {
        Action::Do(Deed::Send(text, _), _) => {
            let bytes = text
                .fill(|name| Err(format!("by hand there is no `${{{name}}}`")), str::to_string)?
                .into_bytes();
            let act = Act::Text { console: 0, bytes };
            Ok(step.nodes.iter().map(|n| Command::new(fleet.now(), *n, act.clone())).collect())
        }
        Action::Do(deed, undo) => act::commands(fleet, plan, &step, deed, *undo),
        Action::Play(_) => Err("a recording is played by a scenario".into()),
        _ => Err("this waits for something: by hand, only what is done at once".into()),
    }
}

/// In one line, without places: the text is in front of whoever gave it.
fn told(found: &Diagnostics) -> String {
    let one = |d: &devices::source::Diagnostic| match &d.help {
        Some(help) => format!("{}; {help}", d.message),
        None => d.message.clone(),
    };
    found.0.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use emu_core::Time;

    struct Raw;
    impl Files for Raw {
        fn image(&self, _: &str) -> Result<Vec<u8>, String> {
            Ok(vec![0; 64])
        }
        fn board(&self, path: &str) -> Result<String, String> {
            Err(path.into())
        }
    }

    const FLEET: &str = "[group.bit]\ncount = 2\nmachine = \"microbit\"\nimage = \"raw\"\nat = 0\n";

    #[test]
    fn mend_monitor_steps_given_by_hand_are_those_of_scenarios() {
        let (fleet, plan) = config::load("f.toml", FLEET, None, &Raw).expect("a fleet");
        let give = |text: &str, node| by_hand(text, node, &plan, &fleet);
        let press =
            give("input = \"button-a.pressed\", value = 1, for = \"5ms\"", Some("bit.1")).expect("a step");
        let input = |value| Act::Input { device: "button-a".into(), name: "pressed".into(), value };
        let wanted = [Command::new(Time::ZERO, 1, input(1)), Command::new(Time::ms(5), 1, input(0))];
        assert_eq!(press, wanted);
        let nodes =
            |text: &str, node| give(text, node).map(|all| all.iter().map(|c| c.node).collect::<Vec<_>>());
        assert_eq!(nodes("power = \"off\" # all", None), Ok(vec![0, 1]));
        assert_eq!(nodes("freeze = \"1ms\", node = \"bit.0\"", Some("bit.1")), Ok(vec![0]));
        assert_eq!(nodes("send = \"x\\r\"", Some("bit.*")), Ok(vec![0, 1]));
        assert_eq!(nodes("jam = { name = \"j\", mhz = [2407] }", None), Ok(vec![Command::FLEET]));
        for (text, wrong) in [
            ("inptu = \"button-a.pressed\"", "unknown key `inptu`; did you mean `input`?"),
            ("input = \"button-c.pressed\", value = 1", "did you mean `button-a.pressed`?"),
            ("input = \"button-a.pressed\", value = 7", "takes 0 to 1"),
            ("power = \"of\"", "`power` is one of: off, on"),
            ("expect = \"x\"", "this waits for something"),
            ("repeat = 3, step = [{ reset = \"pin\" }]", "this waits for something"),
            ("trace = \"x.csv\"", "is not read while the fleet runs"),
            ("send = \"${x}\"", "by hand there is no `${x}`"),
            ("power = \"off\", node = \"bit.7\"", "no node or group is called `bit.7`"),
            ("", "a step has one of"),
            ("} [x", "expected"),
        ] {
            let error = give(text, Some("bit.0")).expect_err(text);
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
