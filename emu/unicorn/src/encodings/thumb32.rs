//! 32-bit encodings of v7-M without the DSP extension.

use super::Encoding;
use super::Set::{Dsp, V7M};

/// Name, opcode, and what the class is called when Rd = 15 with S, or Rn = 15 (A5.3.1, A5.3.11).
const DATA_PROCESSING: [(&str, &str, &str, &str); 10] = [
    ("AND", "0000", "TST", ""),
    ("BIC", "0001", "", ""),
    ("ORR", "0010", "", "MOV"),
    ("ORN", "0011", "", "MVN"),
    ("EOR", "0100", "TEQ", ""),
    ("ADD", "1000", "CMN", ""),
    ("ADC", "1010", "", ""),
    ("SBC", "1011", "", ""),
    ("SUB", "1101", "CMP", ""),
    ("RSB", "1110", "", ""),
];

const ROWS: &[(&str, &str, &str)] = &[
    // Loads and stores of several registers (A5.3.5).
    ("STM_T2", "1110100010 w 0 bbbb 0 r 0 rrrrrrrrrrrrr", "b!15 #list2 #base @aligned"),
    ("STMDB_T1", "1110100100 w 0 bbbb 0 r 0 rrrrrrrrrrrrr", "b!15 #list2 #base @aligned"),
    ("LDM_T2", "1110100010 w 1 bbbb 0 r 0 rrrrrrrrrrrrr", "b!15 #list2 #base @aligned"),
    ("LDMDB_T1", "1110100100 w 1 bbbb 0 r 0 rrrrrrrrrrrrr", "b!15 #list2 #base @aligned"),
    ("LDM_T2_pc", "1110100010 w 1 bbbb 100 rrrrrrrrrrrrr", "b!15 r>0 #base @aligned @pc @branch"),
    ("LDMDB_T1_pc", "1110100100 w 1 bbbb 100 rrrrrrrrrrrrr", "b!15 r>0 #base @aligned @pc @branch"),
    // Dual, exclusive, table branch (A5.3.6).
    (
        "STRD_imm_T1",
        "1110100 p a 1 w 0 bbbb tttt uuuu iiiiiiii",
        "p|w>0 t!13,15 u!13,15 b!15 #wbase @aligned",
    ),
    (
        "LDRD_imm_T1",
        "1110100 p a 1 w 1 bbbb tttt uuuu iiiiiiii",
        "p|w>0 t!13,15 u!13,15 t!u b!15 #wbase @aligned",
    ),
    ("LDRD_lit_T1", "1110100 1 a 1 0 1 1111 tttt uuuu iiiiiiii", "t!13,15 u!13,15 t!u @memory @evenpc"),
    ("TBB", "111010001101 bbbb 11110000 0000 xxxx", "b!13,15 x!13,15 b!x @branch"),
    ("TBH", "111010001101 bbbb 11110000 0001 xxxx", "b!13,15 x!13,15 b!x @branch"),
    ("TBB_pc", "111010001101 1111 11110000 0000 xxxx", "x!13,15 @branch @memory"),
    // Plain immediates (A5.3.3).
    ("ADD_imm_T4", "11110 i 100000 nnnn 0 iii dddd iiiiiiii", "d!13,15 n!13,15"),
    ("SUB_imm_T4", "11110 i 101010 nnnn 0 iii dddd iiiiiiii", "d!13,15 n!13,15"),
    ("ADD_sp_imm_T4", "11110 i 100000 1101 0 iii dddd iiiiiiii", "d!15"),
    ("SUB_sp_imm_T3", "11110 i 101010 1101 0 iii dddd iiiiiiii", "d!15"),
    ("ADR_T2", "11110 i 101010 1111 0 iii dddd iiiiiiii", "d!13,15"),
    ("ADR_T3", "11110 i 100000 1111 0 iii dddd iiiiiiii", "d!13,15"),
    ("MOV_imm_T3", "11110 i 100100 iiii 0 iii dddd iiiiiiii", "d!13,15"),
    ("MOVT_T1", "11110 i 101100 iiii 0 iii dddd iiiiiiii", "d!13,15"),
    ("SSAT_lsl", "111100110000 nnnn 0 iii dddd ii 0 sssss", "d!13,15 n!13,15"),
    ("SSAT_asr", "111100110010 nnnn 0 iii dddd ii 0 sssss", "d!13,15 n!13,15 i>0"),
    ("USAT_lsl", "111100111000 nnnn 0 iii dddd ii 0 sssss", "d!13,15 n!13,15"),
    ("USAT_asr", "111100111010 nnnn 0 iii dddd ii 0 sssss", "d!13,15 n!13,15 i>0"),
    ("SBFX_T1", "111100110100 nnnn 0 iii dddd ii 0 wwwww", "d!13,15 n!13,15 i+w<32"),
    ("UBFX_T1", "111100111100 nnnn 0 iii dddd ii 0 wwwww", "d!13,15 n!13,15 i+w<32"),
    ("BFI_T1", "111100110110 nnnn 0 iii dddd ii 0 mmmmm", "d!13,15 n!13,15 m>=i"),
    ("BFC_T1", "111100110110 1111 0 iii dddd ii 0 mmmmm", "d!13,15 m>=i"),
    // Branches and hints (A5.3.4).
    ("B_T3", "11110 i cccc iiiiii 10 i 0 i iiiiiiiiiii", "c<14 @branch #away @noit"),
    ("B_T4", "11110 iiiiiiiiiii 10 i 1 i iiiiiiiiiii", "@branch #away"),
    ("NOP_T2", "11110011101011111000000000000000", ""),
    // Single loads and stores (A5.3.7 to A5.3.10).
    ("STRB_imm_T2", "111110001000 bbbb tttt iiiiiiiiiiii", "b!15 t!13,15"),
    ("STRH_imm_T2", "111110001010 bbbb tttt iiiiiiiiiiii", "b!15 t!13,15"),
    ("STR_imm_T3", "111110001100 bbbb tttt iiiiiiiiiiii", "b!15 t!15"),
    ("LDRB_imm_T2", "111110001001 bbbb tttt iiiiiiiiiiii", "b!15 t!13,15"),
    ("LDRH_imm_T2", "111110001011 bbbb tttt iiiiiiiiiiii", "b!15 t!13,15"),
    ("LDR_imm_T3", "111110001101 bbbb tttt iiiiiiiiiiii", "b!15 t!13,15"),
    ("LDRSB_imm_T1", "111110011001 bbbb tttt iiiiiiiiiiii", "b!15 t!13,15"),
    ("LDRSH_imm_T1", "111110011011 bbbb tttt iiiiiiiiiiii", "b!15 t!13,15"),
    ("LDR_imm_T3_pc", "111110001101 bbbb 1111 iiiiiiiiii00", "b!15 @pc @branch @aligned"),
    ("STRB_imm_T3", "111110000000 bbbb tttt 1 p a w iiiiiiii", "b!15 t!13,15 #puw #wbase"),
    ("STRH_imm_T3", "111110000010 bbbb tttt 1 p a w iiiiiiii", "b!15 t!13,15 #puw #wbase"),
    ("STR_imm_T4", "111110000100 bbbb tttt 1 p a w iiiiiiii", "b!15 t!15 #puw #wbase"),
    ("LDRB_imm_T3", "111110000001 bbbb tttt 1 p a w iiiiiiii", "b!15 t!13,15 #puw #wbase"),
    ("LDRH_imm_T3", "111110000011 bbbb tttt 1 p a w iiiiiiii", "b!15 t!13,15 #puw #wbase"),
    ("LDR_imm_T4", "111110000101 bbbb tttt 1 p a w iiiiiiii", "b!15 t!13,15 #puw #wbase"),
    ("LDRSB_imm_T2", "111110010001 bbbb tttt 1 p a w iiiiiiii", "b!15 t!13,15 #puw #wbase"),
    ("LDRSH_imm_T2", "111110010011 bbbb tttt 1 p a w iiiiiiii", "b!15 t!13,15 #puw #wbase"),
    ("LDR_imm_T4_pc", "111110000101 bbbb 1111 1 p a w iiiiii00", "b!15 #puw @pc @branch @aligned"),
    ("STRBT", "111110000000 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("STRHT", "111110000010 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("STRT", "111110000100 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("LDRBT", "111110000001 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("LDRHT", "111110000011 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("LDRT", "111110000101 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("LDRSBT", "111110010001 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("LDRSHT", "111110010011 bbbb tttt 1110 iiiiiiii", "b!15 t!13,15"),
    ("STRB_reg_T2", "111110000000 bbbb tttt 000000 ii xxxx", "b!15 b!x t!13,15 x!13,15"),
    ("STRH_reg_T2", "111110000010 bbbb tttt 000000 ii xxxx", "b!15 b!x t!13,15 x!13,15"),
    ("STR_reg_T2", "111110000100 bbbb tttt 000000 ii xxxx", "b!15 b!x t!15 x!13,15"),
    ("LDRB_reg_T2", "111110000001 bbbb tttt 000000 ii xxxx", "b!15 b!x t!13,15 x!13,15"),
    ("LDRH_reg_T2", "111110000011 bbbb tttt 000000 ii xxxx", "b!15 b!x t!13,15 x!13,15"),
    ("LDR_reg_T2", "111110000101 bbbb tttt 000000 ii xxxx", "b!15 b!x t!13,15 x!13,15"),
    ("LDRSB_reg_T2", "111110010001 bbbb tttt 000000 ii xxxx", "b!15 b!x t!13,15 x!13,15"),
    ("LDRSH_reg_T2", "111110010011 bbbb tttt 000000 ii xxxx", "b!15 b!x t!13,15 x!13,15"),
    ("LDRB_lit_T1", "11111000 a 0011111 tttt iiiiiiiiiiii", "t!13,15 @memory"),
    ("LDRH_lit_T1", "11111000 a 0111111 tttt iiiiiiiiiiii", "t!13,15 @memory"),
    ("LDR_lit_T2", "11111000 a 1011111 tttt iiiiiiiiiiii", "t!13,15 @memory"),
    ("LDRSB_lit_T1", "11111001 a 0011111 tttt iiiiiiiiiiii", "t!13,15 @memory"),
    ("LDRSH_lit_T1", "11111001 a 0111111 tttt iiiiiiiiiiii", "t!13,15 @memory"),
    ("PLD_imm_T1", "111110001001 bbbb 1111 iiiiiiiiiiii", "b!15"),
    ("PLD_imm_T2", "111110000001 bbbb 1111 1100 iiiiiiii", "b!15"),
    ("PLI_imm_T1", "111110011001 bbbb 1111 iiiiiiiiiiii", "b!15"),
    ("PLD_reg_T1", "111110000001 bbbb 1111 000000 ii xxxx", "b!15 b!x x!13,15"),
    // Register operands (A5.3.12 to A5.3.17).
    ("LSL_reg_T2", "11111010000 s nnnn 1111 dddd 0000 mmmm", "d!13,15 n!13,15 m!13,15"),
    ("LSR_reg_T2", "11111010001 s nnnn 1111 dddd 0000 mmmm", "d!13,15 n!13,15 m!13,15"),
    ("ASR_reg_T2", "11111010010 s nnnn 1111 dddd 0000 mmmm", "d!13,15 n!13,15 m!13,15"),
    ("ROR_reg_T2", "11111010011 s nnnn 1111 dddd 0000 mmmm", "d!13,15 n!13,15 m!13,15"),
    ("SXTH_T2", "111110100000 1111 1111 dddd 10 rr mmmm", "d!13,15 m!13,15"),
    ("UXTH_T2", "111110100001 1111 1111 dddd 10 rr mmmm", "d!13,15 m!13,15"),
    ("SXTB_T2", "111110100100 1111 1111 dddd 10 rr mmmm", "d!13,15 m!13,15"),
    ("UXTB_T2", "111110100101 1111 1111 dddd 10 rr mmmm", "d!13,15 m!13,15"),
    ("REV_T2", "111110101001 nnnn 1111 dddd 1000 mmmm", "d!13,15 m!13,15 n=m"),
    ("REV16_T2", "111110101001 nnnn 1111 dddd 1001 mmmm", "d!13,15 m!13,15 n=m"),
    ("RBIT_T1", "111110101001 nnnn 1111 dddd 1010 mmmm", "d!13,15 m!13,15 n=m"),
    ("REVSH_T2", "111110101001 nnnn 1111 dddd 1011 mmmm", "d!13,15 m!13,15 n=m"),
    ("CLZ_T1", "111110101011 nnnn 1111 dddd 1000 mmmm", "d!13,15 m!13,15 n=m"),
    ("MUL_T2", "111110110000 nnnn 1111 dddd 0000 mmmm", "d!13,15 n!13,15 m!13,15"),
    ("MLA_T1", "111110110000 nnnn aaaa dddd 0000 mmmm", "d!13,15 n!13,15 m!13,15 a!13,15"),
    ("MLS_T1", "111110110000 nnnn aaaa dddd 0001 mmmm", "d!13,15 n!13,15 m!13,15 a!13,15"),
    ("SMULL_T1", "111110111000 nnnn llll hhhh 0000 mmmm", "l!13,15 h!13,15 l!h n!13,15 m!13,15"),
    ("SDIV_T1", "111110111001 nnnn 1111 dddd 1111 mmmm", "d!13,15 n!13,15 m!13,15"),
    ("UMULL_T1", "111110111010 nnnn llll hhhh 0000 mmmm", "l!13,15 h!13,15 l!h n!13,15 m!13,15"),
    ("UDIV_T1", "111110111011 nnnn 1111 dddd 1111 mmmm", "d!13,15 n!13,15 m!13,15"),
    ("SMLAL_T1", "111110111100 nnnn llll hhhh 0000 mmmm", "l!13,15 h!13,15 l!h n!13,15 m!13,15"),
    ("UMLAL_T1", "111110111110 nnnn llll hhhh 0000 mmmm", "l!13,15 h!13,15 l!h n!13,15 m!13,15"),
    // Special forms of the shifted-register class.
    ("MOV_reg_T3", "11101010010 s 1111 0 000 dddd 0000 mmmm", "d!13,15 m!13,15"),
    ("RRX_T1", "11101010010 s 1111 0 000 dddd 0011 mmmm", "d!13,15 m!13,15"),
    ("ADD_sp_reg_T3", "11101011000 s 1101 0 iii dddd ii tt mmmm", "d!13,15 m!13,15 @shift"),
    ("SUB_sp_reg_T1", "11101011101 s 1101 0 iii dddd ii tt mmmm", "d!13,15 m!13,15 @shift"),
    ("ADD_sp_imm_T3", "11110 i 01000 s 1101 0 iii dddd iiiiiiii", "d!13,15 #modimm"),
    ("SUB_sp_imm_T2", "11110 i 01101 s 1101 0 iii dddd iiiiiiii", "d!13,15 #modimm"),
];

fn data_processing() -> Vec<Encoding> {
    let mut rows = Vec::new();
    for (name, op, compare, unary) in DATA_PROCESSING {
        let all = "d!13,15 n!13,15 #modimm";
        rows.push(Encoding::new(
            format!("{name}_imm_T32"),
            format!("11110i0{op}snnnn0iiiddddiiiiiiii"),
            V7M,
            all,
        ));
        let all = "d!13,15 n!13,15 m!13,15 @shift";
        let pattern = format!("1110101{op}snnnn0iiiddddiittmmmm");
        rows.push(Encoding::new(format!("{name}_reg_T32"), pattern, V7M, all));
        if !compare.is_empty() {
            let pattern = format!("11110i0{op}1nnnn0iii1111iiiiiiii");
            rows.push(Encoding::new(format!("{compare}_imm_T32"), pattern, V7M, "n!13,15 #modimm"));
            let pattern = format!("1110101{op}1nnnn0iii1111iittmmmm");
            rows.push(Encoding::new(format!("{compare}_reg_T32"), pattern, V7M, "n!13,15 m!13,15 @shift"));
        }
        if !unary.is_empty() {
            let pattern = format!("11110i0{op}s11110iiiddddiiiiiiii");
            rows.push(Encoding::new(format!("{unary}_imm_T32"), pattern, V7M, "d!13,15 #modimm"));
            let pattern = format!("1110101{op}s11110iiiddddiittmmmm");
            rows.push(Encoding::new(format!("{unary}_reg_T32"), pattern, V7M, "d!13,15 m!13,15 @shift"));
        }
    }
    rows
}

pub(super) fn rows() -> Vec<Encoding> {
    let mut rows = data_processing();
    rows.extend(ROWS.iter().map(|(name, pattern, rules)| Encoding::new(*name, *pattern, V7M, rules)));
    rows.push(Encoding::new("MSR_apsr_g", "111100111000nnnn1000010000000000", Dsp, "n!13,15"));
    rows.push(Encoding::new("MSR_apsr_nzcvqg", "111100111000nnnn1000110000000000", Dsp, "n!13,15"));
    rows
}
