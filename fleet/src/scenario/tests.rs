use super::*;
use crate::config::Files;
use expect_test::{Expect, expect};

#[test]
fn patterns_find_the_first_match() {
    let needle = |p: Pattern| p.needle(|_| Err("no variables".into())).unwrap();
    let text = |t: &str| needle(Pattern::Text(Template::parse(t).unwrap()));
    assert_eq!(text("b").find(b"abab", 0), Some(2));
    assert_eq!(text("x").find(b"abab", 0), None);
    let r = needle(Pattern::Regex(Template::parse("[0-9]+").unwrap()));
    assert_eq!(r.find(b"ab 42 7", 0), Some(5));
    // What was searched is not searched again, but for what may have begun there.
    assert_eq!(text("ab").find(b"ab ab", 3), Some(5));
    assert_eq!(text("ab").find(b"ab ab", 1), Some(2));
    assert_eq!(text("").find(b"", 0), Some(0));
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
            "bad.csv" => Ok("time,temp.heat\n0,1\n".into()),
            "t.csv" => Ok("time,temp.temperature\n0,1\n1ms,2\n".into()),
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
            5: [0] Do(Send("hi\r", false), None)
            7: [0] Until(Printed(Text("ho")), 10000000000)
            9: [0] Until(Printed(Regex("h[aeiou]")), 1000000)
            12: [0] Never(Text("no"), 2000000000)
            15: [0] Wait(5000000)
            17: [0] Do(Input("button-a", "pressed", 1), None)
            20: [0] Do(Reset(Pin), None)
            22: [0] Until(Memory(Address(536870912), Unsigned(2), [Compare { op: Equals, value: Int(65535) }]), 10000000000)
            26: [0] Until(Display("leds", [".....", "#####", ".....", ".....", "....."]), 10000000000)
            29: [0] Until(State(Exited(Some(3))), 10000000000)
            31: [0] Hold(Mistakes([Compare { op: AtMost, value: Int(0) }]), 0)
            33: [0] Do(Move([1.0, 2.0, 0.0], 0.0), None)
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
            s.toml:5:1: a step has one of: expect, expect-regex, expect-not, expect-not-regex, wait, memory, check, counter, display, lamp, pin, state, exit, mistakes-at-most, mistakes-at-least, send, input, trace, reset, power, power-cut, freeze, drift, stick, flip, move, present, loss, partition, heal, link, line, jam, unjam, repeat, until, branch
            s.toml:8:8: no node or group is called `bitt`; did you mean `bit`?
            s.toml:12:10: a step does one thing; make this one a step of its own
            s.toml:15:1: unknown key `within`
            s.toml:16:1: a step has one of: expect, expect-regex, expect-not, expect-not-regex, wait, memory, check, counter, display, lamp, pin, state, exit, mistakes-at-most, mistakes-at-least, send, input, trace, reset, power, power-cut, freeze, drift, stick, flip, move, present, loss, partition, heal, link, line, jam, unjam, repeat, until, branch
            s.toml:17:1: unknown key `expcet`
                did you mean `expect`?
            s.toml:19:16: regex parse error:
                (
                ^
            error: unclosed group
            s.toml:21:8: `parsecs` is no unit of time: ns, us, ms, s, min, h
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

#[test]
fn every_fault_is_read() {
    steps(
        &[
            "power = \"off\"\nfor = \"1s\"",
            "power-cut = \"20ms\"",
            "freeze = \"1s\"",
            "drift = -50\nfor = \"1min\"",
            "stick = \"gpio.p17\"\nlevel = \"low\"",
            "flip = \"0x20000000\"\nmask = [1, 128]",
            "flip = \"ram\"\nrandom = 3",
            "present = false",
            "move = [1, 2]\nspeed = 0.5",
            "loss = 0.5\nfor = \"2s\"",
            "partition = [[\"bit\"], []]\nfor = \"2s\"",
            "heal = true",
            "jam = { name = \"j\", mhz = [2400, 2410], dbm = 3 }\nfor = \"1s\"",
            "unjam = \"j\"",
        ],
        expect![[r#"
            5: [0] Do(Power(false), Some(1000000000))
            8: [0] Do(Power(false), Some(20000000))
            10: [0] Do(Freeze(1000000000), None)
            12: [0] Do(Drift(-50), Some(60000000000))
            15: [0] Do(Stick("gpio", "p17", Some(false)), None)
            18: [0] Do(Flip(Address(536870912), Mask([1, 128])), None)
            21: [0] Do(Flip(Symbol("ram", 0), Random(3, None)), None)
            24: [0] Do(Present(false), None)
            26: [0] Do(Move([1.0, 2.0, 0.0], 0.5), None)
            29: [0] Do(Loss("radio", 0.5, Some(2000000000)), None)
            32: [0] Do(Partition("radio", [[0], []]), Some(2000000000))
            35: [0] Do(Heal("radio"), None)
            37: [0] Do(Jam("j", Jammer { position: [0.0, 0.0, 0.0], mhz: (2400, 2410), dbm: 3.0, pattern: Always }), Some(1000000000))
            40: [0] Do(Unjam("j"), None)
        "#]],
    );
}

#[test]
fn every_condition_is_read() {
    steps(
        &[
            "memory = \"0x20000000\"\ntype = \"i16\"\nat-least = -5\nbelow = 7",
            "memory = \"0x20000000\"\ntype = \"f32\"\nequals = 0.5\nduring = \"1s\"",
            "check = \"bit.0x20000000 != 0x10\"",
            "counter = \"radio.received\"\nratio = \"radio.sent\"\nat-least = 0.5",
            "lamp = \"leds.24\"",
            "lamp = \"leds.0\"\nbelow = 100",
            "pin = \"gpio.p3\"\nlevel = \"high\"",
            "state = \"asleep\"",
            "mistakes-at-least = 1",
            "expect-not-regex = \"a+\"",
            "node = [\"bit\", \"all\"]\nexpect = \"x\"",
        ],
        expect![[r#"
            5: [0] Until(Memory(Address(536870912), Signed(2), [Compare { op: AtLeast, value: Int(-5) }, Compare { op: Below, value: Int(7) }]), 10000000000)
            10: [0] Hold(Memory(Address(536870912), Float(4), [Compare { op: Equals, value: Float(0.5) }]), 1000000000)
            15: [0] Until(Memory(Address(536870912), Natural, [Compare { op: Not, value: Int(16) }]), 10000000000)
            17: [0] Until(Counter(Counter { medium: "radio", name: "received", of: Some(("radio", "sent", [0])) }, [Compare { op: AtLeast, value: Float(0.5) }]), 10000000000)
            21: [0] Until(Lamp("leds", 24, [Compare { op: AtLeast, value: Int(64) }]), 10000000000)
            23: [0] Until(Lamp("leds", 0, [Compare { op: Below, value: Int(100) }]), 10000000000)
            26: [0] Until(Pin("gpio", "p3", true), 10000000000)
            29: [0] Until(State(Asleep), 10000000000)
            31: [0] Until(Mistakes([Compare { op: AtLeast, value: Int(1) }]), 10000000000)
            33: [0] Never(Regex("a+"), 1000000000)
            35: [0] Until(Printed(Text("x")), 10000000000)
        "#]],
    );
}

#[test]
fn times_repetitions_and_branches_are_read() {
    steps(
        &[
            "at = \"3s\"\nsend = \"x\"",
            "every = \"1s\"\ntimes = 3\nsend = \"x\"",
            "repeat = 2\nstep = [{ send = \"x\" }, { wait = \"1s\" }]",
            "until = { expect = \"done\" }\nwithin = \"1s\"\nstep = [{ send = \"x\" }]",
            "branch = [{ step = [{ send = \"x\" }] }, { name = \"other\", step = [{ wait = 1 }] }]",
        ],
        expect![[r#"
            5: [0] WaitTo(3000000000)
            5: [0] Do(Send("x", false), None)
            8: [0] Repeat(Repeat { steps: [Step { line: 8, nodes: [0], action: Do(Send("x", false), None) }], count: Some(3), until: None, every: Some(1000000000), within: 18446744073709551615 })
            12: [0] Repeat(Repeat { steps: [Step { line: 14, nodes: [0], action: Do(Send("x", false), None) }, Step { line: 14, nodes: [0], action: Wait(1000000000) }], count: Some(2), until: None, every: None, within: 18446744073709551615 })
            15: [0] Repeat(Repeat { steps: [Step { line: 18, nodes: [0], action: Do(Send("x", false), None) }], count: None, until: Some(Step { line: 16, nodes: [0], action: Until(Printed(Text("done")), 10000000000) }), every: None, within: 1000000000 })
            19: [0] Branches([[Step { line: 20, nodes: [0], action: Do(Send("x", false), None) }], [Step { line: 20, nodes: [0], action: Wait(1000000000) }]])
        "#]],
    );
}

#[test]
fn mistakes_in_faults_and_conditions() {
    steps(
        &[
            "power = \"of\"",
            "drift = 1000000",
            "stick = \"p17\"\nlevel = \"low\"",
            "stick = \"gpio.p99\"\nlevel = \"low\"",
            "stick = \"gpoi.p9\"\nlevel = \"low\"",
            "flip = \"nowhere\"",
            "flip = \"0x20000000\"\nmask = 0",
            "flip = \"rom\"\nrandom = 0",
            "loss = 2",
            "partition = [[\"bit\"], [\"bit\"]]",
            "unjam = \"jj\"",
            "jam = { mhz = 5 }",
            "link = \"down\"",
            "line = \"bit.uart0\"\nfault = \"cut\"",
            "memory = \"0x20000000\"",
            "memory = \"0x20000000\"\ntype = \"u8\"\nequals = 256",
            "check = \"bit.0x20000000\"",
            "counter = \"radio.recieved\"\nat-least = 1",
            "counter = \"lan.received\"\nat-least = 1",
            "counter = \"radio.received\"",
            "lamp = \"leds.25\"",
            "pin = \"gpio.p3\"\nlevel = \"up\"",
            "state = \"sleeping\"",
            "send = \"${nmae}\"",
            "send = \"${seed\"",
            "every = \"1s\"\nsend = \"x\"",
            "every = \"1us\"\ntimes = 2\nsend = \"x\"",
            "repeat = 0\nstep = []",
            "until = { send = \"x\" }\nstep = []",
            "trace = \"gone.csv\"",
        ],
        expect![[r#"
            s.toml:6:9: `power` is one of: off, on
                did you mean `off`?
            s.toml:8:9: a clock drifts by up to 500000 ppm
            s.toml:10:9: a pin is DEVICE.PIN, such as gpio.p17
            s.toml:22:8: `mask` is bytes of 0 to 255, one of them not 0
            s.toml:25:10: 1 to 65536 bits flip at once
            s.toml:27:8: `loss` lies between 0 and 1
            s.toml:29:13: a node is in one group only
            s.toml:31:9: no jammer is called `jj`
            s.toml:33:7: `name` is missing
            s.toml:33:15: `mhz` lies between 2300 and 2600
                channel 7 of a micro:bit is 2407 MHz
            s.toml:34:1: there is no switch
            s.toml:37:8: no line ends at `bit.uart0`
            s.toml:39:1: `equals` is missing
            s.toml:44:10: 256 has no room in 1 bytes
            s.toml:46:9: `bit.0x20000000` is no comparison, such as counter == 5
            s.toml:53:1: what is wanted is missing: equals, not, at-least, at-most, above or below
            s.toml:59:9: `level` is one of: low, high
            s.toml:61:9: a state is one of: running, asleep, off, exited, locked-up
            s.toml:63:8: no step captures `nmae`; a plain `${` is written `$${`
                did you mean `node`?
            s.toml:65:8: a variable has no end: `${` needs its `}`
            s.toml:67:9: `every` needs `times`: how often
            s.toml:70:9: `every` is at least 1ms
            s.toml:74:10: `repeat` lies between 1 and 1000000000
            s.toml:77:9: `until` takes what a step can wait for, such as { expect = "done" }
            s.toml:80:9: cannot read gone.csv"#]],
    );
}

#[test]
fn what_the_fleet_does_not_have_is_reported_for_faults_too() {
    steps(
        &[
            "stick = \"gpio.p99\"\nlevel = \"low\"",
            "stick = \"gpoi.p9\"\nlevel = \"low\"",
            "pin = \"button-a.p1\"\nlevel = \"low\"",
            "flip = \"rma\"",
            "flip = \"0x20003fff\"\nmask = [1, 1]",
            "counter = \"radio.recieved\"\nat-least = 1",
            "counter = \"lan.received\"\nat-least = 1",
            "counter = \"radio.received\"\nratio = \"radio.snt\"\nat-least = 1",
            "lamp = \"leds.25\"",
            "check = \"bit.main == 1\"",
            "trace = \"t.csv\"",
            "trace = \"bad.csv\"",
        ],
        expect![[r#"
            s.toml:6:9: `gpio` of bit has no pin `p99`; it has: detect, sensed0 to sensed31, own0 to own31, level0 to level31, p0 to p31
            s.toml:9:9: bit has no device `gpoi`
                did you mean `gpio`?
            s.toml:12:7: `button-a` of bit has no pin `p1`; it has: contact
            s.toml:15:8: raw has no symbol or memory `rma`
                did you mean `ram`?
            s.toml:17:8: bit has no memory at 0x20003fff+0x2 (memory: flash 0x0+0x40000, uicr 0x10001000+0x100, ram 0x20000000+0x4000)
            s.toml:20:11: `radio` has no counter `recieved`; it has: sent, received, dropped, damaged, collisions, too-weak, unlucky, absent, cut-off
                did you mean `received`?
            s.toml:23:11: bit is on no medium `lan`
            s.toml:26:11: `radio` has no counter `snt`; it has: sent, received, dropped, damaged, collisions, too-weak, unlucky, absent, cut-off
                did you mean `sent`?
            s.toml:30:8: `leds` has 25 lamps, counted from 0
            s.toml:32:9: raw has no symbol `main`
            s.toml:36:9: bit has no input `temp.heat`"#]],
    );
}

/// The commands that steps become, for two boards on a switch and a line.
fn commands(steps: &[&str], expect: Expect) {
    let board = "machine = \"mps2-an386\"\nimage = \"raw\"\nat = 0\n";
    let line = "[[uart]]\na = \"b.0.uart1\"\nb = \"b.1.uart1\"\n";
    let steps: String = steps.iter().map(|s| format!("[[step]]\n{s}\n")).collect();
    let text = format!("[switch.lan]\n[group.b]\ncount = 2\n{board}{line}{steps}");
    let s = load("s.toml", &text, None, &Shelf).unwrap_or_else(|e| panic!("{e}"));
    let mut shown = String::new();
    for step in &s.steps {
        let Action::Do(deed, _) = &step.action else { panic!("{step:?}") };
        for (node, act) in super::act::orders(&s.fleet, step, deed).unwrap() {
            shown += &format!(
                "{} {act:?}\n",
                if node == crate::Command::FLEET { "fleet".into() } else { node.to_string() }
            );
        }
    }
    expect.assert_eq(&shown);
}

#[test]
fn deeds_to_switches_and_lines() {
    commands(
        &[
            "node = \"b.1\"\nlink = \"down\"",
            "link = \"up\"",
            "node = \"b.0\"\nlink = { loss = 0.25, latency = \"1ms\" }",
            "node = \"b.0\"\nmedium = \"lan\"\nloss = 0.5\nfor = \"1s\"",
            "medium = \"lan\"\nloss = 0.5",
            "medium = \"lan\"\npartition = [[\"b.0\"], [\"b.1\"]]",
            "medium = \"lan\"\nheal = true",
            "medium = \"radio\"\npartition = [\"b.0\"]",
            "line = \"b.1.uart1\"\nfault = \"cut\"",
            "line = \"b.0.uart1\"\nfault = \"noise\"\nbit_errors = 0.01",
        ],
        expect![[r#"
            fleet Fault { medium: 1, fault: Ethernet(Down { stations: [1] }) }
            fleet Fault { medium: 1, fault: Ethernet(Up { stations: [0, 1] }) }
            fleet Fault { medium: 1, fault: Ethernet(Set { stations: [0], changes: LinkChange { latency_ns: Some(1000000), bandwidth: None, queue: None, loss: Some(0.25), duplication: None, reordering: None, reorder_ns: None, corruption: None } }) }
            fleet Fault { medium: 1, fault: Ethernet(Burst { stations: [0], loss: 0.5, until: Time(1000000000) }) }
            fleet Fault { medium: 1, fault: Ethernet(Set { stations: [0, 1], changes: LinkChange { latency_ns: None, bandwidth: None, queue: None, loss: Some(0.5), duplication: None, reordering: None, reorder_ns: None, corruption: None } }) }
            fleet Fault { medium: 1, fault: Ethernet(Partition { groups: [[0], [1]] }) }
            fleet Fault { medium: 1, fault: Ethernet(Heal) }
            fleet Fault { medium: 0, fault: Radio(Partition { groups: [[0]] }) }
            fleet LineFault { line: 0, fault: Line(Cut) }
            fleet LineFault { line: 0, fault: Line(Noise(Noise { loss: 0.0, bit_errors: 0.01 })) }
        "#]],
    );
}

#[test]
fn what_happens_beside_the_steps() {
    check(
        &format!(
            "{NODE}[[fault]]\nreset = \"pin\"\n[[fault]]\nat = \"1s\"\nexpect = \"x\"\n[[fault]]\nat = \"1s\"\nevry = \"1s\"\nreset = \"pin\"\n"
        ),
        expect![[r#"
            s.toml:5:1: a fault beside the steps has `at`, `every` or both
            s.toml:7:1: what happens beside the steps is done at once; it waits for nothing
            s.toml:12:1: unknown key `evry`
                did you mean `every`?"#]],
    );
    let text = format!(
        "{NODE}[[fault]]\nreset = \"pin\"\nat = \"1s\"\nevery = \"2s\"\ntimes = 3\njitter = \"10ms\"\n"
    );
    let s = load("s.toml", &text, None, &Shelf).unwrap();
    let due = |i| s.schedules[0].due(1, i).0;
    for i in 0..3 {
        assert!((1_000_000_000 + 2_000_000_000 * i..=1_010_000_000 + 2_000_000_000 * i).contains(&due(i)));
    }
    assert!(due(3) == u64::MAX && s.schedules[0].due(2, 0).0 != due(0));
}

#[test]
fn variables_in_texts() {
    let fill = |text: &str| {
        let value = |name: &str| if name == "a" { Ok("1.".to_string()) } else { Err(format!("no {name}")) };
        Template::parse(text).and_then(|t| t.fill(value, regex::escape))
    };
    for (text, filled) in [
        ("plain $ {x} }", Ok("plain $ {x} }")),
        ("${a}-${a}", Ok("1\\.-1\\.")),
        ("$${a}", Ok("${a}")),
        ("${b}", Err("no b")),
    ] {
        assert_eq!(fill(text), filled.map(String::from).map_err(String::from), "{text}");
    }
    for bad in ["${", "${}", "${a b}", "${a"] {
        assert!(Template::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn values_compare() {
    for (text, value, holds) in [
        ("x == 5", Number::Int(5), true),
        ("x != 5", Number::Int(5), false),
        ("x >= -5", Number::Int(-5), true),
        ("x < 0x10", Number::Int(15), true),
        ("x <= 2.5", Number::Float(2.5), true),
        ("x > 2", Number::Float(2.0), false),
        ("x == 1", Number::Float(f64::NAN), false),
        ("x != 1", Number::Float(f64::NAN), true),
    ] {
        let (left, compare) = Compare::parse(text).unwrap();
        assert_eq!((left, compare.holds(value)), ("x", holds), "{text}");
    }
    for bad in ["x", "x =", "== 5", "x == y", "x = 5", "x == nan", "x == 5 == 6", ""] {
        assert!(Compare::parse(bad).is_err(), "{bad}");
    }
    let bytes = 0xfffe_u64.to_le_bytes();
    assert_eq!(Type::Signed(2).value(bytes, 2), Number::Int(-2));
    assert_eq!(Type::Unsigned(2).value(bytes, 2), Number::Int(0xfffe));
    assert_eq!(Type::Unsigned(1).value(bytes, 1), Number::Int(0xfe));
    let tenth = u64::from(0.1f32.to_bits()).to_le_bytes();
    let want = Compare { op: Op::Equals, value: Number::Float(0.1) };
    assert!(Type::Float(4).fitted(want, 4).holds(Type::Float(4).value(tenth, 4)));
    let minus = Compare { op: Op::Equals, value: Number::Int(-2) };
    assert!(Type::Natural.fitted(minus, 2).holds(Type::Natural.value(bytes, 2)));
    assert_eq!((Type::Natural.size(2), Type::Natural.size(3), Type::Natural.size(0)), (2, 4, 4));
}

#[test]
fn thousands_of_mistakes_cost_little_and_a_hundred_are_shown() {
    let text = format!("{NODE}{}", "[[step]]\nnode = \"bitt\"\nexpcet = \"x\"\n".repeat(20_000));
    let Err(found) = load("s.toml", &text, None, &Shelf) else { panic!("all of it is wrong") };
    assert_eq!(found.0.len(), 60_000);
    let shown = found.to_string();
    assert!(shown.ends_with("... and 59900 more"), "{}", &shown[shown.len() - 100..]);
    // Steps inside steps without end.
    let deep =
        format!("{NODE}[[step]]\nrepeat = 1\n{}{}", "step = [{ repeat = 1, ".repeat(60), "}]".repeat(60));
    assert!(load("s.toml", &deep, None, &Shelf).is_err());
    let wide = format!("{NODE}{}", "[[step]]\nsend = \"x\"\n".repeat(50_000));
    assert_eq!(load("s.toml", &wide, None, &Shelf).unwrap().steps.len(), 50_000);
}

mod any_text {
    use super::*;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = String> {
        let keys: Vec<_> = super::super::read::every_key();
        prop_oneof![8 => prop::sample::select(keys).prop_map(String::from), 1 => "[a-z-]{1,8}"]
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?[0-9]{1,19}",
            "(true|false|nan|-?[0-9]{1,3}\\.[0-9]{1,3})",
            "\"(bit|all|bit\\.x|ram|gpio\\.p[0-9]{1,3}|leds\\.[0-9]{1,3}|radio\\.[a-z]{1,5}|[0-9]{1,9}(ms|s|h)|off|low|\\$\\{[a-z]{0,3}\\}?|0x[0-9a-f]{1,16}|t\\.csv|bit\\.m [=<>!]{1,2} [0-9]{1,3})\"",
            "\\[[0-9, ]{0,6}\\]",
            "\\[\\[\"bit\"\\]\\]",
            "\\{ (name|expect|loss) = \"[a-z]{1,3}\" \\}",
            "\\[\\{ (send|expect|wait) = \"1s\" \\}\\]",
        ]
    }

    fn table() -> impl Strategy<Value = String> {
        let head = prop_oneof![4 => Just("[[step]]"), 1 => Just("[[fault]]"), 1 => Just("[[step.branch]]"), 1 => Just("[[step.step]]")];
        let lines = prop::collection::btree_map(word(), value(), 0..4);
        (head, lines).prop_map(|(head, lines)| {
            let lines = lines.iter().map(|(k, v)| format!("{k} = {v}\n"));
            format!("{head}\n{}", lines.collect::<String>())
        })
    }

    proptest! {
        #![proptest_config(emu_testkit::cases(3000))]

        /// Any file is read or refused with a reason; what is read runs without a panic.
        #[test]
        fn is_read_and_run_or_refused(tables in prop::collection::vec(table(), 0..6)) {
            let text = format!("timeout = \"3ms\"\n{NODE}[[step]]\n{}", tables.concat());
            match load("s.toml", &text.replace("[[step]]\n[[step]]", "[[step]]"), None, &Shelf) {
                Ok(mut s) => drop(s.run(&crate::Serial, &mut ())),
                Err(e) => prop_assert!(!e.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn mend_steps_that_do_nothing_are_mistakes() {
    steps(
        &[
            "expect = \"\"",
            "expect-not-regex = \"\"",
            "send = \"\"",
            "branch = []",
            "branch = [{ step = [] }, { step = [{ wait = 1 }] }]",
            "repeat = 2\nstep = []",
            "partition = []",
            "partition = [[]]",
        ],
        expect![[r#"
            s.toml:6:10: `expect` is empty: nothing is typed, or waited for
            s.toml:8:20: `expect-not-regex` is empty: nothing is typed, or waited for
            s.toml:10:8: `send` is empty: nothing is typed, or waited for
            s.toml:12:10: a `branch` without steps does nothing
            s.toml:14:20: a list without steps does nothing
            s.toml:17:8: a list without steps does nothing
            s.toml:19:13: a `partition` has lists of nodes; without any it parts nothing
            s.toml:21:13: a `partition` has lists of nodes; without any it parts nothing"#]],
    );
}

#[test]
fn mend_values_that_an_input_does_not_take_are_mistakes() {
    steps(
        &[
            "input = \"button-a.pressed\"\nvalue = 7",
            "input = \"temp.temperature\"\nvalue = -300000",
            "input = \"gpio.p3\"\nvalue = -1",
        ],
        expect![[r#"
            s.toml:7:9: `button-a.pressed` of bit takes 0 to 1
            s.toml:10:9: `temp.temperature` of bit takes -60000 to 150000"#]],
    );
}

#[test]
fn mend_what_ends_a_repetition_is_checked_before_the_run() {
    steps(
        &[
            "until = \"neighbours >= 3\"\nstep = [{ wait = \"1s\" }]",
            "until = \"bit.neighbours >= 3\"\nstep = [{ wait = \"1s\" }]",
            "until = { check = \"neighbours >= 3\" }\nstep = [{ wait = \"1s\" }]",
        ],
        expect![[r#"
            s.toml:6:9: raw has no symbol `neighbours`
            s.toml:9:9: raw has no symbol `neighbours`
            s.toml:12:19: raw has no symbol `neighbours`"#]],
    );
}

#[test]
fn mend_a_number_is_a_time_in_seconds() {
    steps(
        &["wait = 1", "wait = \"1\"", "wait = 0.25", "wait = true", "expect = \"x\"\nwithin = -1"],
        expect![[r#"
            s.toml:12:8: `wait` must be a time such as "250ms", not boolean
            s.toml:15:10: `-1` is no duration, such as 5s or 250ms"#]],
    );
}

#[test]
fn mend_names_of_nodes_are_checked() {
    let node = |name: &str| NODE.replace("bit]", &format!("\"{name}\"]"));
    let names = ["", "all", "none", "a b", "a.*", "a/b", "-a", ".a", "\\u0007", &"x".repeat(65)];
    let text: String = names.iter().map(|n| node(n)).collect();
    check(
        &format!("{text}{}[[step]]\nwait = 1\n", node("\u{fc}ber_1.a-b")),
        expect![[r#"
        s.toml:1:1: no node can be called "": it is empty
        s.toml:5:1: no node can be called "all": `all` means something else in steps and options
        s.toml:9:1: no node can be called "none": `none` means something else in steps and options
        s.toml:13:1: no node can be called "a b": ' ' is neither letter, digit, `-`, `_` nor `.`
        s.toml:17:1: no node can be called "a.*": '*' is neither letter, digit, `-`, `_` nor `.`
        s.toml:21:1: no node can be called "a/b": '/' is neither letter, digit, `-`, `_` nor `.`
        s.toml:25:1: no node can be called "-a": it begins with a dot or a dash
        s.toml:29:1: no node can be called ".a": it begins with a dot or a dash
        s.toml:33:1: no node can be called "\u{7}": '\u{7}' is neither letter, digit, `-`, `_` nor `.`
        s.toml:37:1: no node can be called "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": it is longer than 64 bytes"#]],
    );
}

#[test]
fn mend_mistakes_of_a_gateway_stand_at_their_place() {
    let net = |gateway: &str, node: &str| {
        let board = "machine = \"mps2-an385\"\nimage = \"raw\"\nat = 0\n";
        format!(
            "[switch.lan]\n[switch.lan.gateway]\nnat = true\n{gateway}[node.a]\n{board}[node.b]\n{board}{node}[[step]]\nwait = 1\n"
        )
    };
    check(
        &net("address = \"10.0.2.0/24\"\n", ""),
        expect!["s.toml:4:11: 10.0.2.0/24 is no address for a station"],
    );
    check(
        &net("", "ip = \"10.9.2.16\"\n"),
        expect!["s.toml:12:6: 10.9.2.16 cannot be reserved: it is taken or not in 10.0.2.2/24"],
    );
    check(
        &net("forward = [\"tcp 80 -> a:80\", \"tcp 81 -> c:80\"]\n", ""),
        expect![[r#"
        s.toml:4:30: no node of switch `lan` is called `c`
            did you mean `a`?"#]],
    );
    check(
        &net("forward = [\"tcp 80 -> a:80\", \"tcp 80 -> b:80\"]\n", ""),
        expect!["s.toml:4:30: two forwards listen on 127.0.0.1:80"],
    );
    check(
        &net("forward = [\"tcp 80 -> a:80\", \"tcp 81 => b:80\"]\n", ""),
        expect!["s.toml:4:30: `tcp 81 => b:80` is no forward; write `tcp 127.0.0.1:8080 -> node:80`"],
    );
}

/// What a fleet file in another folder names.
#[derive(Default)]
struct Folders(std::cell::RefCell<Vec<String>>);

impl Files for Folders {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        self.0.borrow_mut().push(name.into());
        let there = ["../fleets/raw", "catalogue-image"].contains(&name);
        there.then(|| vec![0; 64]).ok_or_else(|| format!("no image `{name}`"))
    }
    fn board(&self, path: &str) -> Result<String, String> {
        self.0.borrow_mut().push(path.into());
        match path {
            "../fleets/x.toml" => Ok(NODE.replace("\"microbit\"", "\"own.toml\"")),
            "../fleets/y.toml" => Ok(NODE.replace("raw", "catalogue-image")),
            "../fleets/z.toml" => Ok(NODE.replace("raw", "sub/none.bin")),
            "../fleets/own.toml" => Ok("inherit = \"nrf51822\"\n".into()),
            _ => Err(format!("cannot read {path}")),
        }
    }
}

#[test]
fn mend_what_a_fleet_file_names_lies_beside_it() {
    let text = |fleet: &str| format!("fleet = \"../fleets/{fleet}.toml\"\n[[step]]\nwait = 1\n");
    let files = Folders::default();
    assert!(load("s.toml", &text("x"), None, &files).is_ok());
    assert_eq!(files.0.take(), ["../fleets/x.toml", "../fleets/own.toml", "../fleets/raw"]);
    assert!(load("s.toml", &text("y"), None, &files).is_ok(), "a name of the catalogue is no path");
    let wrong = load("s.toml", &text("z"), None, &files).err().map(|e| e.to_string());
    expect!["../fleets/z.toml:3:9: no image `../fleets/sub/none.bin`"].assert_eq(&wrong.unwrap_or_default());
}
