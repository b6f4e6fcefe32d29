//! Installs by name what building and testing need, on Debian and its like.

use std::process::Command;

use crate::sh::{self, Result};

/// Debian packages: the host's tools, the guests' compiler, the oracles.
const PACKAGES: &[&str] = &[
    "gcc",
    "libc6-dev",
    "make",
    "git",
    "xz-utils",
    "dpkg-dev",
    "python3",
    "python3-pip",
    "gcc-arm-none-eabi",
    "libnewlib-arm-none-eabi",
    "gcc-riscv64-unknown-elf",
    "picolibc-riscv64-unknown-elf",
    "gdb-multiarch",
    "qemu-system-arm",
    // RISC-V.
    "qemu-system-misc",
    // Reads the captures that tests write.
    "tshark",
    // For the unicorn crate, which is compiled from source and bound with bindgen.
    "g++",
    "cmake",
    "pkg-config",
    "libclang-dev",
];

/// Installs what is missing if that can be done unasked (as root), else says how.
pub fn setup() -> Result<()> {
    let Ok((_, known)) =
        sh::attempt(Command::new("dpkg-query").args(["-W", "-f", "${Package} ${db:Status-Status}\n"]))
    else {
        eprintln!("setup: this is no Debian; needed are {}", PACKAGES.join(", "));
        return Ok(());
    };
    let missing = missing(&known, PACKAGES);
    if missing.is_empty() {
        return Ok(());
    }
    if sh::output(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err(format!(
            "packages are missing; run\n    sudo apt-get install -y --no-install-recommends {}",
            missing.join(" ")
        )
        .into());
    }
    eprintln!("setup: installing {}", missing.join(" "));
    sh::run(apt_get().arg("update"))?;
    sh::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(&missing))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
    command
}

/// Those of `wanted` that dpkg-query's answer does not call installed.
fn missing<'a>(known: &str, wanted: &[&'a str]) -> Vec<&'a str> {
    let installed = |name: &str| known.lines().any(|line| line.split(' ').eq([name, "installed"]));
    wanted.iter().copied().filter(|name| !installed(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_installed_is_missing() {
        let known = "make installed\ncmake config-files\ngcc-12 installed\n";
        assert_eq!(missing(known, &["make", "cmake", "gcc"]), ["cmake", "gcc"]);
    }
}
