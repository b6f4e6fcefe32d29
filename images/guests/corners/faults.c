/* Usage, bus and memory faults, their status bits and escalation (DDI 0403 B1.5.14, B3.2.13 to B3.2.18). */
#include "core.h"

#define IACCVIOL 0x01u
#define DACCVIOL 0x02u
#define MUNSTKERR 0x08u
#define MSTKERR 0x10u
#define MMARVALID 0x80u
#define IBUSERR 0x0100u
#define PRECISERR 0x0200u
#define IMPRECISERR 0x0400u
#define UNSTKERR 0x0800u
#define STKERR 0x1000u
#define BFARVALID 0x8000u
#define UNDEFINSTR 0x00010000u
#define INVSTATE 0x00020000u
#define INVPC 0x00040000u
#define NOCP 0x00080000u
#define UNALIGNED 0x01000000u
#define DIVBYZERO 0x02000000u
#define FORCED 0x40000000u
#define DEBUGEVT 0x80000000u
#define VECTTBL 2u

SNIPPET(divide_unsigned, "", "udiv r0, r0, r1");
SNIPPET(divide_signed, "", "sdiv r0, r0, r1");
SNIPPET(read_word, "", "ldr r0, [r0]");
SNIPPET(read_half, "", "ldrh r0, [r0]");
SNIPPET(read_byte, "", "ldrb r0, [r0]");
SNIPPET(write_half, "", "strh r1, [r0]");
SNIPPET(write_word, "", "str r1, [r0]");
SNIPPET(read_double, "", "ldrd r2, r3, [r0]");
SNIPPET(read_multiple, "", "ldmia r0!, {r1, r2}");
SNIPPET(read_exclusive, "", "ldrex r1, [r0]");
SNIPPET(udf_narrow, "", "udf #3");
SNIPPET(udf_wide, "", "udf.w #3");
SNIPPET(coprocessor, "", ".short 0xee00, 0x0510"); /* MCR p5, 0, r0, c0, c0, 0 */
SNIPPET(float_add, "", ".short 0xee30, 0x0a00");   /* VADD.F32 s0, s0, s0 */
SNIPPET(branch, "", "bx r0");
SNIPPET(debug_event, "", "bkpt #1");

static uint8_t bytes[16] __attribute__((aligned(8))) = { 0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87, 0x98 };
#define AT(n) ((uint32_t)bytes + (n))

/* Checks the last fault: which exception, which status, which instruction. */
static void check_caught(const char *name, uint32_t number, uint32_t cfsr, const uint8_t *pc)
{
    check(name, caught.number, number);
    check(" its CFSR", caught.cfsr, cfsr);
    if (pc)
        check(" its stacked PC", caught.frame.pc, (uint32_t)pc);
}

static uint32_t divide(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm volatile("sdiv %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}

static void check_divide(void)
{
    CCR &= ~CCR_DIV_0_TRP;
    sync();
    PROVOKE(divide_unsigned, 5, 0);
    check("no DIV_0_TRP, no fault", caught.count, 0);
    check("SDIV by zero gives zero", divide(5, 0), 0);
    check("SDIV of the least by -1", divide(0x80000000, 0xFFFFFFFF), 0x80000000);
    CCR |= CCR_DIV_0_TRP;
    sync();
    PROVOKE(divide_unsigned, 5, 0);
    check_caught("UDIV by zero", USAGEFAULT, DIVBYZERO, divide_unsigned_at);
    PROVOKE(divide_signed, 5, 0);
    check_caught("SDIV by zero", USAGEFAULT, DIVBYZERO, divide_signed_at);
    CCR &= ~CCR_DIV_0_TRP;
    sync();
}

static void check_unaligned(void)
{
    CCR &= ~CCR_UNALIGN_TRP;
    sync();
    check("unaligned LDR", *(volatile uint32_t *)AT(1), 0x54433221);
    check("unaligned LDRH", *(volatile uint16_t *)AT(3), 0x5443);
    *(volatile uint32_t *)AT(9) = 0xA1B2C3D4;
    check("unaligned STR", *(volatile uint32_t *)AT(8), 0xB2C3D498);
    PROVOKE(read_double, AT(2), 0);
    check_caught("unaligned LDRD", USAGEFAULT, UNALIGNED, read_double_at);
    PROVOKE(read_multiple, AT(2), 0);
    check_caught("unaligned LDM", USAGEFAULT, UNALIGNED, read_multiple_at);
    PROVOKE(read_exclusive, AT(2), 0);
    check_caught("unaligned LDREX", USAGEFAULT, UNALIGNED, read_exclusive_at);
    CCR |= CCR_UNALIGN_TRP;
    sync();
    PROVOKE(read_word, AT(2), 0);
    check_caught("UNALIGN_TRP: LDR", USAGEFAULT, UNALIGNED, read_word_at);
    PROVOKE(read_half, AT(1), 0);
    check_caught("UNALIGN_TRP: LDRH", USAGEFAULT, UNALIGNED, read_half_at);
    PROVOKE(write_half, AT(1), 0);
    check_caught("UNALIGN_TRP: STRH", USAGEFAULT, UNALIGNED, write_half_at);
    PROVOKE(read_half, AT(2), 0);
    check("UNALIGN_TRP: an even LDRH is fine", caught.count, 0);
    PROVOKE(read_byte, AT(1), 0);
    check("UNALIGN_TRP: LDRB is fine", caught.count, 0);
    CCR &= ~CCR_UNALIGN_TRP;
    sync();
}

static void check_undefined(void)
{
    PROVOKE(udf_narrow, 0, 0);
    check_caught("UDF", USAGEFAULT, UNDEFINSTR, udf_narrow_at);
    check(" USGFAULTACT in the handler", caught.shcsr & 8, 8);
    PROVOKE(udf_wide, 0, 0);
    check_caught("UDF.W", USAGEFAULT, UNDEFINSTR, udf_wide_at);
    PROVOKE(coprocessor, 0, 0);
    check_caught("an absent coprocessor", USAGEFAULT, NOCP, coprocessor_at);
    CPACR = 0;
    sync();
    PROVOKE(float_add, 0, 0);
    check_caught("floating point switched off or absent", USAGEFAULT, NOCP, float_add_at);
    clear_caught();
    try_call(branch, (uint32_t)check_undefined & ~1u, 0);
    check_caught("BX to an even address", USAGEFAULT, INVSTATE, (uint8_t *)((uint32_t)check_undefined & ~1u));
    check(" its stacked T bit", caught.frame.xpsr & 0x01000000, 0);
}

static void check_sticky(void)
{
    CCR |= CCR_DIV_0_TRP;
    sync();
    SHCSR &= ~SHCSR_FAULTS;
    PROVOKE(divide_unsigned, 1, 0);
    check_caught("disabled UsageFault escalates", HARDFAULT, DIVBYZERO, divide_unsigned_at);
    check(" HFSR", caught.hfsr, FORCED);
    check("CFSR clears by writing ones", CFSR, 0);
    check("HFSR clears by writing ones", HFSR, 0);
    PROVOKE(read_word, UNMAPPED, 0);
    check_caught("disabled BusFault escalates", HARDFAULT, PRECISERR | BFARVALID, read_word_at);
    PROVOKE(branch, 0x40000001, 0);
    check_caught("disabled MemManage escalates", HARDFAULT, IACCVIOL, (uint8_t *)0x40000000);
    SHCSR |= SHCSR_FAULTS;
    CCR &= ~CCR_DIV_0_TRP;
    sync();
}

static uint32_t leave_status(struct frame *frame, uint32_t exc_return)
{
    caught.count++;
    frame->pc = resume_at;
    return exc_return;
}

/* Status bits stay until they are cleared, each part by its own width. */
static void check_status_access(void)
{
    handlers[USAGEFAULT] = handlers[BUSFAULT] = leave_status;
    PROVOKE(udf_narrow, 0, 0);
    PROVOKE(read_word, UNMAPPED + 0x124, 0);
    check("status bits add up", CFSR, UNDEFINSTR | PRECISERR | BFARVALID);
    check("UFSR as a halfword", REG16(0xE000ED2A), 1);
    check("BFSR as a byte", REG8(0xE000ED29), 0x82);
    check("BFAR holds", BFAR, UNMAPPED + 0x124);
    REG16(0xE000ED2A) = 1;
    check("UFSR cleared alone", CFSR, PRECISERR | BFARVALID);
    REG8(0xE000ED29) = 0x82;
    check("BFSR cleared alone", CFSR, 0);
    catch_faults();
}

static void check_bus(void)
{
    PROVOKE(read_word, UNMAPPED + 0x100, 0);
    check_caught("a load from nowhere", BUSFAULT, PRECISERR | BFARVALID, read_word_at);
    check(" BFAR", caught.bfar, UNMAPPED + 0x100);
    check(" BUSFAULTACT in the handler", caught.shcsr & 2, 2);
    PROVOKE(write_word, UNMAPPED + 0x200, 0);
    check("a store to nowhere", caught.number, BUSFAULT);
    check(" PRECISERR or IMPRECISERR", !!(caught.cfsr & (PRECISERR | IMPRECISERR)), 1);
    clear_caught();
    try_call(branch, UNMAPPED | 1, 0);
    check_caught("a fetch from nowhere", BUSFAULT, IBUSERR, (uint8_t *)UNMAPPED);
    clear_caught();
    try_call(branch, 0x40004001, 0);
    check_caught("a fetch from a device", MEMMANAGE, IACCVIOL, (uint8_t *)0x40004000);
    check(" MEMFAULTACT in the handler", caught.shcsr & 1, 1);
    clear_caught();
    try_call(branch, 0xE000E001, 0);
    check_caught("a fetch from system space", MEMMANAGE, IACCVIOL, (uint8_t *)0xE000E000);
    clear_caught();
    try_call(branch, 0xFFFFFFF9, 0);
    check_caught("EXC_RETURN in thread mode", MEMMANAGE, IACCVIOL, (uint8_t *)0xFFFFFFF8);
}

/* Exception entry onto a process stack that is not there. */
static uint32_t pend_on_bad_stack(uint32_t sp)
{
    __asm volatile("mov sp, %0\n\tstr %1, [%2]\n\tdsb\n\tisb" ::"r"(sp), "r"(BIT(IRQ_A)), "r"(0xE000E200) : "memory");
    return 0;
}

static void bad_stack(uint32_t sp, uint32_t unused)
{
    (void)unused;
    call_on_psp(pend_on_bad_stack, sp, PROCESS_STACK_TOP, 2);
}

static void move_psp(void) { set_psp(UNMAPPED + 0x100); }

static uint32_t pend_a_on_psp(uint32_t arg)
{
    pend(BIT(IRQ_A));
    return arg;
}

static void return_to_bad_stack(uint32_t a, uint32_t b)
{
    (void)a, (void)b;
    call_on_psp(pend_a_on_psp, 0, PROCESS_STACK_TOP, 2);
}

static void check_stacking(void)
{
    interrupts_fresh(0x80, 0x80, 0x80, 0x80);
    clear_caught();
    frame_lost = 1;
    try_call(bad_stack, UNMAPPED + 0x100, 0);
    check_caught("stacking to nowhere", BUSFAULT, STKERR, 0);
    check(" EXC_RETURN: thread, PSP", caught.exc_return, 0xFFFFFFFD);
    check_text(" the interrupt follows", trace_buffer, "aA");
    interrupts_fresh(0x80, 0x80, 0x80, 0x80);
    actions[IRQ0 + IRQ_A] = move_psp;
    clear_caught();
    frame_lost = 1;
    try_call(return_to_bad_stack, 0, 0);
    check_caught("unstacking from nowhere", BUSFAULT, UNSTKERR, 0);
    check_text(" the interrupt has ended", trace_buffer, "aA");
    check(" and is not active", NVIC_IABR, 0);
}

SNIPPET(svc_here, "", "svc #1");
static void svc_inside(void) { svc_here(0, 0); }
static void load_from_nowhere(void) { read_word(UNMAPPED, 0); }

static uint32_t fault_again(struct frame *frame, uint32_t exc_return)
{
    trace('u');
    udf_wide(0, 0);
    trace('U');
    frame->pc += 2;
    CFSR = CFSR;
    return exc_return;
}

static uint32_t bus_within_usage(struct frame *frame, uint32_t exc_return)
{
    trace('u');
    read_word(UNMAPPED, 0);
    trace('U');
    frame->pc += 2;
    CFSR = CFSR;
    return exc_return;
}

static void check_in_handler(void)
{
    interrupts_fresh(0x40, 0x80, 0x80, 0x80);
    SHPRB(BUSFAULT) = 0xC0;
    actions[IRQ0 + IRQ_A] = load_from_nowhere;
    clear_caught();
    resume_at = (uint32_t)read_word_next;
    pend(BIT(IRQ_A));
    check_caught("BusFault below the handler's priority escalates", HARDFAULT, PRECISERR | BFARVALID, read_word_at);
    check(" HFSR", caught.hfsr, FORCED);
    check(" EXC_RETURN: handler", caught.exc_return, 0xFFFFFFF1);
    check_text(" the handler goes on", trace_buffer, "aA");
    SHPRB(SVCALL) = 0x40;
    actions[IRQ0 + IRQ_A] = svc_inside;
    clear_caught();
    resume_at = (uint32_t)svc_here_next;
    pend(BIT(IRQ_A));
    check_caught("SVC in a handler of its own priority", HARDFAULT, 0, 0);
    check(" HFSR", caught.hfsr, FORCED);
    SHPRB(SVCALL) = 0;
    SHPRB(BUSFAULT) = 0x00;
    trace_clear();
    actions[IRQ0 + IRQ_A] = load_from_nowhere;
    pend(BIT(IRQ_A));
    check_caught("BusFault above it does not", BUSFAULT, PRECISERR | BFARVALID, read_word_at);
}

static void check_nested(void)
{
    handlers[USAGEFAULT] = fault_again;
    trace_clear();
    clear_caught();
    resume_at = (uint32_t)udf_wide_next;
    udf_narrow(0, 0);
    check("UsageFault in its own handler escalates", caught.number, HARDFAULT);
    check(" stacked IPSR: UsageFault", caught.frame.xpsr & 0x1FF, USAGEFAULT);
    check_text(" both handlers end", trace_buffer, "uU");
    handlers[USAGEFAULT] = bus_within_usage;
    SHPRB(USAGEFAULT) = 0x40;
    trace_clear();
    clear_caught();
    resume_at = (uint32_t)read_word_next;
    udf_narrow(0, 0);
    check("BusFault preempts a lower UsageFault", caught.number, BUSFAULT);
    check(" both active in SHCSR", caught.shcsr & 0xA, 0xA);
    SHPRB(USAGEFAULT) = 0;
    catch_faults();
}

static void note_shcsr(void) { caught.shcsr = SHCSR; caught.icsr = REG16(0xE000ED24); }

static void check_shcsr(void)
{
    letters_for(SVCALL);
    actions[SVCALL] = note_shcsr;
    trace_clear();
    call_svc(0);
    check("SVCALLACT in the SVC handler", caught.shcsr & 0x80, 0x80);
    check("SHCSR's lower halfword there", caught.icsr & 0x80, 0x80);
    letters_for(PENDSV);
    actions[PENDSV] = note_shcsr;
    ICSR = ICSR_PENDSVSET;
    sync();
    check("PENDSVACT in PendSV", caught.shcsr & 0x400, 0x400);
    trace_clear();
    SHCSR |= 1u << 15;
    sync();
    check_text("SVCALLPENDED set by hand", trace_buffer, "sS");
    check("no fault is active", SHCSR & 0x4FFF, 0);
    handlers[SVCALL] = handlers[PENDSV] = NULL;
}

static void check_breakpoint(void)
{
    if (REG(0xE000EDF0) & 1) {
        skip("BKPT", "a debugger is attached");
        return;
    }
    PROVOKE(debug_event, 0, 0);
    check_caught("BKPT without a debugger", HARDFAULT, 0, debug_event_at);
    check(" HFSR", caught.hfsr & 0xC0000000, DEBUGEVT);
}

/* The first address past a memory that a vector table could straddle; 0 if every end is decoded by something. */
static uint32_t memory_end(void)
{
    static const uint32_t ends[] = { 0x00400000, 0x00800000, 0x20400000, 0x20800000, 0x22000000, 0x61000000 };
    for (uint32_t i = 0; i < sizeof ends / 4; i++) {
        PROVOKE(read_word, ends[i] - 4, 0);
        uint32_t outside = caught.count;
        PROVOKE(read_word, ends[i], 0);
        if (!outside && caught.count)
            return ends[i];
    }
    return 0;
}

static uint32_t good_vtor;

/* The interrupt may still be pending, and would fault again. */
static uint32_t vector_fault(struct frame *frame, uint32_t exc_return)
{
    VTOR = good_vtor;
    NVIC_ICER = BIT(IRQ_A);
    NVIC_ICPR = BIT(IRQ_A);
    sync();
    return catch_fault(frame, exc_return);
}

/* The vector table straddles a memory's end: the first 32 entries exist, IRQ16's and later do not. */
static void check_vector_fetch(void)
{
    uint32_t end = memory_end();
    good_vtor = VTOR;
    if (!end) {
        skip("VECTTBL", "no memory whose end can be found");
        return;
    }
    interrupts_fresh(0x80, 0x80, 0x80, 0x80);
    memcpy((void *)(end - 128), (void *)good_vtor, 128);
    handlers[HARDFAULT] = vector_fault;
    VTOR = end - 128;
    sync();
    clear_caught();
    resume_at = 0;
    try_call((snippet)(void (*)(void))pend, BIT(IRQ_A), 0);
    catch_faults();
    check_caught("a vector that cannot be read", HARDFAULT, 0, 0);
    check(" VECTTBL in HFSR", caught.hfsr & VECTTBL, VECTTBL);
}

static uint32_t touch_system_space(uint32_t arg)
{
    read_word(arg, 0);
    return 0;
}

static void check_unprivileged(void)
{
    clear_caught();
    resume_at = (uint32_t)read_word_next;
    call_on_psp(touch_system_space, 0xE000ED00, PROCESS_STACK_TOP, 3);
    check_caught("the unprivileged reading CPUID", BUSFAULT, PRECISERR | BFARVALID, read_word_at);
    check(" BFAR", caught.bfar, 0xE000ED00);
}

void check_faults(void)
{
    group("faults");
    check("CCR: STKALIGN at reset", CCR & CCR_STKALIGN, CCR_STKALIGN);
    catch_faults();
    SHPR(1) = 0;
    SHCSR |= SHCSR_FAULTS;
    check_divide();
    check_unaligned();
    check_undefined();
    check_sticky();
    check_status_access();
    check_bus();
    check_stacking();
    check_in_handler();
    check_nested();
    check_shcsr();
    check_unprivileged();
    check_breakpoint();
    check_vector_fetch();
    SHCSR &= ~SHCSR_FAULTS;
}
