//! Images, and two guests of our own that do what is hard for compiled code.

use emu_core::{Time, cpu::Engine};
use emu_engine::jit;
use fleet::{
    Executor, Fleet, FleetExit,
    config::{self, Files},
};
use std::path::PathBuf;

/// A microsecond of virtual time.
pub const US: u64 = 1_000;
/// A millisecond of virtual time.
pub const MS: u64 = 1_000_000;

/// Where [`REWRITER`] looks whether it is to change its code.
pub const REWRITE: u64 = 0x2000_1000;
/// Its function in RAM: `adds r4, #1`, which it makes `adds r4, #2`, and so on.
pub const IN_RAM: u64 = 0x2000_0400;
/// Its function in flash: `adds r4, #255`, whose lowest bit that is set it clears.
pub const IN_FLASH: u64 = 0x1100;
/// `adds r5, #1` in its loop.
pub const IN_LOOP: u64 = 0xe0;

/// For the micro:bit. It copies a function to RAM, then calls that and one in flash for ever. If the word at [`REWRITE`] is not
/// zero, it clears it and changes both functions.
///
/// ```text
///  c2 ldr r0,=10c   c4 ldr r1,=20000400   c6 movs r2,#0
///  c8 ldr r3,[r0,r2]   ca str r3,[r1,r2]   cc adds r2,#4   ce cmp r2,#16   d0 bne c8
///  d2 movs r4,#0   d4 movs r5,#0   d6 ldr r6,=20001000   d8 ldr r7,=20000401
///  da blx r7   dc bl 1100   e0 adds r5,#1   e2 ldr r0,[r6]   e4 cmp r0,#0   e6 beq da
///  e8 movs r0,#0   ea str r0,[r6]   ec ldr r1,=20000400   ee ldrh r0,[r1]   f0 adds r0,#1   f2 strh r0,[r1]
///  f4 ldr r1,=4001e504 (NVMC.CONFIG)   f6 movs r0,#1   f8 str r0,[r1]
///  fa ldr r2,=1100   fc ldr r3,[r2]   fe subs r0,r3,#1   100 ands r3,r0   102 str r3,[r2]
/// 104 movs r0,#0   106 str r0,[r1]   108 b da
/// 10c adds r4,#1   movs r0,#5   rors r4,r0   bx lr
/// 1100 adds r4,#255   lsls r0,r4,#3   eors r4,r0   bx lr
/// ```
const REWRITER: [u32; 29] = [
    0x4816_e7fe,
    0x2200_4916,
    0x508b_5883,
    0x2a10_3204,
    0x2400_d1fa,
    0x4e13_2500,
    0x47b8_4f13,
    0xf810_f001,
    0x6830_3501,
    0xd0f8_2800,
    0x6030_2000,
    0x8808_490c,
    0x8008_3001,
    0x2001_490d,
    0x4a0d_6008,
    0x1e58_6813,
    0x6013_4003,
    0x6008_2000,
    0x46c0_e7e7,
    0x2005_3401,
    0x4770_41c4,
    0x46c0_46c0,
    0x46c0_46c0,
    0x0000_010c,
    0x2000_0400,
    0x2000_1000,
    0x2000_0401,
    0x4001_e504,
    0x0000_1100,
];
const IN_FLASH_CODE: [u32; 2] = [0x00e0_34ff, 0x4770_4044];

/// For the MPS2. In a loop: `LDM` and `STM` on a timer's registers, an IT block, a function that returns by a conditional
/// `POP {PC}`; each 64 rounds an `SVC` that changes privilege and MPU. SysTick's handler returns by `POP {PC}`, PendSV's by
/// `BX LR`.
///
/// ```text
///  42 SysTick: reload 977, on   MPU region 0: all, full access   r6 = 40000000   r4 = r5 = 0
///  62 ldmia r6,{r1-r3}   eors r4,r2   add r4,r5,r4,ror #5   orr r1,#1   add r3,r4,#77   and r3,#255   stmia r6,{r1-r3}
///     tst r4,#4   ittee ne   addne r4,#3   subne r4,r2   rsbeq r4,#9   eoreq r4,r3
///     bl 9c   adds r5,#1   tst r5,#63   it eq   svceq #1   b 62
///  9c push {r5,r6,lr}   lsls r5,r4,#1   adcs r4,r5   it mi   popmi {r5,r6,pc}   adds r4,#11   pop {r5,r6,pc}
///  aa push {r4,lr}   count at 20001000   PendSV becomes pending   pop {r4,pc}
///  be count at 20001004   bx lr
///  c8 CONTROL.nPRIV and MPU_CTRL's ENABLE and PRIVDEFENA change   bx lr
/// ```
const TURNER: [u32; 48] = [
    0x482a_e7fe,
    0x31d1_f240,
    0x2107_6041,
    0x4828_6001,
    0x6001_2100,
    0x4927_6041,
    0xf04f_6081,
    0x2400_4680,
    0xe896_2500,
    0x4054_000e,
    0x1474_eb05,
    0x0101_f041,
    0x034d_f104,
    0x03ff_f003,
    0x000e_e886,
    0x0f04_f014,
    0x3403_bf19,
    0xf1c4_1aa4,
    0x405c_0409,
    0xf806_f000,
    0xf015_3501,
    0xbf08_0f3f,
    0xe7e2_df01,
    0x0065_b560,
    0xbf48_416c,
    0x340b_bd60,
    0xb510_bd60,
    0x6801_4812,
    0x6001_3101,
    0xf04f_4a11,
    0x6015_5380,
    0x4810_bd10,
    0x3101_6801,
    0x4770_6001,
    0x8014_f3ef,
    0x0001_f080,
    0x8814_f380,
    0x8f6f_f3bf,
    0x6801_480a,
    0x0105_f081,
    0xf3bf_6001,
    0xf3bf_8f4f,
    0x4770_8f6f,
    0xe000_e010,
    0xe000_ed98,
    0x0300_003f,
    0x2000_1000,
    0xe000_ed04,
];
const TURNER_END: [u32; 2] = [0x2000_1004, 0xe000_ed94];

fn bytes(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// Intel HEX: each piece at its address, in records of four bytes.
fn hex(pieces: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut text = String::new();
    for (base, piece) in pieces {
        for (i, four) in piece.chunks(4).enumerate() {
            let at = base + 4 * i as u16;
            let record: Vec<u8> = [four.len() as u8, (at >> 8) as u8, at as u8, 0]
                .into_iter()
                .chain(four.iter().copied())
                .collect();
            let sum = record.iter().fold(0u8, |sum, b| sum.wrapping_sub(*b));
            text += ":";
            record.iter().chain([&sum]).for_each(|b| text += &format!("{b:02X}"));
            text += "\n";
        }
    }
    (text + ":00000001FF\n").into_bytes()
}

fn rewriter() -> Vec<u8> {
    let vectors = [0x2000_4000, 0xc3].into_iter().chain([0xc1; 46]);
    hex(&[(0, bytes(vectors.chain(REWRITER))), (IN_FLASH as u16, bytes(IN_FLASH_CODE))])
}

fn turner() -> Vec<u8> {
    let vectors = [0x2000_4000, 0x43, 0x41, 0x41, 0x41, 0x41, 0x41, 0, 0, 0, 0, 0xc9, 0x41, 0, 0xbf, 0xab];
    hex(&[(0, bytes(vectors.into_iter().chain(TURNER).chain(TURNER_END)))])
}

/// The catalogue, the scenarios that ship, and our two.
pub struct Shelf;

pub fn scenarios() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

impl Files for Shelf {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        match name {
            "rewriter" => return Ok(rewriter()),
            "turner" => return Ok(turner()),
            _ => {}
        }
        let image = ::images::find(name).map_err(|e| e.to_string())?;
        match image.load() {
            Ok(bytes) => Ok(bytes.into_owned()),
            Err(e) => {
                panic!("{e}; run `cargo xtask images` for what others wrote, `cargo xtask guests` for ours")
            }
        }
    }
    fn board(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(scenarios().join(path)).map_err(|e| format!("{path}: {e}"))
    }
}

/// A fleet of `n` machines, just switched on.
pub fn fleet(machine: &str, image: &str, n: usize, engine: Engine) -> Fleet {
    let text = format!("[group.n]\ncount = {n}\nmachine = \"{machine}\"\nimage = \"{image}\"\n");
    let mut fleet = config::load("fleet.toml", &text, None, &Shelf).unwrap_or_else(|e| panic!("{e}")).0;
    fleet.set_engine(engine);
    fleet
}

/// Runs to a time, past guests that end; gives every stop.
pub fn run_to(fleet: &mut Fleet, end: u64, executor: &dyn Executor) -> Vec<FleetExit> {
    let mut stops = vec![];
    loop {
        match fleet.run_until(Time(end), executor) {
            FleetExit::Reached => return stops,
            stop => stops.push(stop),
        }
    }
}

/// Instructions of a node: all, and those that ran in compiled code.
pub fn ran(fleet: &Fleet, node: usize) -> (u64, u64) {
    let machine = &fleet.nodes().nth(node).expect("there is such a node").machine;
    (machine.retired(), machine.engine_stats().map(|s| s.compiled).sum())
}

/// Whether there is a compiler on this host. If not, there is nothing to compare.
pub fn compiler() -> bool {
    jit::available().inspect_err(|why| println!("not tested: {why}")).is_ok()
}
