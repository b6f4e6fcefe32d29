//! Instructions as text.

use capstone::Capstone;

/// One line for each instruction.
pub(super) fn disassemble(capstone: capstone::CsResult<Capstone>, pc: u64, code: &[u8]) -> Vec<String> {
    let Ok(capstone) = capstone else { return vec![] };
    let Ok(insns) = capstone.disasm_all(code, pc) else { return vec![] };
    let words = |i: &capstone::Insn| {
        let (mnemonic, operands) = (i.mnemonic().unwrap_or("?"), i.op_str().unwrap_or(""));
        format!("{mnemonic} {operands}").trim_end().to_string()
    };
    insns.iter().map(words).collect()
}
