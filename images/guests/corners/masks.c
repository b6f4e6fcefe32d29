/* ARMv7-M's BASEPRI, BASEPRI_MAX, FAULTMASK, PRIGROUP, STIR and the finer points of ICSR (DDI 0403 B1.4, B1.5.4, B3.2, B3.4). */
#include "core.h"

static volatile uint32_t seen;
static void pend_b(void) { pend(BIT(IRQ_B)); }
static void pend_b_and_c(void) { pend(BIT(IRQ_B) | BIT(IRQ_C)); }
static void note_icsr(void) { seen = ICSR; }
static void note_icsr_below_b(void)
{
    actions[IRQ0 + IRQ_B] = note_icsr;
    pend(BIT(IRQ_B));
}
static void raise_faultmask(void) { set_faultmask(1); }
static void note_iabr(void) { seen = NVIC_IABR; }

static uint32_t priority_mask(void)
{
    NVIC_IPRB(IRQ_A) = 0xFF;
    uint32_t mask = NVIC_IPRB(IRQ_A);
    NVIC_IPRB(IRQ_A) = 0;
    return mask;
}

static void check_access(void)
{
    interrupts_fresh(0, 0, 0, 0);
    check("the board's priority bits", priority_mask(), PRIORITY_MASK);
    NVIC_IPRB(IRQ_B) = 0x40;
    check("IPR byte write, word read", NVIC_IPR(IRQ_A / 4), 0x00004000);
    REG16(0xE000E400 + IRQ_C) = 0x60A0;
    check("IPR halfword write, word read", NVIC_IPR(IRQ_A / 4), 0x60A04000);
    check("IPR byte read", NVIC_IPRB(IRQ_D), 0x60);
    check("IPR halfword read", REG16(0xE000E400 + IRQ_C), 0x60A0);
    SHPRB(PENDSV) = 0xE0;
    SHPRB(SYSTICK) = 0xC0;
    check("SHPR3 by bytes", SHPR(3) & 0xFFFF0000, 0xC0E00000);
    SHPR(3) = 0;
    AIRCR = 0x00000300;
    check("AIRCR needs its key", AIRCR & 0x700, 0);
    AIRCR = AIRCR_KEY | 0x300;
    check("AIRCR: VECTKEYSTAT and PRIGROUP", AIRCR, 0xFA050300);
    AIRCR = AIRCR_KEY;
}

static void check_stir(void)
{
    interrupts_fresh(0x40, 0x40, 0x40, 0x40);
    STIR = IRQ_B;
    sync();
    check_text("STIR pends", trace_buffer, "bB");
}

static void check_basepri(void)
{
    interrupts_fresh(0x40, 0x60, 0x80, 0xA0);
    set_basepri(0x80);
    check("BASEPRI reads back", get_basepri(), 0x80);
    pend(15u << IRQ_A);
    check_text("BASEPRI lets higher priorities through only", trace_buffer, "aAbB");
    check("VECTPENDING includes BASEPRI's effect", ICSR_VECTPENDING(ICSR), 0);
    set_basepri(0xA0);
    check_text("BASEPRI lowered", trace_buffer, "aAbBcC");
    set_basepri_max(0xC0);
    check("BASEPRI_MAX does not lower", get_basepri(), 0xA0);
    set_basepri_max(0x60);
    check("BASEPRI_MAX raises", get_basepri(), 0x60);
    set_basepri_max(0);
    check("BASEPRI_MAX ignores zero", get_basepri(), 0x60);
    set_basepri(0);
    check_text("BASEPRI 0 masks nothing", trace_buffer, "aAbBcCdD");
    set_basepri_max(0xE0);
    check("BASEPRI_MAX sets from zero", get_basepri(), 0xE0);
    set_basepri(0xFF);
    check("BASEPRI has the priority's bits", get_basepri(), priority_mask());
    set_basepri(0);
}

static void check_faultmask(void)
{
    interrupts_fresh(0x00, 0x40, 0x40, 0x40);
    set_faultmask(1);
    check("FAULTMASK reads back", get_faultmask(), 1);
    pend(BIT(IRQ_A));
    check_text("FAULTMASK holds priority 0 back", trace_buffer, "");
    ICSR = ICSR_NMIPENDSET;
    sync();
    check_text("NMI comes through FAULTMASK", trace_buffer, "n" "N");
    check("NMI's return leaves FAULTMASK", get_faultmask(), 1);
    set_faultmask(0);
    check_text("FAULTMASK released", trace_buffer, "nNaA");
    interrupts_fresh(0x80, 0x40, 0x40, 0x40);
    actions[IRQ0 + IRQ_A] = raise_faultmask;
    pend(BIT(IRQ_A));
    check("an exception return clears FAULTMASK", get_faultmask(), 0);
}

static void check_grouping(void)
{
    AIRCR = AIRCR_KEY | 6u << 8; /* group: bit 7; subpriority: bits 6:4 */
    interrupts_fresh(0x60, 0x40, 0x20, 0x80);
    actions[IRQ0 + IRQ_A] = pend_b_and_c;
    pend(BIT(IRQ_A));
    check_text("a subpriority does not preempt but orders", trace_buffer, "aAcCbB");
    interrupts_fresh(0x80, 0x60, 0xA0, 0x80);
    actions[IRQ0 + IRQ_A] = pend_b;
    pend(BIT(IRQ_A));
    check_text("a group does preempt", trace_buffer, "abBA");
    set_basepri(0x90);
    interrupts_fresh(0x80, 0x60, 0xA0, 0x80);
    pend(BIT(IRQ_A) | BIT(IRQ_B));
    check_text("BASEPRI masks by group", trace_buffer, "bB");
    set_basepri(0);
    AIRCR = AIRCR_KEY | 7u << 8; /* subpriorities only */
    interrupts_fresh(0xF0, 0x00, 0x10, 0x80);
    actions[IRQ0 + IRQ_A] = pend_b_and_c;
    pend(BIT(IRQ_A));
    check_text("PRIGROUP 7: nothing preempts", trace_buffer, "aAbBcC");
    AIRCR = AIRCR_KEY;
}

static void check_icsr(void)
{
    interrupts_fresh(0x80, 0x40, 0x40, 0x80);
    actions[IRQ0 + IRQ_A] = note_icsr;
    pend(BIT(IRQ_A));
    check("RETTOBASE in a lone handler", seen & ICSR_RETTOBASE, ICSR_RETTOBASE);
    actions[IRQ0 + IRQ_A] = note_icsr_below_b;
    pend(BIT(IRQ_A));
    check("RETTOBASE in a nested one", seen & ICSR_RETTOBASE, 0);
    check("VECTACTIVE in a nested one", ICSR_VECTACTIVE(seen), IRQ0 + IRQ_B);
    interrupts_fresh(0x80, 0x40, 0x40, 0x80);
    actions[IRQ0 + IRQ_A] = pend_b;
    actions[IRQ0 + IRQ_B] = note_iabr;
    pend(BIT(IRQ_A));
    check("IABR has both when nested", seen & 15u << IRQ_A, BIT(IRQ_A) | BIT(IRQ_B));
    check("IABR in thread mode", NVIC_IABR, 0);
}

static uint32_t unprivileged_writes(uint32_t arg)
{
    (void)arg;
    __asm volatile("cpsid i\n\tcpsid f\n\tmsr basepri, %0\n\tmsr primask, %0\n\tmsr control, %1" ::"r"(0x40), "r"(0) : "memory");
    return get_control();
}

static uint32_t masks_after;
static uint32_t note_masks(struct frame *frame, uint32_t exc_return)
{
    masks_after = get_primask() | get_basepri() << 8 | get_faultmask() << 1;
    if (*(uint8_t *)(frame->pc - 2) == 255)
        set_control(get_control() & ~1u);
    return exc_return;
}

static void check_unprivileged(void)
{
    handlers[SVCALL] = note_masks;
    check("CONTROL: unprivileged, PSP", call_on_psp(unprivileged_writes, 0, PROCESS_STACK_TOP, 3), 3);
    check("the unprivileged change no mask", masks_after, 0);
    handlers[SVCALL] = NULL;
}

void check_masks(void)
{
    group("masks, grouping and access sizes");
    check_access();
    check_stir();
    check_basepri();
    check_faultmask();
    check_grouping();
    check_icsr();
    check_unprivileged();
}
