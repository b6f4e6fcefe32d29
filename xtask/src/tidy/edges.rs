//! Who may depend on whom, as ARCHITECTURE.md draws it.

use serde::Deserialize;

use crate::sh::Result;

/// What a crate's own code may use of the workspace.
const EDGES: &[(&str, &[&str])] = &[
    ("emu-core", &[]),
    ("emu-engine", &["emu-core"]),
    ("emu-arm", &["emu-core", "emu-engine"]),
    ("emu-riscv", &["emu-core", "emu-engine"]),
    ("emu-loader", &["emu-core"]),
    ("emu-debug", &["emu-core", "emu-loader"]),
    ("emu-testkit", &["emu-core"]),
    ("emu-unicorn", &["emu-core", "emu-engine", "emu-arm", "emu-riscv", "emu-loader"]),
    ("devices", &["emu-core", "emu-engine", "emu-arm", "emu-riscv"]),
    // For its time and link types only.
    ("netsim", &["emu-core"]),
    (
        "fleet",
        &[
            "emu-core",
            "emu-engine",
            "emu-arm",
            "emu-riscv",
            "emu-loader",
            "emu-debug",
            "devices",
            "netsim",
            "images",
        ],
    ),
    ("fleet-host", &["emu-core", "emu-loader", "emu-debug", "netsim", "devices", "fleet", "images"]),
    ("flotilla", &["emu-core", "fleet", "fleet-host", "images"]),
    ("gui", &["emu-core", "fleet", "fleet-host", "images"]),
    ("images", &[]),
    ("xtask", &["images"]),
];

/// What only some crates may use from outside: threads, sockets, terminals and the GPL stay at the edge.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("tokio", &["fleet-host", "flotilla", "gui"]),
    ("crossbeam", &["fleet-host", "flotilla", "gui"]),
    ("crossterm", &["fleet-host", "flotilla", "gui"]),
    ("rayon", &["fleet-host", "flotilla", "gui"]),
    ("indicatif", &["flotilla", "xtask"]),
    ("unicorn-engine", &["emu-unicorn"]),
    ("rand", &[]),
];

/// No test may need these: the first would make every build a GPL one, the second is no library.
const NEVER: &[&str] = &["emu-unicorn", "xtask"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

/// Checks what `cargo metadata --no-deps` says.
pub fn check(metadata: &str) -> Result<Vec<String>> {
    let metadata: Metadata = serde_json::from_str(metadata)?;
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
            complaints.push(format!("{}: not in the table of xtask/src/tidy/edges.rs", package.name));
            continue;
        };
        let wrong =
            package.dependencies.iter().filter(|dependency| !permitted(&package.name, allowed, dependency));
        complaints.extend(
            wrong.map(|dependency| format!("{}: may not depend on {}", package.name, dependency.name)),
        );
    }
    Ok(complaints)
}

fn permitted(package: &str, allowed: &[&str], dependency: &Dependency) -> bool {
    let name = dependency.name.as_str();
    match OUTSIDE.iter().find(|(crate_, _)| *crate_ == name) {
        Some((_, users)) => users.contains(&package),
        None if dependency.path.is_none() => true,
        None if dependency.kind.as_deref() == Some("dev") => !NEVER.contains(&name),
        None => allowed.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(package: &str, dependency: &str, kind: &str, path: &str) -> Vec<String> {
        let text = format!(
            r#"{{"packages":[{{"name":"{package}","dependencies":[{{"name":"{dependency}","kind":{kind},"path":{path}}}]}}]}}"#
        );
        check(&text).unwrap()
    }

    #[test]
    fn arrows_point_downwards() {
        assert!(complaints("fleet", "netsim", "null", "\"/p\"").is_empty());
        assert_eq!(complaints("netsim", "devices", "null", "\"/p\""), ["netsim: may not depend on devices"]);
        assert_eq!(complaints("emu-core", "fleet", "\"build\"", "\"/p\"").len(), 1);
    }

    #[test]
    fn tests_may_look_further_but_not_at_the_oracle() {
        assert!(complaints("emu-core", "emu-testkit", "\"dev\"", "\"/p\"").is_empty());
        assert_eq!(complaints("emu-arm", "emu-unicorn", "\"dev\"", "\"/p\"").len(), 1);
    }

    #[test]
    fn the_edge_is_the_edge() {
        assert!(complaints("fleet-host", "tokio", "null", "null").is_empty());
        assert_eq!(complaints("fleet", "tokio", "null", "null").len(), 1);
        assert!(complaints("fleet", "serde", "null", "null").is_empty());
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        assert_eq!(complaints("newcomer", "serde", "null", "null").len(), 1);
    }
}
