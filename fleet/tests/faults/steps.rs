//! Steps that wait, repeat and go side by side.

use crate::ways::{beacons, load, microbits, same_every_way, succeeds};
use fleet::Serial;

#[test]
fn fleet_fault_what_can_never_come_ends_at_its_limit_and_says_so() {
    // A guest that has ended will print nothing more; ten years pass in no time.
    let text = r#"
timeout = "90000h"
[node.board]
machine = "mps2-an386"
image = "demo-freertos"
[[step]]
expect = "never printed"
within = "87600h"
"#;
    let text =
        text.replace("mps2-an386\"\nimage = \"demo-freertos", "microbit\"\nimage = \"demo-beacon") + "";
    let text = text.replace("[[step]]", "[[step]]\npower = \"off\"\n[[step]]");
    let mut s = load(&text, &[]);
    let report = s.run(&Serial, &mut ());
    let failure = report.failure.expect("it cannot succeed");
    assert!(report.timed_out);
    assert_eq!(report.time.0, 87_600 * 3_600_000_000_000);
    assert!(failure.contains("waited for \"never printed\" from board"), "{failure}");
    assert!(failure.contains("board has no power"), "{failure}");
    assert!(failure.contains("nothing will ever happen again"), "{failure}");
}

#[test]
fn fleet_fault_an_endless_printer_is_searched_once() {
    let text = microbits(1, &[])
        + r#"
[[step]]
send = "while True: print('0123456789' * 5)\r\r"
[[step]]
expect = "nowhere"
within = "60s"
"#;
    let mut s = load(&text, &[]);
    let report = s.run(&Serial, &mut ());
    assert!(report.timed_out && report.consoles[0].len() > 100_000, "{}", report.consoles[0].len());
}

#[test]
fn fleet_fault_failures_say_what_when_and_how_to_see_it_again() {
    let text = microbits(2, &["print('hello')\r"])
        + r#"
[[step]]
node = "bit.1"
power = "off"
[[step]]
node = "bit.0"
expect = "goodbye"
within = "50ms"
"#;
    let failure = same_every_way(&text, &[]).report.failure.expect("it fails");
    let lines: Vec<_> = failure.lines().collect();
    assert_eq!(lines[0], "faults.toml:16: waited for \"goodbye\" from bit.0");
    assert!(lines[1].starts_with("  since ") && lines[1].ends_with("seed 1"), "{failure}");
    assert!(failure.contains("\n  bit.0 sleeps at ") || failure.contains("\n  bit.0 runs at "), "{failure}");
    assert!(failure.contains("    hello\n    >>> "), "{failure}");
    assert!(failure.contains("also not running: bit.1"), "{failure}");
    assert!(failure.ends_with("again: flotilla test faults.toml --seed 1"), "{failure}");
}

#[test]
fn fleet_fault_captures_repeats_and_branches() {
    let text = microbits(2, &["n = 0\r"])
        + r#"
[[step]]
repeat = 3
step = [
  { send = "n = n + 7; n\r" },
  { expect-regex = '\n(?P<n>\d+)\r\n>>> ' },
]
[[step]]
node = "bit.*"
send = "${n} == 21 and '${node}'\r"
[[step]]
node = "bit.1"
expect = "'bit.1'"
[[step]]
node = "bit.0"
expect = "'bit.0'"
[[step]]
expect = ">>> "
# Both at once: each waits for its own.
[[step]]
[[step.branch]]
name = "slow"
[[step.branch.step]]
node = "bit.0"
send = "import utime; utime.sleep_ms(700); print('slow', 'done')\r"
[[step.branch.step]]
node = "bit.0"
expect = "slow done"
[[step.branch]]
name = "quick"
[[step.branch.step]]
node = "bit.1"
send = "print('quick', 'done')\r"
[[step.branch.step]]
node = "bit.1"
expect = "quick done"
within = "300ms"
# Until it says so.
[[step]]
until = { node = "bit.1", expect = "enough 35" }
every = "250ms"
within = "5s"
[[step.step]]
node = "bit.1"
send = "n = n + 7; print('enough', n)\r"
"#;
    let outcome = succeeds(&text, &[]);
    assert!(outcome.report.consoles[1].contains("enough 28"));
    assert!(!outcome.report.consoles[1].contains("enough 42"));
}

#[test]
fn fleet_fault_a_vain_repetition_ends() {
    let text = beacons(1)
        + r#"
[[step]]
until = "neighbour_count > 0"
within = "2s"
step = [{ wait = "300ms" }]
"#;
    let report = same_every_way(&text, &[]).report;
    assert!(report.timed_out);
    assert!(report.failure.expect("nobody else is there").contains("repeated 7 times in vain"));
}

#[test]
fn mend_an_expectation_may_read_over_the_echo() {
    // The text stands in what is typed, too: without `echo` it is found there.
    let steps = |echo: &str, wanted: &str| {
        microbits(1, &[])
            + &format!(
                "[[step]]\nsend = \"print(6 * 7, 'tick' + 'et')\\r\"\n{echo}\n[[step]]\n{wanted} = \"tick\"\nwithin = \"1s\"\n\
                 [[step]]\nexpect = \"42 ticket\"\nwithin = \"1s\"\n"
            )
    };
    let outcome = same_every_way(&steps("", "expect"), &[]);
    assert_eq!(outcome.report.failure, None, "the echo has it, then the answer has");
    let outcome = same_every_way(&steps("echo = true", "expect"), &[]);
    let failure = outcome.report.failure.expect("the answer was read as far as `tick`");
    assert!(failure.contains("42 ticket"), "{failure}");
    let never = steps("echo = true", "expect-not")
        .replace("\"tick\"\nwithin = \"1s\"", "\"'et'\"\nduring = \"100ms\"");
    assert_eq!(same_every_way(&never, &[]).report.failure, None, "only the echo has quotes");
    let never = never.replace("echo = true", "");
    assert!(same_every_way(&never, &[]).report.failure.is_some());
}

#[test]
fn mend_an_input_goes_back_after_its_time() {
    let text = microbits(1, &[])
        + "[[step]]\nsend = \"from microbit import *\\r\"\n\
           [[step]]\ninput = \"button-a.pressed\"\nvalue = 1\nfor = \"300ms\"\n\
           [[step]]\nwait = \"100ms\"\n\
           [[step]]\nsend = \"'now', button_a.is_pressed()\\r\"\necho = true\n\
           [[step]]\nexpect = \"('now', True)\"\nwithin = \"100ms\"\n\
           [[step]]\nwait = \"300ms\"\n\
           [[step]]\nsend = \"'then', button_a.is_pressed()\\r\"\necho = true\n\
           [[step]]\nexpect = \"('then', False)\"\nwithin = \"100ms\"\n";
    assert_eq!(same_every_way(&text, &[]).report.failure, None);
    // Back to what it was, not to nothing.
    let text = microbits(1, &[])
        + "[[step]]\nsend = \"from microbit import *\\r\"\n\
           [[step]]\ninput = \"accelerometer.x\"\nvalue = 640\n\
           [[step]]\ninput = \"accelerometer.x\"\nvalue = -512\nfor = \"200ms\"\n\
           [[step]]\nwait = \"400ms\"\n\
           [[step]]\nsend = \"'x', accelerometer.get_x()\\r\"\necho = true\n\
           [[step]]\nexpect-regex = \"'x', -6[0-9][0-9]\"\nwithin = \"200ms\"\n";
    assert_eq!(same_every_way(&text, &[]).report.failure, None);
}
