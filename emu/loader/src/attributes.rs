//! The build attributes of ARM ELF files: for which core the code was built (Addenda to the ABI for the Arm Architecture, 2023Q3, 3).

/// What the attributes say; what is missing is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArmBuild {
    /// Tag_CPU_arch.
    pub cpu: u64,
    /// Tag_CPU_arch_profile: `A`, `R`, `M`, `S`, or 0.
    pub profile: u64,
    /// Tag_ABI_VFP_args: 1 if functions pass floating-point values in the FPU's registers.
    pub hard_float: u64,
}

impl ArmBuild {
    /// The architecture, for people.
    pub fn name(&self) -> &'static str {
        match (self.cpu, self.profile as u8) {
            (10, b'A') => "Armv7-A",
            (10, b'R') => "Armv7-R",
            (10, b'M') => "Armv7-M (Cortex-M3)",
            (10, _) => "Armv7",
            (11 | 12, _) => "Armv6-M (Cortex-M0)",
            (13, _) => "Armv7E-M (Cortex-M4 or M7)",
            (14, _) => "Armv8-A",
            (15, _) => "Armv8-R",
            (16, _) => "Armv8-M baseline (Cortex-M23)",
            (17, _) => "Armv8-M mainline (Cortex-M33)",
            (21, _) => "Armv8.1-M mainline (Cortex-M55)",
            (22, _) => "Armv9-A",
            (0..=9, _) => "an Arm older than Armv7",
            _ => "an unknown Arm architecture",
        }
    }
}

const FILE: u64 = 1;
const CPU_RAW_NAME: u64 = 4;
const CPU_NAME: u64 = 5;
const CPU_ARCH: u64 = 6;
const CPU_ARCH_PROFILE: u64 = 7;
const ABI_VFP_ARGS: u64 = 28;
const COMPATIBILITY: u64 = 32;

/// Reads the section `.ARM.attributes`; nothing if it is broken, since nobody needs it to run.
pub(crate) fn parse(section: &[u8]) -> Option<ArmBuild> {
    let mut rest = section.strip_prefix(b"A")?;
    while !rest.is_empty() {
        // Length of the vendor's part with itself, the vendor, sub-sections.
        let part = take(&mut rest)?;
        if let Some(mut subs) = part.strip_prefix(b"aeabi\0") {
            while !subs.is_empty() {
                let (tag, before) = (uleb(&mut subs)?, subs);
                // This length counts from the tag on.
                let len = u32::from_le_bytes(*before.first_chunk()?) as usize;
                let body = before.get(4..len.checked_sub(1)?)?;
                subs = &before[len - 1..];
                if tag == FILE {
                    return attributes(body);
                }
            }
        }
    }
    None
}

/// What a length of four bytes, which counts itself, leads.
fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::from_le_bytes(*from.first_chunk()?) as usize;
    let part = from.get(4..len)?;
    *from = &from[len..];
    Some(part)
}

fn attributes(mut body: &[u8]) -> Option<ArmBuild> {
    let mut build = ArmBuild::default();
    while !body.is_empty() {
        let tag = uleb(&mut body)?;
        if tag == COMPATIBILITY {
            uleb(&mut body)?;
        }
        // Above 32 odd tags are followed by text, even ones by a number.
        if matches!(tag, CPU_RAW_NAME | CPU_NAME | COMPATIBILITY) || tag > COMPATIBILITY && tag % 2 == 1 {
            let end = body.iter().position(|b| *b == 0)?;
            body = &body[end + 1..];
            continue;
        }
        let value = uleb(&mut body)?;
        match tag {
            CPU_ARCH => build.cpu = value,
            CPU_ARCH_PROFILE => build.profile = value,
            ABI_VFP_ARGS => build.hard_float = value,
            _ => {}
        }
    }
    Some(build)
}

fn uleb(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(attributes: &[u8]) -> Vec<u8> {
        let sub = [&[1][..], &(attributes.len() as u32 + 5).to_le_bytes(), attributes].concat();
        let part = [&(sub.len() as u32 + 10).to_le_bytes()[..], b"aeabi\0", &sub].concat();
        [b"A", &part[..]].concat()
    }

    #[test]
    fn attributes_are_read_and_broken_ones_are_not() {
        // As arm-none-eabi-gcc -mcpu=cortex-m4 -mfloat-abi=hard writes them.
        let given = b"\x05Cortex-M4\0\x06\x0d\x07M\x09\x02\x0a\x06\x12\x04\x1c\x01\x22\x01\x43custom\0";
        let whole = section(given);
        let build = ArmBuild { cpu: 13, profile: b'M'.into(), hard_float: 1 };
        assert_eq!(parse(&whole), Some(build));
        assert_eq!(build.name(), "Armv7E-M (Cortex-M4 or M7)");
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), None, "{len}");
        }
        assert_eq!(parse(&section(b"\x06\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")), None);
        assert_eq!(parse(b"A\x04\0\0\0\x04\0\0\0"), None);
        assert_eq!(parse(b"A\x0b\0\0\0aeabi\0\x01\0\0\0\0"), None);
    }
}
