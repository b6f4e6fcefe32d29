use super::*;
use crate::config::Files;
use expect_test::{Expect, expect};

#[test]
fn patterns_find_the_first_match() {
    assert_eq!(Pattern::Text("b".into()).find(b"abab"), Some(2));
    assert_eq!(Pattern::Text("x".into()).find(b"abab"), None);
    let r = Pattern::Regex(regex::bytes::Regex::new("[0-9]+").unwrap());
    assert_eq!(r.find(b"ab 42 7"), Some(5));
}

struct Shelf;
impl Files for Shelf {
    fn image(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(vec![0; 64])
    }
    fn board(&self, path: &str) -> Result<String, String> {
        match path {
            "good.toml" => Ok(format!("seed = 5\n{NODE}")),
            "bad.toml" => Ok(format!("{NODE}imag = 1\n")),
            _ => Err(format!("cannot read {path}")),
        }
    }
}

const NODE: &str = "[node.bit]\nmachine = \"microbit\"\nimage = \"raw\"\nat = 0\n";

fn check(text: &str, expect: Expect) {
    let shown = match load("s.toml", text, None, &Shelf) {
        Ok(s) => s.steps.iter().map(|s| format!("{}: {:?} {:?}\n", s.line, s.nodes, s.action)).collect(),
        Err(e) => e.to_string(),
    };
    expect.assert_eq(&shown);
}

/// `steps` for one micro:bit, starting at line 5.
fn steps(steps: &[&str], expect: Expect) {
    let steps: String = steps.iter().map(|s| format!("[[step]]\n{s}\n")).collect();
    check(&format!("{NODE}{steps}"), expect);
}

#[test]
fn every_kind_of_step_is_read() {
    steps(
        &[
            "send = \"hi\\r\"",
            "expect = \"ho\"",
            "expect-regex = \"h[aeiou]\"\nwithin = \"1ms\"",
            "expect-not = \"no\"\nduring = \"2s\"",
            "wait = \"5ms\"",
            "input = \"button-a.pressed\"\nvalue = 1",
            "reset = \"pin\"",
            "memory = \"0x20000000\"\nequals = -1\nsize = 2",
            "display = \"leds\"\nshows = [\".....\", \"#####\", \".....\", \".....\", \".....\"]",
            "exit = 3",
            "mistakes-at-most = 0",
            "move = [1, 2]",
        ],
        expect![[r######"
            5: [0] Send("hi\r")
            7: [0] Expect(Text("ho"), 10000000000)
            9: [0] Expect(Regex(Regex("h[aeiou]")), 1000000)
            12: [0] ExpectNot(Text("no"), 2000000000)
            15: [0] Wait(5000000)
            17: [0] Input("button-a", "pressed", 1)
            20: [0] Reset(Pin)
            22: [0] Memory(Address(536870912), 2, 65535, 10000000000)
            26: [0] Display("leds", [".....", "#####", ".....", ".....", "....."], 10000000000)
            29: [0] Exit(3, 10000000000)
            31: [0] MistakesAtMost(0)
            33: [0] Move([1.0, 2.0, 0.0])
        "######]],
    );
}

#[test]
fn every_mistake_in_steps_is_reported_with_its_place() {
    steps(
        &[
            "",
            "node = \"bitt\"\nsend = \"x\"",
            "send = \"x\"\nexpect = \"y\"",
            "send = \"x\"\nwithin = \"1s\"",
            "expcet = \"y\"",
            "expect-regex = \"(\"",
            "wait = \"5 parsecs\"",
            "wait = 5",
            "input = \"button\"\nvalue = 1",
            "input = \"button-a.pressed\"",
            "reset = \"hard\"",
            "memory = \"0x20000000\"\nequals = 256\nsize = 1",
            "memory = \"0x20000000\"\nequals = 1\nsize = 3",
            "display = \"leds\"\nshows = [\"..x..\"]",
            "exit = 4294967296",
            "mistakes-at-most = -1",
            "move = [1, 2, 3, 4]",
            "move = [nan, 0]",
        ],
        expect![[r#"
            s.toml:5:1: a step has one of: send, expect, expect-regex, expect-not, wait, input, reset, memory, display, exit, mistakes-at-most, move
            s.toml:8:8: no node or group is called `bitt`; did you mean `bit`?
            s.toml:12:10: a step does one thing; make this one a step of its own
            s.toml:15:1: unknown key `within`
            s.toml:16:1: a step has one of: send, expect, expect-regex, expect-not, wait, input, reset, memory, display, exit, mistakes-at-most, move
            s.toml:17:1: unknown key `expcet`
                did you mean `expect`?
            s.toml:19:16: regex parse error:
                (
                ^
            error: unclosed group
            s.toml:21:8: `parsecs` is no unit of time: ns, us, ms, s, min, h
            s.toml:23:8: `wait` must be a string, not integer
            s.toml:25:9: an input is DEVICE.NAME, such as button-a.pressed
            s.toml:27:1: `value` is missing
            s.toml:30:9: a reset is `power`, `pin` or `soft`, not `hard`
            s.toml:33:10: 256 has no room in 1 bytes
            s.toml:38:8: a value has 1, 2, 4 or 8 bytes
            s.toml:41:9: a row consists of `#` (lit) and `.` (dark)
            s.toml:43:8: an exit code has 32 bits
            s.toml:45:20: `mistakes-at-most` must be a whole number from 0, not integer
            s.toml:47:8: `move` has two or three coordinates in metres
            s.toml:49:8: `move` lies beyond 1000000000 m"#]],
    );
}

#[test]
fn what_the_machine_does_not_have_is_reported_before_the_run() {
    steps(
        &[
            "input = \"buton-a.pressed\"\nvalue = 1",
            "input = \"button-a.presed\"\nvalue = 1",
            "display = \"led\"\nshows = [\".\"]",
            "display = \"leds\"\nshows = [\".....\"]",
            "memory = \"main+4\"\nequals = 1",
        ],
        expect![[r#"
            s.toml:6:9: bit has no input `buton-a.pressed`
                did you mean `button-a.pressed`?
            s.toml:9:9: bit has no input `button-a.presed`
                did you mean `button-a.pressed`?
            s.toml:12:11: bit has no display `led`
                did you mean `leds`?
            s.toml:15:11: `leds` has 5 rows of 5 lamps
            s.toml:18:10: raw has no symbol `main`"#]],
    );
}

#[test]
fn the_fleet_may_stand_in_a_file_of_its_own() {
    let s = load("s.toml", "fleet = \"good.toml\"", None, &Shelf).unwrap();
    assert_eq!((s.plan.seed, s.plan.nodes.len()), (5, 1));
    let s = load("s.toml", "fleet = \"good.toml\"\nseed = 6", None, &Shelf).unwrap();
    assert_eq!(s.plan.seed, 6);
    let s = load("s.toml", "fleet = \"good.toml\"\nseed = 6", Some(7), &Shelf).unwrap();
    assert_eq!((s.plan.seed, s.fleet.seed()), (7, 7));
    check(
        "fleet = \"bad.toml\"\n[[step]]\nsend = 1\n",
        expect![[r#"
        bad.toml:5:1: unknown key `imag`
            did you mean `image`?
        s.toml:3:8: `send` must be a string, not integer"#]],
    );
    check(
        "fleet = \"gone.toml\"\n[[step]]\nnode = \"bit\"\nsend = \"x\"\n",
        expect!["s.toml:1:9: cannot read gone.toml"],
    );
}

#[test]
fn a_broken_file_says_where() {
    check("[[step]\n", expect!["s.toml:1:8: unclosed array table, expected `]`"]);
    check(
        "timeout = \"long\"\n",
        expect![[r#"
        s.toml:1:1: a fleet has at least one [node.NAME] or [group.NAME]
        s.toml:1:11: `long` is no duration, such as 5s or 250ms"#]],
    );
}
