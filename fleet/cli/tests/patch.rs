//! Images that are changed for single nodes.

mod program;

use program::{file, flotilla};

fn fleet(name: &str, patch: &str) -> String {
    let nodes = "[node.a]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n\
                 [node.b]\nmachine = \"microbit\"\nimage = \"demo-beacon\"\n";
    file(name, format!("{nodes}patch = [{{ {patch} }}]\n").as_bytes())
}

#[test]
fn one_of_two_nodes_runs_a_changed_image() {
    let fleet = fleet("patch.toml", "find = \": up\", replace = [0x3a, 0x20, 0x55, 0x50]");
    let run = flotilla(&["run", &fleet, "--for", "10ms"]);
    run.ends_with(0);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(said.contains("a] beacon 6561: up\n") && said.contains("b] beacon fc07: UP\n"), "{said}");
    assert!(run.stderr.contains("b: patched at 0x00000a7f: 3a 20 75 70 -> 3a 20 55 50"), "{}", run.stderr);
}

#[test]
fn a_patch_that_fits_nowhere_or_anywhere_says_so() {
    let cases = [
        ("find = \": zz\", replace = \": yy\"", "b: demo-beacon: the bytes to patch do not occur"),
        ("find = \"e\", replace = \"E\"", "occur 6 times, at 0x00000984, "),
        ("find = \": up\", replace = \": UP\", at = 0xa80", "are not at 0x00000a80 but at 0x00000a7f"),
        ("find = \": up\", replace = \": UPS\"", "`replace` has 5 bytes where `find` has 4"),
        ("find = \"\", replace = \"\"", "`find` is empty"),
        ("find = [256], replace = [1]", "a byte lies between 0 and 255"),
    ];
    for (i, (patch, wanted)) in cases.into_iter().enumerate() {
        let fleet = fleet(&format!("patch-{i}.toml"), patch);
        let run = flotilla(&["run", &fleet, "--for", "1ms"]);
        run.ends_with(3).says_only_on_stderr();
        assert!(run.stderr.contains(wanted) && run.stderr.contains(&fleet), "{}", run.stderr);
    }
}
