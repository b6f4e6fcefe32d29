/* Exception entry and return as both architectures do it: the frame, the stacks, SVC, PendSV, NMI, HardFault escalation. */
#include "core.h"

static struct frame seen;
static volatile uint32_t seen_address, seen_exc_return;

static uint32_t keep_frame(struct frame *frame, uint32_t exc_return)
{
    seen = *frame;
    seen_address = (uint32_t)frame;
    seen_exc_return = exc_return;
    frame->r0 = 0x1234;
    return exc_return;
}

static uint32_t odd_pc(struct frame *frame, uint32_t exc_return)
{
    frame->pc |= 1;
    return exc_return;
}

/* r0 to r3 and r12 set, then SVC; the values after it, xor-ed with what they were, in r0. */
uint32_t svc_with_registers(void);
extern const uint8_t svc_with_registers_next[];
__asm(".syntax unified\n.section .text.svc_with_registers,\"ax\"\n.balign 4\n.thumb\n.thumb_func\n.global svc_with_registers\n"
      ".type svc_with_registers,%function\nsvc_with_registers:\n"
      "push {r4, lr}\nldr r4, =0x12121212\nmov r12, r4\nmovs r0, #10\nmovs r1, #11\nmovs r2, #12\nmovs r3, #13\n"
      "svc #0\n.global svc_with_registers_next\nsvc_with_registers_next:\n"
      "movs r4, #11\neors r1, r4\nmovs r4, #12\neors r2, r4\nmovs r4, #13\neors r3, r4\n"
      "orrs r1, r2\norrs r1, r3\nlsls r1, r1, #16\norrs r0, r1\npop {r4, pc}\n.ltorg\n.previous");

static uint32_t svc_on_psp(uint32_t arg)
{
    return call_svc(arg);
}

static void check_frame(void)
{
    handlers[SVCALL] = keep_frame;
    uint32_t after = svc_with_registers();
    check("stacked r0", seen.r0, 10);
    check("stacked r3", seen.r3, 13);
    check("stacked r12", seen.r12, 0x12121212);
    check("SVC returns to the next instruction", seen.pc, (uint32_t)svc_with_registers_next);
    check("stacked xPSR: Thumb, thread", seen.xpsr & 0x010001FF, 0x01000000);
    check("EXC_RETURN: thread, MSP", seen_exc_return, 0xFFFFFFF9);
    check("a changed frame is what comes back", after, 0x1234);
    check("frame is 8-byte aligned", seen_address & 7, 0);
    CCR |= CCR_STKALIGN;
    check("an odd stack comes back", call_svc_unaligned(), 0);
    check("xPSR[9] tells of the padding", seen.xpsr & 0x200, 0x200);
    check("the padded frame is aligned", seen_address & 7, 0);
    handlers[SVCALL] = odd_pc;
    check("bit 0 of the stacked PC is ignored", call_svc(7), 7);
    handlers[SVCALL] = NULL;
    check("SVC can change r0", call_svc(7), 8);
}

static void check_stacks(void)
{
    uint32_t *psp = PROCESS_STACK_TOP;
    check("on PSP: runs", call_on_psp(svc_on_psp, 41, psp, 2), 42);
    check("CONTROL is cleared again", get_control(), 0);
    set_psp(0x20000107);
    check("PSP's low bits read as zero", get_psp(), 0x20000104);
    check("IPSR in thread mode", get_ipsr(), 0);
    check("EPSR reads as zero", get_epsr(), 0);
}

static volatile uint32_t in_handler_control, in_handler_ipsr;

static void change_control(void)
{
    set_control(2);
    in_handler_control = get_control();
    in_handler_ipsr = get_ipsr();
}

static void check_handler_mode(void)
{
    interrupts_fresh(0x40, 0x40, 0x40, 0x40);
    actions[IRQ0 + IRQ_A] = change_control;
    pend(BIT(IRQ_A));
    check("SPSEL cannot be set in a handler", in_handler_control, 0);
    check("IPSR in a handler", in_handler_ipsr, IRQ0 + IRQ_A);
}

static void pend_pendsv(void)
{
    ICSR = ICSR_PENDSVSET;
    sync();
}

static void system_priorities(uint8_t svc, uint8_t pendsv)
{
    SHPR(2) = (uint32_t)svc << 24;
    SHPR(3) = (SHPR(3) & 0xFF000000) | (uint32_t)pendsv << 16;
    letters_for(SVCALL);
    letters_for(PENDSV);
    trace_clear();
}

static void check_pendsv(void)
{
    interrupts_fresh(0x40, 0x80, 0xC0, 0x40);
    system_priorities(0x40, 0xC0);
    pend_pendsv();
    check_text("PENDSVSET runs PendSV", trace_buffer, "pP");
    set_primask(1);
    ICSR = ICSR_PENDSVSET;
    check("PENDSVSET reads back", ICSR & ICSR_PENDSVSET, ICSR_PENDSVSET);
    check("VECTPENDING shows PendSV", ICSR_VECTPENDING(ICSR), PENDSV);
    ICSR = ICSR_PENDSVCLR;
    check("PENDSVCLR clears it", ICSR & ICSR_PENDSVSET, 0);
    trace_clear();
    ICSR = ICSR_PENDSVSET;
    pend(BIT(IRQ_C));
    set_primask(0);
    check_text("PendSV before an interrupt of its priority", trace_buffer, "pPcC");
    trace_clear();
    actions[IRQ0 + IRQ_B] = pend_pendsv;
    pend(BIT(IRQ_B));
    check_text("PendSV after the handler that pends it", trace_buffer, "bBpP");
    system_priorities(0x80, 0xC0);
    actions[SVCALL] = pend_pendsv;
    call_svc(0);
    check_text("PendSV after the SVC that pends it", trace_buffer, "sSpP");
    system_priorities(0x80, 0x40);
    actions[SVCALL] = pend_pendsv;
    call_svc(0);
    check_text("PendSV above SVC preempts it", trace_buffer, "spPS");
    system_priorities(0, 0);
    handlers[SVCALL] = NULL;
}

static volatile uint32_t nmi_active;
static void note_active(void) { nmi_active = ICSR_VECTACTIVE(ICSR); }

static void pend_nmi(void)
{
    ICSR = ICSR_NMIPENDSET;
    sync();
}

static void check_nmi(void)
{
    letters_for(NMI);
    interrupts_fresh(0x00, 0x40, 0x40, 0x40);
    actions[NMI] = note_active;
    set_primask(1);
    pend_nmi();
    check_text("NMI comes through PRIMASK", trace_buffer, "nN");
    set_primask(0);
    check("VECTACTIVE in the NMI", nmi_active, NMI);
    trace_clear();
    actions[IRQ0 + IRQ_A] = pend_nmi;
    pend(BIT(IRQ_A));
    check_text("NMI preempts priority 0", trace_buffer, "anNA");
}

SNIPPET(svc_masked, "", "svc #1");
SNIPPET(undefined16, "", "udf #1");
SNIPPET(load_word, "", "ldr r0, [r0]");

static void check_escalation(void)
{
    catch_faults();
    set_primask(1);
    PROVOKE(svc_masked, 0, 0);
    set_primask(0);
    check("SVC under PRIMASK is a HardFault", caught.number, HARDFAULT);
    PROVOKE(undefined16, 0, 0);
    check("UDF faults", caught.number, HARDFAULT);
    check("UDF: the stacked PC is its own", caught.frame.pc, (uint32_t)undefined16_at);
    check("VECTACTIVE in the HardFault", ICSR_VECTACTIVE(caught.icsr), HARDFAULT);
    PROVOKE(load_word, UNMAPPED, 0);
    check("a load from nowhere is a HardFault", caught.number, HARDFAULT);
    check("its stacked PC", caught.frame.pc, (uint32_t)load_word_at);
}

void check_entry(void)
{
    group("exception entry and return");
    check_frame();
    check_stacks();
    check_handler_mode();
    check_pendsv();
    check_nmi();
    check_escalation();
}
